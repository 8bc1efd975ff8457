"""How Alpaca words a no: status, eight-digit code, message and the facts beside them.

Codes and texts: recorded bodies of the paper API, and Alpaca docs, "How to fix common trading API errors".
"""

from collections.abc import Callable
from typing import Any, Final

from brokergw.exchange import ExchangeOrder, Listing, RefusalCode, Refused
from brokergw.model.instrument import AssetClass
from brokergw.model.terms import OrderType
from brokergw.sim.dialects.alpaca.shapes import text
from brokergw.sim.wire import WireReply, encode_json

MALFORMED: Final = 40010001
UNPROCESSABLE: Final = 42210000
FORBIDDEN: Final = 40310000
NOT_FOUND: Final = 40410000
TOO_MANY: Final = 42910000

_HTML: Final = (
    b"<html>\r\n<head><title>401 Authorization Required</title></head>\r\n<body>\r\n"
    b"<center><h1>401 Authorization Required</h1></center>\r\n<hr><center>nginx</center>\r\n</body>\r\n</html>\r\n"
)


class ApiError(Exception):
    """An error body in the making."""

    def __init__(self, status: int, code: int, message: str, **facts: Any) -> None:
        super().__init__(message)
        self.status = status
        self.document = {"code": code, "message": message, **facts}

    def reply(self) -> WireReply:
        """Encode it."""
        return WireReply(self.status, encode_json(self.document))


def malformed(message: str, **facts: Any) -> ApiError:
    """422 for a request that is not well formed."""
    return ApiError(422, MALFORMED, message, **facts)


def unprocessable(message: str, **facts: Any) -> ApiError:
    """422 for a request that makes no sense for this asset or order."""
    return ApiError(422, UNPROCESSABLE, message, **facts)


def forbidden(message: str, **facts: Any) -> ApiError:
    """403 for what the account may not or cannot do."""
    return ApiError(403, FORBIDDEN, message, **facts)


def not_found(message: str) -> ApiError:
    """404."""
    return ApiError(404, NOT_FOUND, message)


def unauthorized() -> WireReply:
    """401 for a key that is not known: no code, and a trailing newline."""
    return WireReply(401, b'{"message": "unauthorized."}\n')


def unauthorized_page() -> WireReply:
    """401 for a request without any credentials: a web server's page instead of JSON."""
    return WireReply(401, _HTML, content_type="text/html")


def failure(status: int) -> WireReply:
    """Word a failure that has nothing to do with the request."""
    match status:
        case 401:
            return unauthorized()
        case 429:
            return ApiError(429, TOO_MANY, "rate limit exceeded").reply()
        case 502 | 503 | 504:
            title = {502: "Bad Gateway", 503: "Service Temporarily Unavailable", 504: "Gateway Time-out"}[status]
            page = f"<html>\r\n<head><title>{status} {title}</title></head>\r\n<body>nginx</body>\r\n</html>\r\n"
            return WireReply(status, page.encode(), content_type="text/html")
        case _:
            return ApiError(status, status * 100_000, "internal server error occurred").reply()


def from_exchange(refused: Refused, listing: Listing | None, existing: ExchangeOrder | None = None) -> ApiError:
    """Word the exchange's refusal of an order; `existing` is the order that a wash trade would meet."""
    facts = {name: text(value) for name, value in refused.facts.items()}
    if refused.code in {RefusalCode.WASH_TRADE, RefusalCode.OPPOSITE_ORDER_OPEN}:
        return _wash_trade(facts, existing)
    word = _WORDS.get(refused.code)
    return unprocessable(refused.message) if word is None else word(facts, listing)


def sub_penny(field: str, price: str) -> ApiError:
    """Refuse a price off the grid."""
    return unprocessable(f"invalid {field} {price}. sub-penny increment does not fulfill minimum pricing criteria")


def _no_money(facts: dict[str, str], listing: Listing | None) -> ApiError:
    available, cost = facts.get("buying_power", "0"), facts.get("cost_basis", "0")
    match listing.asset_class if listing is not None else AssetClass.STOCK:
        case AssetClass.OPTION:
            return forbidden(
                f"insufficient options buying power (required: {cost}, available: {available})",
                options_buying_power=available,
                cost_basis=cost,
            )
        case AssetClass.CRYPTO:
            return forbidden(
                f"insufficient balance for USD (requested: {cost}, available: {available})",
                available=available,
                balance=available,
                symbol="USD",
            )
        case _:
            return forbidden("insufficient buying power", buying_power=available, cost_basis=cost)


def _no_holding(facts: dict[str, str], listing: Listing | None) -> ApiError:
    requested, available = facts.get("requested", "0"), facts.get("available", "0")
    symbol = listing.symbol if listing is not None else ""
    if listing is not None and listing.asset_class is AssetClass.CRYPTO:
        coin = symbol.partition("/")[0]
        return forbidden(
            f"insufficient balance for {coin} (requested: {requested}, available: {available})",
            available=available,
            balance=facts.get("existing", "0"),
            symbol=coin,
        )
    return forbidden(
        f"insufficient qty available for order (requested: {requested}, available: {available})",
        symbol=symbol,
        existing_qty=facts.get("existing", "0"),
        held_for_orders=facts.get("held_for_orders", "0"),
        available=available,
    )


def _no_short(facts: dict[str, str], listing: Listing | None) -> ApiError:
    if listing is not None and listing.asset_class is AssetClass.CRYPTO:
        return _no_holding({"requested": "0", **facts}, listing)
    if listing is not None and not listing.shortable:
        if listing.asset_class is AssetClass.OPTION:
            return forbidden("account not eligible to trade uncovered option contracts")
        return unprocessable(f'asset "{listing.symbol}" cannot be sold short')
    return forbidden("account is not allowed to short")


def _symbol(facts: dict[str, str], listing: Listing | None) -> str:
    return listing.symbol if listing is not None else facts.get("symbol", "")


def _not_fractionable(facts: dict[str, str], listing: Listing | None) -> ApiError:
    return forbidden(f'asset "{_symbol(facts, listing)}" is not fractionable')


_WORDS: Final[dict[RefusalCode, Callable[[dict[str, str], Listing | None], ApiError]]] = {
    RefusalCode.UNKNOWN_SYMBOL: lambda facts, listing: unprocessable(f'asset "{_symbol(facts, listing)}" not found'),
    RefusalCode.NOT_TRADABLE: lambda facts, listing: unprocessable(
        f'asset "{_symbol(facts, listing)}" is not tradable'
    ),
    RefusalCode.NOT_FRACTIONABLE: _not_fractionable,
    RefusalCode.OFF_STEP: _not_fractionable,
    RefusalCode.OFF_TICK: lambda facts, _: sub_penny(facts["field"], facts["price"]),
    RefusalCode.INSUFFICIENT_BUYING_POWER: _no_money,
    RefusalCode.INSUFFICIENT_QUANTITY: _no_holding,
    RefusalCode.SHORT_NOT_ALLOWED: _no_short,
    RefusalCode.DUPLICATE_CLIENT_ORDER_ID: lambda _facts, _listing: malformed("client_order_id must be unique"),
    RefusalCode.NOT_FOUND: lambda facts, _: not_found(f"order not found for {facts.get('order_id', '')}"),
}


def _wash_trade(facts: dict[str, str], existing: ExchangeOrder | None) -> ApiError:
    limited = existing is not None and existing.type in {OrderType.LIMIT, OrderType.STOP_LIMIT}
    return forbidden(
        "potential wash trade detected. use complex orders",
        existing_order_id=facts.get("existing_order_id", ""),
        reject_reason=f"opposite side {'limit' if limited else 'market/stop'} order exists",
    )
