"""The nine steps around every call, one concern a file; `rpc/chain.py` holds their order."""
