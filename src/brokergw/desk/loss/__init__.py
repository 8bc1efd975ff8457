"""What a user's accounts have lost on the trading day, and stopping the user at its limit."""
