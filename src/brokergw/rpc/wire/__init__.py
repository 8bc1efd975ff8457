"""Between the contract's messages and the model's values, one subject a file."""
