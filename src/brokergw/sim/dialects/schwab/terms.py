"""From the body of an order request to what is wanted: a ticket for the exchange, or a spread."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Any, Final, TypeAlias

from brokergw.exchange import Listing, Ticket
from brokergw.model.instrument import AssetClass
from brokergw.model.terms import OrderClass, OrderType, Side, TimeInForce
from brokergw.sim.dialects.schwab import body as read
from brokergw.sim.dialects.schwab.refusals import invalid
from brokergw.sim.dialects.schwab.shapes import DURATION

Find: TypeAlias = Callable[[str], Listing | None]

_DURATIONS: Final = {word: time for time, word in DURATION.items()}
_TYPES: Final = {
    "MARKET": (OrderType.MARKET, None),
    "LIMIT": (OrderType.LIMIT, None),
    "STOP": (OrderType.STOP, None),
    "STOP_LIMIT": (OrderType.STOP_LIMIT, None),
    "TRAILING_STOP": (OrderType.TRAILING_STOP, None),
    "MARKET_ON_CLOSE": (OrderType.MARKET, TimeInForce.AT_CLOSE),
    "LIMIT_ON_CLOSE": (OrderType.LIMIT, TimeInForce.AT_CLOSE),
}
_SPREAD_TYPES: Final = {"MARKET": 0, "NET_DEBIT": 1, "NET_CREDIT": -1, "NET_ZERO": 0}
_SESSIONS: Final = frozenset({"NORMAL", "AM", "PM", "SEAMLESS"})
_STRATEGIES: Final = frozenset({"SINGLE", "TRIGGER", "OCO"})
_EQUITY: Final = {"BUY": Side.BUY, "BUY_TO_COVER": Side.BUY, "SELL": Side.SELL, "SELL_SHORT": Side.SELL}
_OPTION: Final = {
    "BUY_TO_OPEN": Side.BUY,
    "BUY_TO_CLOSE": Side.BUY,
    "SELL_TO_OPEN": Side.SELL,
    "SELL_TO_CLOSE": Side.SELL,
}
_CLOSING: Final = frozenset({"BUY_TO_COVER", "SELL", "BUY_TO_CLOSE", "SELL_TO_CLOSE"})


@dataclass(frozen=True, slots=True)
class WantedLeg:
    """One leg as it was asked for."""

    listing: Listing
    instruction: str
    side: Side
    quantity: Decimal

    @property
    def sign(self) -> int:
        """1 for a leg that buys, -1 for one that sells."""
        return 1 if self.side is Side.BUY else -1

    @property
    def closes(self) -> bool:
        """Whether it is to close a position."""
        return self.instruction in _CLOSING


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """An order as it was asked for; one of several legs has a net price, signed, and no ticket.

    `exit_instruction` is that of a group's exits.
    """

    body: dict[str, Any]
    session: str
    legs: tuple[WantedLeg, ...]
    ticket: Ticket | None = None
    net_price: Decimal | None = None
    exit_instruction: str = ""


def wanted_of(body: dict[str, Any], find: Find) -> Wanted:
    """Read an order; raises ApiError."""
    strategy = read.word(body, "orderStrategyType", _STRATEGIES)
    children = read.rows(body, "childOrderStrategies")
    if strategy == "OCO":
        return _pair(body, children, find)
    if strategy == "TRIGGER":
        return _triggering(body, children, find)
    if children:
        raise invalid("A SINGLE order has no child orders")
    return _single(body, find)


def _single(body: dict[str, Any], find: Find) -> Wanted:
    session = read.word(body, "session", _SESSIONS)
    duration = _DURATIONS[read.word(body, "duration", _DURATIONS)]
    legs = tuple(_leg(row, find) for row in read.rows(body, "orderLegCollection"))
    if not legs:
        raise invalid("orderLegCollection must not be empty")
    if len(legs) > 1:
        return _spread(body, session, legs)
    kind, forced = _TYPES[read.word(body, "orderType", _TYPES)]
    (leg,) = legs
    offset = read.amount(body, "stopPriceOffset")
    by_percent = body.get("stopPriceLinkType") == "PERCENT"
    ticket = Ticket(
        symbol=leg.listing.symbol,
        side=leg.side,
        type=kind,
        time_in_force=forced or duration,
        quantity=leg.quantity,
        limit_price=read.amount(body, "price"),
        stop_price=read.amount(body, "stopPrice"),
        trail_amount=None if by_percent else offset,
        trail_percent=offset if by_percent else None,
        extended_hours=session != "NORMAL",
    )
    return Wanted(body=body, session=session, legs=legs, ticket=ticket)


def _triggering(body: dict[str, Any], children: list[dict[str, Any]], find: Find) -> Wanted:
    if len(children) != 1:
        raise invalid("A TRIGGER order has one child order")
    parent = _single(body, find)
    if children[0].get("orderStrategyType") == "OCO":
        exits = [_single(each, find) for each in read.rows(children[0], "childOrderStrategies")]
    else:
        exits = [_single(children[0], find)]
    return _grouped(body, parent, exits, OrderClass.BRACKET if len(exits) == 2 else OrderClass.OTO)


def _pair(body: dict[str, Any], children: list[dict[str, Any]], find: Find) -> Wanted:
    exits = [_single(each, find) for each in children]
    if len(exits) != 2:
        raise invalid("An OCO order has two child orders")
    limits = [each for each in exits if each.ticket is not None and each.ticket.type is OrderType.LIMIT]
    if len(limits) != 1:
        raise invalid("Only a limit and a stop make a pair here")
    return _grouped(body, limits[0], exits, OrderClass.OCO)


def _grouped(body: dict[str, Any], lead: Wanted, exits: list[Wanted], order_class: OrderClass) -> Wanted:
    """Put a group into the exchange's one ticket, whose exits share its symbol and quantity."""
    profit, stop, stop_limit = None, None, None
    assert lead.ticket is not None or len(lead.legs) > 1
    if lead.ticket is None:
        raise invalid("A spread leads no group here")
    for each in exits:
        ticket = each.ticket
        side = lead.ticket.side if order_class is OrderClass.OCO else lead.ticket.side.opposite
        if ticket is None or (ticket.symbol, ticket.quantity, ticket.side) != (
            lead.ticket.symbol,
            lead.ticket.quantity,
            side,
        ):
            raise invalid("The exits of a group must close what it opens")
        match ticket.type:
            case OrderType.LIMIT:
                profit = ticket.limit_price
            case OrderType.STOP | OrderType.STOP_LIMIT:
                stop, stop_limit = ticket.stop_price, ticket.limit_price
            case _:
                raise invalid("An exit is a limit or a stop here")
    ticket = replace(
        lead.ticket,
        order_class=order_class,
        take_profit_limit_price=profit,
        stop_loss_stop_price=stop,
        stop_loss_limit_price=stop_limit,
    )
    return replace(lead, body=body, ticket=ticket, exit_instruction=exits[-1].legs[0].instruction)


def _spread(body: dict[str, Any], session: str, legs: tuple[WantedLeg, ...]) -> Wanted:
    if any(leg.listing.asset_class is not AssetClass.OPTION for leg in legs):
        raise invalid("Orders of several legs are for options here")
    kind = read.word(body, "orderType", _SPREAD_TYPES)
    price = read.amount(body, "price")
    if (price is None) != (kind == "MARKET") or (price is not None and price < 0):
        raise invalid("price must be given with a net price type, and only then")
    net = None if price is None else price * _SPREAD_TYPES[kind]
    return Wanted(body=body, session=session, legs=legs, net_price=net)


def _leg(row: Mapping[str, Any], find: Find) -> WantedLeg:
    named = row.get("instrument")
    symbol = named.get("symbol") if isinstance(named, dict) else None
    listing = find(symbol) if isinstance(symbol, str) else None
    if listing is None:
        raise invalid("Instrument not found")
    option = listing.asset_class is AssetClass.OPTION
    if named is None or named.get("assetType") != ("OPTION" if option else "EQUITY"):
        raise invalid("assetType does not fit the instrument")
    words = _OPTION if option else _EQUITY
    instruction = read.word(row, "instruction", words)
    quantity = read.amount(row, "quantity")
    if quantity is None or quantity <= 0:
        raise invalid("quantity must be greater than 0")
    if quantity % 1:
        raise invalid("quantity must be a whole number")
    return WantedLeg(listing, instruction, words[instruction], quantity)
