"""Who bears witness for the audit log: signs how far it has come, verifies it, and prunes it."""
