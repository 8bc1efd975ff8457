"""How Schwab words a no: over HTTP at once, or as the status of an order that it has already numbered.

The trader API answers `{"message", "errors"}`, market data `{"errors": [{...}]}`, the edge in plain text. The names of
rules are those that users of the API have reported; a refusal without a reported one has no name here either. That an
unknown symbol and a price between ticks are refused over HTTP, and want of money by status, is assumed.
"""

import uuid
from typing import Any, Final

from brokergw.exchange import RefusalCode, Refused
from brokergw.sim.wire import WireReply, encode_json


class ApiError(Exception):
    """An error answer of the trader API in the making."""

    def __init__(self, status: int, message: str, *errors: str) -> None:
        super().__init__(message)
        self.status = status
        self.document: dict[str, Any] = {"message": message}
        if errors:
            self.document["errors"] = list(errors)

    def reply(self) -> WireReply:
        """Encode it."""
        return WireReply(self.status, encode_json(self.document))


class RejectedLater(Exception):
    """The order is numbered and answered as taken, and has the status REJECTED from then on."""

    def __init__(self, description: str) -> None:
        super().__init__(description)
        self.description = description


def invalid(*errors: str) -> ApiError:
    """400 for a request that is not well formed."""
    return ApiError(400, "A validation error occurred while processing the request.", *errors)


def wrong_account() -> ApiError:
    """400 for an account number where its hash belongs, or a hash that is none."""
    return ApiError(400, "Invalid account number")


def not_found() -> ApiError:
    """404 for an order that is not the account's."""
    return ApiError(404, "Order not found")


def data_error(status: int, detail: str, parameter: str) -> WireReply:
    """Word a refusal as market data does."""
    error = {
        "id": str(uuid.UUID(int=0)),
        "status": str(status),
        "title": "Bad Request" if status == 400 else "Not Found",
        "detail": detail,
        "source": {"parameter": parameter},
    }
    return WireReply(status, encode_json({"errors": [error]}))


def failure(status: int) -> WireReply:
    """Word a failure that has nothing to do with the request."""
    match status:
        case 401:
            return ApiError(401, "Client not authorized").reply()
        case 429:
            return ApiError(429, "Too many requests").reply()
        case 502 | 503 | 504:
            # The edge answers for a service that is away, in plain text.
            return WireReply(status, b"upstream is not available", content_type="text/plain")
        case _:
            return ApiError(status, "An internal error occurred").reply()


NO_MONEY: Final = "You do not have enough available cash/buying power for this order."
OVERSOLD: Final = (
    "Position_Sys_0001: This order may result in an oversold/overbought position in your account. "
    "Please check your position quantity and/or open orders."
)
WRONG_SIDE: Final = "Order_Sys_0002: The stop price is on the wrong side of the market."
NOT_ELIGIBLE: Final = "Opening transactions for this security are not accepted."
NO_SHORT: Final = "This security is not available to sell short."

_LATER: Final = {
    RefusalCode.INSUFFICIENT_BUYING_POWER: NO_MONEY,
    RefusalCode.INSUFFICIENT_QUANTITY: OVERSOLD,
    RefusalCode.OPPOSITE_ORDER_OPEN: OVERSOLD,
    RefusalCode.NOT_TRADABLE: NOT_ELIGIBLE,
    RefusalCode.SHORT_NOT_ALLOWED: NO_SHORT,
}


def from_exchange(refused: Refused) -> ApiError | RejectedLater:
    """Word the exchange's refusal of an order."""
    if refused.code in _LATER:
        return RejectedLater(_LATER[refused.code])
    if refused.code is RefusalCode.OFF_TICK:
        return invalid(f"The price must be in an increment of {refused.facts['tick']}")
    if refused.code is RefusalCode.UNKNOWN_SYMBOL:
        return invalid("Instrument not found")
    return invalid(refused.message)
