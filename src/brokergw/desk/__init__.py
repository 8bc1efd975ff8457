"""The use cases: what a caller can do, one verb a file. Knows ports and model, never gRPC or SQL."""
