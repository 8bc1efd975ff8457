"""What is asked of the record: look-ups by id, lists, what has changed since."""
