"""How far a user may trade: modes, the steps to live trading, and the second factor."""
