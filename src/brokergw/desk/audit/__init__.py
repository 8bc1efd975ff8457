"""Who may read the audit log, and what of it."""
