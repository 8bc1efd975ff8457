"""Gate 2: may this be traded, and at this hour, by the limits that somebody set?

What reduces a position passes allow-lists and hours, which must not trap anybody in it; the commit sees to it that it
does reduce. A restricted symbol stays restricted.
"""

from collections.abc import Iterator, Sequence
from typing import Final

from brokergw.desk.gates.question import Question
from brokergw.desk.gates.session import asset_class_of
from brokergw.desk.hours.windows import within
from brokergw.model.errors import Objection, Reason
from brokergw.model.limits import EffectiveLimits
from brokergw.ports.clock import Clock

_HOURS: Final = "trading_hours"


class PermittedCheck:
    """Whether the limits allow the symbol, its class of assets, and the hour."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock

    def __call__(self, question: Question) -> Sequence[Objection]:
        """Compare with the effective limits."""
        return list(permission_objections(question, self._clock.now_ns()))


def permission_objections(question: Question, now_ns: int) -> Iterator[Objection]:
    """Compare an order with the lists and hours of the limits."""
    yield from _restrictions(question)
    refused = list(_not_allowed(question, now_ns))
    if refused and question.reduces:
        question.excused = True
    else:
        yield from refused


def _restrictions(question: Question) -> Iterator[Objection]:
    limits = question.limits
    restricted = limits.values.symbols_restricted
    if not restricted:
        return
    for symbol in question.symbols:
        if symbol in restricted:
            description = f"{symbol} is restricted"
            yield _no(limits, "symbols_restricted", Reason.INSTRUMENT_RESTRICTED, description, symbol)


def _not_allowed(question: Question, now_ns: int) -> Iterator[Objection]:
    limits, values = question.limits, question.limits.values
    if values.symbols_allowed is not None:
        for symbol in question.symbols:
            if symbol not in values.symbols_allowed:
                description = f"{symbol} is not among the symbols that are allowed"
                yield _no(limits, "symbols_allowed", Reason.INSTRUMENT_RESTRICTED, description, symbol)
    asset_class = asset_class_of(question)
    if values.asset_classes is not None and asset_class is not None and asset_class not in values.asset_classes:
        description = f"the limits do not allow {asset_class}"
        yield _no(limits, "asset_classes", Reason.ASSET_CLASS_NOT_ALLOWED, description, asset_class)
    if not all(within(schedule, now_ns) for schedule in limits.hours):
        description = "the order comes outside the trading hours that the limits set"
        yield _no(limits, _HOURS, Reason.OUTSIDE_TRADING_HOURS, description, "")


def _no(limits: EffectiveLimits, name: str, reason: Reason, description: str, observed: str) -> Objection:
    source = limits.sources.get(name)
    return Objection(
        reason,
        "order" if name == _HOURS else "order.symbol",
        description,
        observed=observed or None,
        limit_name=name,
        source=source.value if source is not None else "",
    )
