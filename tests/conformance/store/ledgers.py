"""Orders that hold something, units that ask for their admission, and what the ledger says of them."""

from dataclasses import replace
from decimal import Decimal
from typing import Any

from sqlalchemy import insert

from brokergw.model.lifecycle import State
from brokergw.model.order import Order
from brokergw.model.terms import Side
from brokergw.model.trading import TradingScope
from brokergw.ports.journal import (
    Admission,
    Cap,
    Commit,
    Measure,
    Subject,
)
from brokergw.ports.ledger import PositionOnRecord, UsageOnRecord
from brokergw.store import Store
from brokergw.store.tables import TRADING_HALTS
from tests.conformance.store.making import ACCOUNT, ALL, START_NS, TERMS, USER, admit, an_order

DAY = "2027-01-15"
STRATEGY = "momentum"


def holding(units: int | str = 10, price: int | str = 100, *, side: Side = Side.BUY, **changes: Any) -> Order:
    """Make an order that holds what it may trade."""
    facts: dict[str, Any] = {
        "terms": replace(TERMS, side=side, quantity=Decimal(units), limit_price=Decimal(price)),
        "hold_quantity": Decimal(units),
        "hold_price": Decimal(price),
        "trading_day": DAY,
    }
    return an_order(**facts | changes)


def asking(order: Order, *caps: Cap, **admission: Any) -> Commit:
    """Ask for an order's admission under some caps."""
    return replace(admit(order), admission=Admission(caps=caps, **admission))


def cap(measure: Measure, limit: int | str, subject: Subject = Subject.USER) -> Cap:
    return Cap(measure=measure, subject=subject, limit=Decimal(limit))


def traded(order: Order, units: int | str, price: int | str) -> Order:
    """Let an order trade so much altogether, at an average price."""
    done = Decimal(units)
    assert order.terms.quantity is not None
    state = State.FILLED if done >= order.terms.quantity else State.PARTIAL
    return order.next(START_NS, state=state, cum_quantity=done, average_price=Decimal(price))


async def used(store: Store, **subject: str) -> UsageOnRecord:
    found = await store.journal.usage(USER)
    wanted = {"strategy_id": "", "account_id": ""} | subject
    return next(u for u in found if (u.strategy_id, u.account_id) == (wanted["strategy_id"], wanted["account_id"]))


async def position(store: Store, symbol: str = "AAPL") -> PositionOnRecord:
    found = await store.journal.positions_on_record(USER, ACCOUNT)
    return next(each for each in found if each.symbol == symbol)


async def halt(store: Store, scope: TradingScope, state: str) -> None:
    """Put a halt on the record as whoever halts does."""
    row = {
        "scope": scope.key,
        "cause": "OPERATOR",
        "state": state,
        "reason": "a test",
        "set_by": "usr_admin",
        "set_time_ns": START_NS,
        "epoch": 1,
    }
    await store.journal._run(ALL, lambda database: database.execute(insert(TRADING_HALTS).values(**row)) and None)


async def true_to_the_orders(store: Store) -> bool:
    return list(await store.journal.recount()) == []


async def position_or_none(store: Store) -> PositionOnRecord | None:
    found = await store.journal.positions_on_record(USER, ACCOUNT)
    return next((each for each in found if each.symbol == "AAPL"), None)
