"""The book of halts, in the database and, where that is away, in a file."""
