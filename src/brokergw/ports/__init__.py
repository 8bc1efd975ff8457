"""What the desk needs from the world, as Protocols; `app/build.py` decides who provides it."""
