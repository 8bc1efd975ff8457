"""The halts as this process knows them: those of the book, and its own that are not in the book yet.

Read at every order, from the event loop and at the moment of sending; changed by the thread that watches the book and
by the switch. Who reads takes one whole picture, which is never changed but replaced.
"""

import threading
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final

from brokergw.model.trading import Halt, HaltCause, TradingScope, strictest
from brokergw.ports.halts import News


@dataclass(frozen=True, slots=True)
class _Picture:
    epoch: int = -1
    book: tuple[Halt, ...] = ()
    own: Mapping[tuple[str, HaltCause], Halt] = field(default_factory=dict)
    by_scope: Mapping[TradingScope, Halt] = field(default_factory=dict)


class Standing:
    """Which halts stand. Every method may be called from any thread."""

    def __init__(self) -> None:
        self._changing: Final = threading.Lock()
        self._picture = _Picture()

    @property
    def epoch(self) -> int:
        """The epoch of the book as it was last seen; -1 before that."""
        return self._picture.epoch

    @property
    def free(self) -> bool:
        """Whether nothing at all is halted."""
        return not self._picture.by_scope

    def all(self) -> tuple[Halt, ...]:
        """Every halt that stands, those of the book first; the epoch of one that is not in the book yet is 0."""
        picture = self._picture
        return (*picture.book, *picture.own.values())

    def binding(self, scopes: Iterable[TradingScope]) -> Halt | None:
        """Find the strictest halt of some scopes."""
        by_scope = self._picture.by_scope
        return strictest(by_scope[scope] for scope in scopes if scope in by_scope) if by_scope else None

    def waits(self, scope: TradingScope, cause: HaltCause) -> bool:
        """Tell whether a halt of this process's own is not in the book yet."""
        return (scope.key, cause) in self._picture.own

    def learn(self, news: News) -> bool:
        """Take note of a look into the book; tells whether it showed a newer one than was known."""
        with self._changing:
            picture = self._picture
            if news.epoch <= picture.epoch:
                return False
            self._picture = _picture_of(news.epoch, news.halts, picture.own)
            return True

    def latch(self, halt: Halt) -> None:
        """Halt in this process, whatever the book says; a stricter halt of the same scope and cause stays."""
        with self._changing:
            picture = self._picture
            name = (halt.scope.key, halt.cause)
            standing = picture.own.get(name)
            if standing is not None and standing.state.severity > halt.state.severity:
                return
            own = {**picture.own, name: halt}
            self._picture = _picture_of(picture.epoch, picture.book, own)

    def booked(self, scope: TradingScope, cause: HaltCause) -> None:
        """Leave a halt of this process's own to the book, which has it now."""
        with self._changing:
            picture = self._picture
            own = {name: halt for name, halt in picture.own.items() if name != (scope.key, cause)}
            self._picture = _picture_of(picture.epoch, picture.book, own)


def _picture_of(epoch: int, book: tuple[Halt, ...], own: Mapping[tuple[str, HaltCause], Halt]) -> _Picture:
    by_scope: dict[TradingScope, Halt] = {}
    for halt in (*book, *own.values()):
        binding = strictest((by_scope[halt.scope], halt)) if halt.scope in by_scope else halt
        assert binding is not None
        by_scope[halt.scope] = binding
    return _Picture(epoch, book, own, by_scope)
