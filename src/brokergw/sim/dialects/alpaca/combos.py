"""Multi-leg option orders: they live at the broker, and trade all their legs in one go at a net price.

The exchange trades single orders only, so a combination watches the quotes itself and books its legs when they allow.
"""

from collections.abc import Callable, Mapping
from dataclasses import replace
from decimal import Decimal
from typing import Any, Final, Protocol

from brokergw.exchange import Exchange, Execution
from brokergw.model.money import format_decimal
from brokergw.sim.dialects.alpaca import body as read
from brokergw.sim.dialects.alpaca.combo import Combo, ComboLeg, ComboTerms
from brokergw.sim.dialects.alpaca.combo_terms import Find, terms_of, worst_payoff
from brokergw.sim.dialects.alpaca.refusals import forbidden, malformed, unprocessable
from brokergw.sim.dialects.alpaca.room import ZERO, FillNote, Room
from brokergw.sim.dialects.alpaca.shapes import (
    SIDE,
    TYPE,
    JsonObject,
    as_submitted,
    asset_id,
    decimal_or_none,
    derived_id,
    timestamp,
    timestamp_or_none,
)
from brokergw.sim.dialects.alpaca.terms import client_order_id_of


class Tell(Protocol):
    """Publishes a trade update: account, event, order, time and the event's other facts."""

    def __call__(self, room: Room, event: str, shape: Mapping[str, Any], time_ns: int, **facts: str) -> None:
        """Publish."""
        ...


_SIZE: Final = 100


class Combos:
    """The multi-leg orders of every account."""

    def __init__(self, venue: Exchange, seed: int, now_ns: Callable[[], int], find: Find, tell: Tell) -> None:
        self._venue = venue
        self._seed = seed
        self._now_ns = now_ns
        self._find = find
        self._publish = tell
        self._count = 0

    def submit(self, room: Room, body: dict[str, Any]) -> JsonObject:
        """Take a multi-leg order; raises ApiError."""
        terms = terms_of(room, body, self._find)
        self._check_affordable(room, terms)
        return self._enter(room, terms, None)

    def find(self, room: Room, name: str) -> JsonObject | None:
        """Write the order with an order id or client order id, if it is one of these."""
        combo = self._named(room, name)
        return None if combo is None else self.shape(combo)

    def cancel(self, room: Room, order_id: str) -> bool:
        """Cancel an order; False when it is none of these. Raises ApiError when it has ended otherwise."""
        combo = room.combos.get(order_id)
        if combo is None:
            return False
        if combo.is_open:
            self._end(room, combo, "canceled")
        elif combo.status != "canceled":
            raise unprocessable(f'order is already in "{combo.status}" state')
        return True

    def replace(self, room: Room, order_id: str, body: dict[str, Any]) -> JsonObject | None:
        """Put a new order with another quantity or limit in an open one's place; None when it is none of these."""
        old = room.combos.get(order_id)
        if old is None:
            return None
        if not old.is_open:
            raise unprocessable("unable to replace order, order is not open")
        if old.status == "accepted":
            raise malformed("unable to replace order, order isn't sent to exchange yet")
        quantity = read.number(body, "qty") or old.terms.quantity
        limit_price = read.number(body, "limit_price") or old.terms.limit_price
        if (quantity, limit_price) == (old.terms.quantity, old.terms.limit_price):
            raise unprocessable("order parameters are not changed")
        if quantity <= 0 or quantity % 1:
            raise malformed("qty must be a whole number for mleg order")
        if old.terms.limit_price is None and limit_price is not None:
            raise malformed("limit_price cannot be set on this order")
        terms = replace(old.terms, quantity=quantity, limit_price=limit_price, client_order_id=client_order_id_of(body))
        self._check_affordable(room, terms)
        return self._enter(room, terms, old)

    def open_orders(self, room: Room) -> list[Combo]:
        """Give the open ones, oldest first."""
        return [combo for combo in room.combos.values() if combo.is_open]

    def tick(self, room: Room) -> None:
        """Let every open order of an account try to trade, or expire."""
        for combo in self.open_orders(room) if room.combos else ():
            self._work(room, combo)

    def _named(self, room: Room, name: str) -> Combo | None:
        combo = room.combos.get(name)
        if combo is not None or not room.combos:
            return combo
        return next((one for one in room.combos.values() if one.client_order_id == name), None)

    def _enter(self, room: Room, terms: ComboTerms, old: Combo | None) -> JsonObject:
        now = self._now_ns()
        self._count += 1
        order_id = derived_id("combo", str(self._seed), str(self._count))
        client_order_id = terms.client_order_id or derived_id("client", order_id)
        known = self._venue.order_by_client_id(room.account_id, client_order_id)
        if known is not None or self._named(room, client_order_id) is not None:
            raise malformed("client_order_id must be unique")
        listing = terms.legs[0].listing
        expires = self._venue.sessions.day_end(listing, now, extended=False)
        combo = Combo(order_id, client_order_id, terms, "accepted", now, now, expires)
        if old is not None:
            combo.replaces, old.replaced_by = old.order_id, order_id
            self._end(room, old, "replaced")
        room.combos[order_id] = combo
        in_session = self._venue.sessions.trades(listing, now, extended=False)
        self._tell(room, combo, "pending_new" if in_session else "accepted")
        reply = as_submitted(self.shape(combo, status="new" if in_session else "accepted"))
        self._work(room, combo)
        return reply

    def _work(self, room: Room, combo: Combo) -> None:
        now = self._now_ns()
        if now >= combo.expires_at_ns:
            self._end(room, combo, "expired")
            return
        if not self._venue.sessions.trades(combo.terms.legs[0].listing, now, extended=False):
            return
        if combo.status == "accepted":
            combo.status, combo.update_time_ns = "new", now
            self._tell(room, combo, "new")
        prices = self._prices(combo.terms.legs)
        price = _net(combo.terms.legs, prices)
        limit_price = combo.terms.limit_price
        if limit_price is not None and price > limit_price:
            return
        if not all(self._can_close(room, leg, combo.terms.quantity) for leg in combo.terms.legs):
            self._end(room, combo, "rejected")
            return
        combo.status, combo.price, combo.leg_prices = "filled", price, prices
        combo.update_time_ns = combo.ended["filled"] = now
        for place, leg in enumerate(combo.terms.legs):
            self._book(room, combo, place, leg)
        facts = {"price": format_decimal(price), "qty": format_decimal(combo.terms.quantity)}
        self._tell(room, combo, "fill", **facts, position_qty=format_decimal(combo.terms.quantity))

    def _book(self, room: Room, combo: Combo, place: int, leg: ComboLeg) -> None:
        quantity, price = combo.terms.quantity * leg.ratio, combo.leg_prices[place]
        position = self._venue.book(room.account_id, leg.listing.symbol, quantity * leg.sign, price)
        room.positions[leg.listing.symbol] = position
        execution = Execution(
            execution_id=derived_id("execution", combo.leg_id(place)),
            order_id=combo.leg_id(place),
            account_id=room.account_id,
            symbol=leg.listing.symbol,
            side=leg.side,
            quantity=quantity,
            price=price,
            fee=ZERO,
            time_ns=combo.update_time_ns,
            position_quantity=position,
        )
        room.fills.append(FillNote(execution, quantity, ZERO, leg.intent))

    def _end(self, room: Room, combo: Combo, status: str) -> None:
        combo.status = status
        combo.update_time_ns = combo.ended[status] = self._now_ns()
        self._tell(room, combo, status)

    def _tell(self, room: Room, combo: Combo, event: str, **facts: str) -> None:
        if room.feed.listened_to:
            status = event if event == "pending_new" else combo.status
            self._publish(room, event, self.shape(combo, status=status), combo.update_time_ns, **facts)

    def _prices(self, legs: tuple[ComboLeg, ...]) -> tuple[Decimal, ...]:
        quotes = (self._venue.quote(leg.listing.symbol) for leg in legs)
        return tuple(quote.ask if leg.sign > 0 else quote.bid for leg, quote in zip(legs, quotes, strict=True))

    def _can_close(self, room: Room, leg: ComboLeg, quantity: Decimal) -> bool:
        return leg.opens or abs(room.position(leg.listing.symbol)) >= quantity * leg.ratio

    def _check_affordable(self, room: Room, terms: ComboTerms) -> None:
        for leg in terms.legs:
            if not self._can_close(room, leg, terms.quantity):
                held = format_decimal(abs(room.position(leg.listing.symbol)))
                wanted = format_decimal(terms.quantity * leg.ratio)
                raise forbidden(f"insufficient qty available for order (requested: {wanted}, available: {held})")
        worst = worst_payoff(terms.legs)
        if worst is None:
            raise forbidden("account not eligible to trade uncovered option contracts")
        price = terms.limit_price if terms.limit_price is not None else _net(terms.legs, self._prices(terms.legs))
        required = max(ZERO, price + max(ZERO, -worst)) * terms.quantity * _SIZE
        available = self._venue.account(room.account_id).non_marginable_buying_power
        if required > available:
            cost, power = format_decimal(required), format_decimal(available)
            raise forbidden(
                f"insufficient options buying power (required: {cost}, available: {power})",
                options_buying_power=power,
                cost_basis=cost,
            )

    def shape(self, combo: Combo, *, status: str = "") -> JsonObject:
        """Write the order with its legs."""
        terms, shown = combo.terms, status or combo.status
        common = self._common(combo, shown)
        type_ = TYPE[terms.type]
        filled = combo.status == "filled"
        legs = [
            {
                **common,
                "id": combo.leg_id(place),
                "client_order_id": derived_id("client", combo.leg_id(place)),
                "asset_id": asset_id(leg.listing.symbol),
                "symbol": leg.listing.symbol,
                "asset_class": "us_option",
                "qty": format_decimal(terms.quantity * leg.ratio),
                "filled_qty": format_decimal(terms.quantity * leg.ratio) if filled else "0",
                "filled_avg_price": format_decimal(combo.leg_prices[place]) if filled else None,
                "order_type": "",
                "type": "",
                "side": SIDE[leg.side],
                "position_intent": leg.intent,
                "limit_price": None,
                "legs": None,
                "ratio_qty": str(leg.ratio),
            }
            for place, leg in enumerate(terms.legs)
        ]
        return {
            **common,
            "qty": format_decimal(terms.quantity),
            "filled_qty": format_decimal(terms.quantity) if filled else "0",
            "filled_avg_price": decimal_or_none(combo.price),
            "order_type": type_,
            "type": type_,
            "limit_price": decimal_or_none(terms.limit_price),
            "legs": legs,
        }

    def _common(self, combo: Combo, status: str) -> JsonObject:
        created, ended = timestamp(combo.create_time_ns), combo.ended
        return {
            "id": combo.order_id,
            "client_order_id": combo.client_order_id,
            "created_at": created,
            "updated_at": timestamp(combo.update_time_ns),
            "submitted_at": created,
            "filled_at": timestamp_or_none(ended.get("filled")),
            "expired_at": timestamp_or_none(ended.get("expired")),
            "expires_at": timestamp(combo.expires_at_ns),
            "canceled_at": timestamp_or_none(ended.get("canceled")),
            "failed_at": timestamp_or_none(ended.get("rejected")),
            "replaced_at": timestamp_or_none(ended.get("replaced")),
            "replaced_by": combo.replaced_by,
            "replaces": combo.replaces,
            "asset_id": "",
            "symbol": "",
            "asset_class": "",
            "notional": None,
            "order_class": "mleg",
            "side": "",
            "position_intent": "",
            "time_in_force": "day",
            "stop_price": None,
            "status": status,
            "extended_hours": False,
            "trail_percent": None,
            "trail_price": None,
            "hwm": None,
            "subtag": None,
            "source": None,
        }


def _net(legs: tuple[ComboLeg, ...], prices: tuple[Decimal, ...]) -> Decimal:
    """Give what one unit costs; negative when it brings money."""
    return sum((leg.sign * leg.ratio * price for leg, price in zip(legs, prices, strict=True)), ZERO)
