"""What browsers see of the gateway: the way to a broker's authorization page, and the way back."""
