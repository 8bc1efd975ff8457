"""Writing what happened: the commit before a send, the answer after it, and how an order changes."""
