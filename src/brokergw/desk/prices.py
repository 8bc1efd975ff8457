"""The latest quotes of one broker session: kept for a moment, asked for in batches, shared by all who ask.

Unlike holdings, which are asked for each order, a price to judge an order by may be a few seconds old. A symbol that is
in use is asked for again before its quote is too old, so that orders rarely wait for one.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from brokergw.model.errors import GatewayError
from brokergw.model.instrument import Quote
from brokergw.ports.clock import Clock

KEPT_S: Final = 3.0
_RENEWED_S: Final = 2.0
_SYMBOLS_MAX: Final = 10_000


@dataclass(frozen=True, slots=True)
class Known:
    """What the broker quoted when it was asked then, by the monotonic clock; `quote` is None where it showed none."""

    asked_at: float
    quote: Quote | None


class Prices:
    """What one broker quotes; `ask` is one request for many symbols."""

    def __init__(self, ask: Callable[[Sequence[str]], Awaitable[Sequence[Quote]]], clock: Clock) -> None:
        self._ask = ask
        self._clock = clock
        self._known: dict[str, Known] = {}
        self._wanted: dict[str, list[asyncio.Future[Quote | None]]] = {}
        self._asked: dict[str, list[asyncio.Future[Quote | None]]] = {}
        self._asking: asyncio.Task[None] | None = None

    def at_hand(self, symbol: str) -> Known | None:
        """Give what the broker quotes for a symbol where that is young enough to count; it is renewed in time."""
        known = self._known.get(symbol)
        if known is None:
            return None
        age_s = self._clock.monotonic() - known.asked_at
        if age_s > KEPT_S:
            return None
        if age_s > _RENEWED_S:
            self.want((symbol,))
        return known

    async def of(self, symbol: str) -> Quote | None:
        """Give the latest quote of a symbol, None where the broker shows none; raises GatewayError when it fails."""
        known = self.at_hand(symbol)
        if known is not None:
            return known.quote
        answer: asyncio.Future[Quote | None] = asyncio.get_running_loop().create_future()
        # A question that is being asked already is fresh enough to join.
        waiting = self._asked.get(symbol)
        (self._want(symbol) if waiting is None else waiting).append(answer)
        return await answer

    def want(self, symbols: Iterable[str]) -> None:
        """Have quotes asked for that will be needed in a moment, unless they are at hand; nobody waits for them."""
        fresh = self._clock.monotonic() - _RENEWED_S
        for symbol in symbols:
            known = self._known.get(symbol)
            if (known is None or known.asked_at < fresh) and symbol not in self._asked:
                self._want(symbol)

    def _want(self, symbol: str) -> list[asyncio.Future[Quote | None]]:
        if self._asking is None:
            self._asking = asyncio.create_task(self._ask_all(), name="quotes")
        return self._wanted.setdefault(symbol, [])

    async def _ask_all(self) -> None:
        """Ask, one request after another, as long as somebody wants a quote."""
        try:
            while self._wanted:
                self._asked, self._wanted = self._wanted, {}
                asked_at = self._clock.monotonic()
                try:
                    quotes = await self._ask(tuple(self._asked))
                except GatewayError as error:
                    self._fail(error)
                except BaseException as error:
                    self._fail(error)
                    raise
                else:
                    self._tell({quote.symbol: quote for quote in quotes}, asked_at)
                self._asked = {}
        finally:
            self._asking, self._asked = None, {}

    def _tell(self, quotes: dict[str, Quote], asked_at: float) -> None:
        if len(self._known) + len(self._asked) > _SYMBOLS_MAX:
            self._known.clear()
        for symbol, waiting in self._asked.items():
            quote = quotes.get(symbol)
            self._known[symbol] = Known(asked_at, quote)
            for answer in waiting:
                if not answer.done():
                    answer.set_result(quote)

    def _fail(self, error: BaseException) -> None:
        for waiting in self._asked.values():
            for answer in waiting:
                if not answer.done():
                    answer.set_exception(error)
