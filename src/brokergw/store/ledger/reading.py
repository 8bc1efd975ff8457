"""What the ledger says, and whether it is what the orders on record come to."""

from collections.abc import Callable, Iterable, Iterator
from decimal import Decimal, localcontext
from typing import Final

from sqlalchemy import Connection, select

from brokergw.model.ledger import EXACT, Holding, stake_of
from brokergw.model.order import ZERO, Order
from brokergw.model.usage import Usage
from brokergw.ports.journal import Subject
from brokergw.ports.ledger import LedgerDifference, PositionOnRecord, UsageOnRecord
from brokergw.store.ledger.rows import (
    NOTHING_HELD,
    NOTHING_USED,
    PositionKey,
    UsageKey,
    position_from_row,
    position_keys,
    usage_from_row,
    usage_keys,
)
from brokergw.store.queries import open_orders
from brokergw.store.tables import RISK_POSITIONS, RISK_USAGE

_SECOND_NS: Final = 1_000_000_000
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


def positions(account_id: str) -> Callable[[Connection], list[PositionOnRecord]]:
    """Give every symbol of an account that is held or has open orders."""
    wanted = select(RISK_POSITIONS).where(RISK_POSITIONS.c.account_id == account_id, RISK_POSITIONS.c.strategy_id == "")

    def read(connection: Connection) -> list[PositionOnRecord]:
        with localcontext(EXACT):
            found = map(position_from_row, map(tuple, connection.execute(wanted.order_by(RISK_POSITIONS.c.symbol))))
            return [
                PositionOnRecord(
                    account_id=key.account_id,
                    symbol=key.symbol,
                    quantity=each.holding.quantity,
                    average_cost=each.holding.average_cost,
                    open_buys=each.holding.buy_quantity,
                    open_sells=each.holding.sell_quantity,
                    worst=each.worst,
                )
                for key, each in found
                if each.holding != NOTHING_HELD
            ]

    return read


def recount(connection: Connection) -> list[LedgerDifference]:
    """Count what is open from the open orders, and exposures from the positions; all must be seen at one moment."""
    with localcontext(EXACT):
        orders = open_orders(None)(connection)
        held = dict(map(position_from_row, map(tuple, connection.execute(select(RISK_POSITIONS)))))
        used = dict(map(usage_from_row, map(tuple, connection.execute(select(RISK_USAGE)))))
        holdings, counts = _counted(orders)
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


def _counted(orders: Iterable[Order]) -> tuple[dict[PositionKey, Holding], dict[UsageKey, Usage]]:
    holdings: dict[PositionKey, Holding] = {}
    counts: dict[UsageKey, Usage] = {}
    for order in orders:
        stake = stake_of(order)
        only_open = stake.untraded()
        for key in position_keys(stake.account_id, stake.symbol, stake.strategy_id):
            holdings[key] = holdings.get(key, NOTHING_HELD).moved(stake.none(), only_open)
        for each in usage_keys(stake.user_id, stake.account_id, stake.strategy_id):
            acknowledging = each.subject == Subject.ACCOUNT
            counts[each] = counts.get(each, Usage()).moved(
                stake.none(), stake, ZERO, admitted_s=None, acknowledging=acknowledging
            )
    return holdings, counts


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
