"""Parts of an account's log as a stream wants to see them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from brokergw.model.errors import GatewayError, Reason
from brokergw.model.events import EventKind, LogEvent
from brokergw.model.order import Order


@dataclass(frozen=True, slots=True)
class View:
    """Which events a stream shows: one kind of some symbols (of all when empty), and every gap of the account."""

    kind: EventKind
    symbols: frozenset[str] = frozenset()

    @property
    def kinds(self) -> frozenset[EventKind]:
        """The kinds that are worth reading from the disk."""
        return frozenset({self.kind, EventKind.GAP})

    def of(self, events: Sequence[LogEvent]) -> tuple[LogEvent, ...]:
        """Keep what is shown."""
        return tuple(event for event in events if self._shows(event))

    def _shows(self, event: LogEvent) -> bool:
        if event.kind is not self.kind:
            return event.kind is EventKind.GAP
        return not self.symbols or symbol_of(event) in self.symbols


@dataclass(frozen=True, slots=True, eq=False)
class Page:
    """What a view shows of an account's log after one sequence, up to another one that is covered with it.

    `more` tells that the log goes on after it. `conflated` tells, by the sequence of a position's event, how many
    earlier ones of the same symbol it stands for besides itself.
    """

    after: int
    covered: int
    events: tuple[LogEvent, ...]
    more: bool = False
    conflated: Mapping[int, int] = field(default_factory=dict)


class CursorExpired(GatewayError):
    """The record no longer reaches back so far; `earliest` is by account the oldest sequence to go on after."""

    def __init__(self, earliest: Mapping[str, int]) -> None:
        super().__init__(Reason.CURSOR_EXPIRED, "the record no longer reaches back to this cursor")
        self.earliest = dict(earliest)


def conflate(pages: Sequence[Page]) -> Page:
    """Join pages that follow each other, and keep of each symbol's positions the last only; gaps stay as they are."""
    last: dict[str, LogEvent] = {}
    gaps: list[LogEvent] = []
    stands_for: dict[str, int] = {}
    for page in pages:
        for event in page.events:
            if event.kind is EventKind.GAP:
                gaps.append(event)
                continue
            symbol = symbol_of(event)
            stands_for[symbol] = stands_for.get(symbol, -1) + 1
            last[symbol] = event
    return Page(
        after=pages[0].after,
        covered=pages[-1].covered,
        events=tuple(sorted((*last.values(), *gaps), key=lambda event: event.sequence)),
        more=pages[-1].more,
        conflated={event.sequence: stands_for[symbol] for symbol, event in last.items() if stands_for[symbol]},
    )


def symbol_of(event: LogEvent) -> str:
    """Give the symbol that an event is about; empty for a gap."""
    payload = event.payload
    if isinstance(payload, Order):
        return payload.terms.symbol
    return getattr(payload, "symbol", "")
