"""Requests as a person types them for a command line tool."""

from typing import Any


def submit_document(account: str, key: str, quantity: str = "1") -> dict[str, Any]:
    """Give the JSON form of a SubmitOrderRequest that buys at the market."""
    return {
        "idempotencyKey": key,
        "accountId": account,
        "order": {
            "symbol": "AAPL",
            "side": "SIDE_BUY",
            "quantity": quantity,
            "type": "ORDER_TYPE_MARKET",
            "timeInForce": "TIME_IN_FORCE_DAY",
        },
    }
