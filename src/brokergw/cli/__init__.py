"""The command line: what a person or a script types; everything it does, it does through `app` or `client`."""
