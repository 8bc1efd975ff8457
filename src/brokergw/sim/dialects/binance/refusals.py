"""Binance's ways to say no: `{"code", "msg"}` with a status, mostly 400 (errors.md, filters.md)."""

from collections.abc import Callable, Mapping
from typing import Any, Final

from brokergw.exchange import RefusalCode, Refused
from brokergw.sim.dialects.binance.listings import Kind
from brokergw.sim.wire import WireReply, encode_json

ID_LEGAL: Final = {Kind.SPOT: "^[a-zA-Z0-9-_]{1,36}$", Kind.FUTURES: r"^[\.A-Z\:/a-z0-9_-]{1,36}$"}


class ApiError(Exception):
    """A refusal on its way to the wire; `data` goes along where Binance gives details."""

    def __init__(
        self, code: int, message: str, status: int = 400, data: Any = None, *, retry_after_s: int | None = None
    ) -> None:
        super().__init__(message)
        self.retry_after_s = retry_after_s
        self.code = code
        self.message = message
        self.status = status
        self.data = data

    @property
    def document(self) -> dict[str, Any]:
        """The body of the answer."""
        body: dict[str, Any] = {"code": self.code, "msg": self.message}
        return body if self.data is None else {**body, "data": self.data}

    def reply(self) -> WireReply:
        """Word it for HTTP."""
        headers = None if self.retry_after_s is None else {"Retry-After": str(self.retry_after_s)}
        return WireReply(self.status, encode_json(self.document), headers)


def rejected(message: str) -> ApiError:
    """Refuse a spot order as the matching engine does."""
    return ApiError(-2010, message)


def filtered(name: str) -> ApiError:
    """Refuse what breaks a filter of the symbol."""
    return ApiError(-1013, f"Filter failure: {name}")


def missing(name: str) -> ApiError:
    """Refuse a request without something it needs."""
    return ApiError(-1102, f"Mandatory parameter '{name}' was not sent, was empty/null, or malformed.")


def illegal(name: str, legal: str) -> ApiError:
    """Refuse characters."""
    return ApiError(-1100, f"Illegal characters found in parameter '{name}'; legal range is '{legal}'.")


def unneeded(name: str) -> ApiError:
    """Refuse what does not go with an order's type."""
    return ApiError(-1106, f"Parameter '{name}' sent when not required.")


UNKNOWN_ORDER: Final = (-2011, "Unknown order sent.")
NO_SUCH_ORDER: Final = (-2013, "Order does not exist.")
NO_SUCH_LIST: Final = (-2018, "Order list does not exist.")
NO_SUCH_SYMBOL: Final = (-1121, "Invalid symbol.")
BAD_KEY_FORMAT: Final = (-2014, "API-key format invalid.")
BAD_KEY: Final = (-2015, "Invalid API-key, IP, or permissions for action.")
BAD_SIGNATURE: Final = (-1022, "Signature for this request is not valid.")


def failure(status: int, retry_after_s: int = 1) -> WireReply:
    """Word a failure: refused keys, a spent budget, a ban, or trouble inside."""
    if status == 401:
        return ApiError(*BAD_KEY, status=401).reply()
    if status in {418, 429}:
        words = "Way too much request weight used; IP banned" if status == 418 else "Too much request weight used"
        reply = ApiError(-1003, f"{words}; please use WebSocket Streams for live updates.", status=status).reply()
        reply.headers = {"Retry-After": str(retry_after_s)}
        return reply
    if status == 504:
        return ApiError(-1007, "Timeout waiting for response from backend server.", status=status).reply()
    return ApiError(-1000, "An unknown error occurred while processing the request.", status=status).reply()


_SPOT: Final[dict[RefusalCode, Callable[[Mapping[str, Any]], ApiError]]] = {
    RefusalCode.UNKNOWN_SYMBOL: lambda _: ApiError(*NO_SUCH_SYMBOL),
    RefusalCode.NOT_TRADABLE: lambda _: rejected("Market is closed."),
    RefusalCode.OFF_TICK: lambda _: filtered("PRICE_FILTER"),
    RefusalCode.OFF_STEP: lambda _: filtered("LOT_SIZE"),
    RefusalCode.BELOW_MINIMUM: lambda _: filtered("LOT_SIZE"),
    RefusalCode.INSUFFICIENT_BUYING_POWER: lambda _: rejected("Account has insufficient balance for requested action."),
    RefusalCode.INSUFFICIENT_QUANTITY: lambda _: rejected("Account has insufficient balance for requested action."),
    RefusalCode.NOT_FOUND: lambda _: ApiError(*UNKNOWN_ORDER),
    RefusalCode.NOT_OPEN: lambda _: ApiError(*UNKNOWN_ORDER),
}
_FUTURES: Final[dict[RefusalCode, Callable[[Mapping[str, Any]], ApiError]]] = {
    RefusalCode.UNKNOWN_SYMBOL: lambda _: ApiError(*NO_SUCH_SYMBOL),
    RefusalCode.NOT_TRADABLE: lambda _: ApiError(-4141, "Symbol is closed."),
    RefusalCode.OFF_TICK: lambda _: ApiError(-4014, "Price not increased by tick size."),
    RefusalCode.OFF_STEP: lambda _: ApiError(-4023, "Qty not increased by step size."),
    RefusalCode.BELOW_MINIMUM: lambda _: ApiError(-4004, "Quantity less than min quantity."),
    RefusalCode.INSUFFICIENT_BUYING_POWER: lambda _: ApiError(-2019, "Margin is insufficient."),
    RefusalCode.NOT_FOUND: lambda _: ApiError(*UNKNOWN_ORDER),
    RefusalCode.NOT_OPEN: lambda _: ApiError(*UNKNOWN_ORDER),
}


def from_exchange(kind: Kind, refused: Refused) -> ApiError:
    """Word a refusal of the exchange as a product's matching engine does."""
    words = (_SPOT if kind is Kind.SPOT else _FUTURES).get(refused.code)
    if words is None:
        return ApiError(-1013, refused.message)
    return words(refused.facts)
