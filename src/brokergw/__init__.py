"""One gRPC API in front of many brokers."""
