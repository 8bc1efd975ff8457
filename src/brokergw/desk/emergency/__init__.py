"""What still works while the record is away: cancels, kept in a journal of their own until the record has them."""
