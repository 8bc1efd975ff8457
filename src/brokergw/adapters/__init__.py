"""One self-contained room per broker; `app/catalog.py` lists them."""
