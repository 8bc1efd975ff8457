"""What a caller or an operator can have done: one verb a file, and what the verbs work with."""
