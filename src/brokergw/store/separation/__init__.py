"""One user's rows are there for that user alone: what the database is told, and what it holds everybody to."""
