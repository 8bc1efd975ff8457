"""What subscribers read: the record of some accounts, from a chosen point on."""
