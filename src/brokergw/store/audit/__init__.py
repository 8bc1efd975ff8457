"""The audit log: how a row is hashed, signed for, and put into the chain of its writer."""
