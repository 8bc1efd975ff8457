"""Links to brokers: what is shown of them, how they change, and who watches."""
