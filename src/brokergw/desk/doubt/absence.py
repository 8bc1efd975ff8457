"""When an order counts as absent: the proof, the pace of the questions, and the wait for a late birth after it."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import chain, repeat
from typing import Final
from zlib import crc32

from brokergw.desk.record.matching import permit_ns
from brokergw.model.capability import Capabilities, ResolutionClass
from brokergw.model.order import Order

_SECOND_NS: Final = 1_000_000_000
FENCED_AFTER_NS: Final = 30 * _SECOND_NS
"""How old a permit must be before nobody who holds it can still be sending: fifteen times what it is valid for."""

_ANSWERS_MIN: Final = 3
_SPAN_S: Final = {ResolutionClass.BY_CLIENT_ID: 0.0, ResolutionClass.BY_TAG: 60.0, ResolutionClass.BY_CONTENT: 180.0}
_DELAYS_S: Final = (0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 12.0)
_DELAY_MAX_S: Final = 30.0
_QUARANTINE_DELAY_MAX_S: Final = 600.0
_SPREAD: Final = 0.1
_SPREAD_STEPS: Final = 1_000


@dataclass(slots=True)
class Absence:
    """How often, and since when, the broker has clearly said that it does not have an order."""

    since: float = 0.0
    count: int = 0

    def proved(self, order: Order, capabilities: Capabilities, *, monotonic: float, now_ns: int) -> bool:
        """Note one more clear answer, and tell whether they now amount to a proof.

        At least three, over at least the time that orders take to show at this broker (and what its class asks for),
        and the last one when no sender can still be at work.
        """
        if self.count == 0:
            self.since = monotonic
        self.count += 1
        span_s = max(capabilities.visibility_s, _SPAN_S[capabilities.resolution])
        fenced = now_ns - permit_ns(order) >= FENCED_AFTER_NS
        return fenced and self.count >= _ANSWERS_MIN and monotonic - self.since >= span_s


def quarantine_ends_ns(order: Order, quarantine_ns: int) -> int:
    """Tell until when an order that was proved absent, in its present version, is waited for.

    At least `quarantine_ns`, and until its expiry where it has one: so long it may be born late and trade.
    """
    return max(order.update_time_ns + quarantine_ns, order.terms.expire_time_ns or 0)


def delays_in_doubt(order: Order) -> Iterator[float]:
    """Give the seconds before each look-up: soon at first, then every half minute for as long as it takes."""
    return _spread(order, chain(_DELAYS_S, repeat(_DELAY_MAX_S)))


def delays_in_quarantine(order: Order) -> Iterator[float]:
    """Give the seconds before each look-up for a late birth: from half a minute, doubling, to ten minutes."""
    return _spread(order, _doubling(_DELAY_MAX_S, _QUARANTINE_DELAY_MAX_S))


def _doubling(delay_s: float, delay_max_s: float) -> Iterator[float]:
    while True:
        yield delay_s
        delay_s = min(delay_s * 2, delay_max_s)


def _spread(order: Order, delays: Iterator[float]) -> Iterator[float]:
    """Lengthen delays by up to a tenth, each order by its own, so that many in doubt do not ask in step.

    By the order's id rather than by chance, so that a run can be repeated.
    """
    share = crc32(order.order_id.encode()) % _SPREAD_STEPS / _SPREAD_STEPS * _SPREAD
    return (delay_s * (1 + share) for delay_s in delays)
