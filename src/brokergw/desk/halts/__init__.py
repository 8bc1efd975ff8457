"""What stops trading: halts as this process knows them, its right to send, the switch, and the clearing away."""
