"""Who may call: keys, roles, client certificates, and tokens that are refused."""
