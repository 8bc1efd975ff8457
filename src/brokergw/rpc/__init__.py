"""The edge: gRPC in, commands to the desk, answers and honest errors out."""
