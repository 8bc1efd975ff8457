"""How cTrader says no: ProtoOAErrorRes, or ProtoOAOrderErrorEvent where an order or a position is at stake.

Texts in quotes come from cTrader's users; where none was found the words are ours. Codes are the names of
ProtoOAErrorCode and ProtoErrorCode.
"""

from collections.abc import Callable
from decimal import Decimal
from typing import Any, Final

from brokergw.exchange import RefusalCode, Refused
from brokergw.sim.dialects.ctrader.schema import TYPES

_ERROR, _ORDER_ERROR = TYPES["ErrorRes"], TYPES["OrderErrorEvent"]


class OpenApiError(Exception):
    """A refusal; with `about_order` it is told as an order error event."""

    def __init__(self, code: str, description: str = "", *, about_order: bool = False, **facts: int) -> None:
        super().__init__(description or code)
        self.code = code
        self.description = description
        self.about_order = about_order
        self.facts = facts

    def answer(self, account: int) -> tuple[int, dict[str, Any]]:
        """Give payload type and payload."""
        payload: dict[str, Any] = {"errorCode": self.code, **self.facts}
        if account:
            payload["ctidTraderAccountId"] = account
        if self.description:
            payload["description"] = self.description
        return (_ORDER_ERROR if self.about_order else _ERROR), payload


def order_error(code: str, description: str = "", **facts: int) -> OpenApiError:
    """Refuse something about an order or a position."""
    return OpenApiError(code, description, about_order=True, **facts)


def invalid(description: str) -> OpenApiError:
    """Refuse a request as such."""
    return OpenApiError("INVALID_REQUEST", description)


def too_precise(what: str, price: Decimal, digits: int) -> OpenApiError:
    """Refuse a price that is off the grid."""
    return invalid(f"{what} = {price} has more digits than symbol allows. Allowed {digits} digits")


def too_often(seconds: int) -> OpenApiError:
    """Refuse a request that came too soon."""
    return OpenApiError("REQUEST_FREQUENCY_EXCEEDED", "Request frequency limit is exceeded", retryAfter=seconds)


def server_trouble() -> OpenApiError:
    """Say that something went wrong, which proves nothing."""
    return OpenApiError("TIMEOUT_ERROR", "Request timed out")


def from_exchange(refused: Refused) -> OpenApiError:
    """Word a refusal of the exchange."""
    make = _WORDS.get(refused.code)
    return make(refused) if make is not None else invalid(refused.message)


_WORDS: Final[dict[RefusalCode, Callable[[Refused], OpenApiError]]] = {
    RefusalCode.UNKNOWN_SYMBOL: lambda refused: order_error("SYMBOL_NOT_FOUND", refused.message),
    RefusalCode.NOT_TRADABLE: lambda _: order_error("TRADING_DISABLED", "Trading is disabled for the symbol"),
    RefusalCode.OFF_STEP: lambda refused: order_error("TRADING_BAD_VOLUME", refused.message),
    RefusalCode.NOT_FRACTIONABLE: lambda refused: order_error("TRADING_BAD_VOLUME", refused.message),
    RefusalCode.BELOW_MINIMUM: lambda refused: order_error("TRADING_BAD_VOLUME", refused.message),
    RefusalCode.INSUFFICIENT_BUYING_POWER: lambda _: order_error(
        "NOT_ENOUGH_MONEY", "Not enough funds to open a position"
    ),
    RefusalCode.SHORT_NOT_ALLOWED: lambda refused: order_error("SHORT_SELLING_NOT_ALLOWED", refused.message),
    RefusalCode.NOT_REPLACEABLE: lambda refused: order_error("UNABLE_TO_AMEND_ORDER", refused.message),
}
