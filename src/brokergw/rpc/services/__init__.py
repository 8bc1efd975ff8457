"""The RPCs, one file a service: take the command, ask the desk, give the answer."""
