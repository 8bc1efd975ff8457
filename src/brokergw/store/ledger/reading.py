"""What the ledger says, and whether it is what the orders on record come to."""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from decimal import Decimal, localcontext
from typing import Any, Final

from sqlalchemy import Connection, select

from brokergw.model.ledger import EXACT, Holding, line_of, stake_of, symbol_of
from brokergw.model.lifecycle import AT_BROKER, OPEN, State
from brokergw.model.order import ZERO
from brokergw.model.terms import PositionSide, Side
from brokergw.model.usage import Usage
from brokergw.model.whose import everyone
from brokergw.ports.journal import Subject
from brokergw.ports.ledger import LedgerDifference, PositionOnRecord, UsageOnRecord
from brokergw.store.ledger.rows import (
    NOTHING_HELD,
    NOTHING_USED,
    Position,
    PositionKey,
    UsageKey,
    position_from_row,
    position_keys,
    usage_from_row,
    usage_keys,
)
from brokergw.store.reading.queries import open_orders
from brokergw.store.tables import ORDERS, RISK_POSITIONS, RISK_USAGE

_SECOND_NS: Final = 1_000_000_000
_UNACKNOWLEDGED: Final = OPEN - AT_BROKER | {State.PENDING_MODIFY}
_OPEN: Final = select(
    ORDERS.c.user_id,
    ORDERS.c.account_id,
    ORDERS.c.symbol,
    ORDERS.c.position_side,
    ORDERS.c.strategy_id,
    ORDERS.c.side,
    ORDERS.c.hold_quantity,
    ORDERS.c.hold_price,
    ORDERS.c.cum_quantity,
).where(ORDERS.c.is_open, ORDERS.c.hold_quantity != "0")
_OPEN_MEASURES: Final = ("buy_quantity", "buy_worth", "sell_quantity", "sell_worth")


def usage(user_id: str, now_ns: int) -> Callable[[Connection], list[UsageOnRecord]]:
    """Give what a user, each strategy and each account of theirs has used by now."""

    def read(connection: Connection) -> list[UsageOnRecord]:
        rows = connection.execute(select(RISK_USAGE).where(RISK_USAGE.c.user_id == user_id))
        return [_told(key, used.usage, now_ns // _SECOND_NS) for key, used in map(usage_from_row, map(tuple, rows))]

    return read


def _told(key: UsageKey, used: Usage, now_s: int) -> UsageOnRecord:
    return UsageOnRecord(
        user_id=key.user_id,
        strategy_id=key.name if key.subject == Subject.STRATEGY else "",
        account_id=key.name if key.subject == Subject.ACCOUNT else "",
        exposure=used.exposure,
        open_orders=used.open_orders,
        unacknowledged=used.unacknowledged,
        trading_day=used.trading_day,
        day_orders=used.day_orders,
        day_volume=used.day_volume,
        minute_orders=used.minute_orders(now_s),
    )


def positions(user_id: str, account_id: str) -> Callable[[Connection], list[PositionOnRecord]]:
    """Give every symbol of an account that is held or has open orders."""
    table = RISK_POSITIONS.c
    wanted = select(RISK_POSITIONS).where(
        table.user_id == user_id, table.account_id == account_id, table.strategy_id == ""
    )

    def read(connection: Connection) -> list[PositionOnRecord]:
        with localcontext(EXACT):
            found = map(position_from_row, map(tuple, connection.execute(wanted.order_by(RISK_POSITIONS.c.symbol))))
            return on_record(found)

    return read


def on_record(lines: Iterable[tuple[PositionKey, Position]]) -> list[PositionOnRecord]:
    """Tell of each symbol what is held or open over all of its lines; the worst of two sides is that of both."""
    by_symbol: dict[tuple[str, str], list[Position]] = {}
    for key, each in lines:
        if each.holding != NOTHING_HELD:
            by_symbol.setdefault((key.account_id, symbol_of(key.line)), []).append(each)
    return [
        PositionOnRecord(
            account_id=account_id,
            symbol=symbol,
            quantity=sum((each.holding.quantity for each in group), ZERO),
            # Sides that stand against each other have no cost in common.
            average_cost=group[0].holding.average_cost if len(group) == 1 else ZERO,
            open_buys=sum((each.holding.buy_quantity for each in group), ZERO),
            open_sells=sum((each.holding.sell_quantity for each in group), ZERO),
            worst=sum((each.worst for each in group), ZERO),
        )
        for (account_id, symbol), group in by_symbol.items()
    ]


def recount(connection: Connection) -> list[LedgerDifference]:
    """Count what is open from the open orders, and exposures from the positions; all must be seen at one moment."""
    with localcontext(EXACT):
        orders = open_orders(everyone("a recount is of the whole ledger"), None, _UNACKNOWLEDGED)(connection)
        held = dict(map(position_from_row, map(tuple, connection.execute(select(RISK_POSITIONS)))))
        used = dict(map(usage_from_row, map(tuple, connection.execute(select(RISK_USAGE)))))
        holdings, counts = _counted(connection.execute(_OPEN))
        for order in orders:
            account = usage_keys(order.user_id, order.account_id, "")[0]
            counts[account] = counts.get(account, Usage()).unacknowledging(stake_of(order).unacknowledged)
        for key, position in held.items():
            for each in usage_keys(position.user_id, key.account_id, key.strategy_id):
                # A strategy's rows count for the strategy alone: everybody's have them already.
                if bool(key.strategy_id) is (each.subject == Subject.STRATEGY):
                    counts[each] = counts.get(each, Usage()).exposed(position.worst)
        differences = [
            *_of_positions({key: each.holding for key, each in held.items()}, holdings),
            *_of_usage({key: each.usage for key, each in used.items()}, counts),
        ]
    return sorted(differences, key=lambda each: (each.subject, each.measure))


def _counted(rows: Iterable[Any]) -> tuple[dict[PositionKey, Holding], dict[UsageKey, Usage]]:
    """Add up what open orders hold; by hand and from few columns, since there may be many thousand of them."""
    open_units: dict[PositionKey, list[Decimal]] = {}
    numbers: Counter[UsageKey] = Counter()
    for user_id, account_id, symbol, position_side, strategy_id, side, quantity, price, done in rows:
        held, unit = max(ZERO, Decimal(quantity) - Decimal(done)), Decimal(price)
        first = 0 if side == Side.BUY else 3
        for key in position_keys(account_id, line_of(symbol, PositionSide(position_side)), strategy_id):
            sums = open_units.setdefault(key, [ZERO] * 6)
            sums[first] += held
            sums[first + 1] += held * unit
            sums[first + 2] = max(sums[first + 2], unit) if held else sums[first + 2]
        numbers.update(usage_keys(user_id, account_id, strategy_id))
    holdings = {key: Holding(ZERO, ZERO, *sums) for key, sums in open_units.items()}
    return holdings, {key: Usage(open_orders=number) for key, number in numbers.items()}


def _of_positions(
    recorded: dict[PositionKey, Holding], counted: dict[PositionKey, Holding]
) -> Iterator[LedgerDifference]:
    for key in recorded.keys() | counted.keys():
        has, should = recorded.get(key, NOTHING_HELD), counted.get(key, NOTHING_HELD)
        for measure in _OPEN_MEASURES:
            yield from _difference("/".join(key), measure, getattr(has, measure), getattr(should, measure))
        # The highest price since the side was last empty, which present orders alone do not tell.
        for measure in ("buy_top", "sell_top"):
            if getattr(has, measure) < getattr(should, measure):
                yield from _difference("/".join(key), measure, getattr(has, measure), getattr(should, measure))


def _of_usage(recorded: dict[UsageKey, Usage], counted: dict[UsageKey, Usage]) -> Iterator[LedgerDifference]:
    for key in recorded.keys() | counted.keys():
        has, should = recorded.get(key, NOTHING_USED.usage), counted.get(key, NOTHING_USED.usage)
        subject = "/".join(part for part in (key.subject, key.user_id, key.name) if part)
        yield from _difference(subject, "exposure", has.exposure, should.exposure)
        yield from _difference(subject, "unacknowledged", has.unacknowledged, should.unacknowledged)
        yield from _difference(subject, "open_orders", Decimal(has.open_orders), Decimal(should.open_orders))


def _difference(subject: str, measure: str, recorded: Decimal, counted: Decimal) -> Iterator[LedgerDifference]:
    if recorded != counted:
        yield LedgerDifference(subject=subject, measure=measure, recorded=recorded, counted=counted)
