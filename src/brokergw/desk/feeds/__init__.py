"""What brokers tell by themselves or when asked regularly, by the one process that holds the connection."""
