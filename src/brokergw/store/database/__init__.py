"""How the store talks to SQLite and PostgreSQL: engines, connections, transactions, waiting, listening."""
