"""The preflight gates, in the order in which an order meets them."""
