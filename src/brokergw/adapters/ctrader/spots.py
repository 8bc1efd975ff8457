"""Spot prices: subscribed to when first asked for, and then kept as the events tell them, side by side.

An event may hold one side only, and a subscription ends with its link.
"""

import asyncio
from collections.abc import Sequence
from collections.abc import Set as AbstractSet

from brokergw.adapters.ctrader.errors import ALREADY
from brokergw.adapters.ctrader.messages import Kind
from brokergw.adapters.ctrader.payloads import MS, Message, spot
from brokergw.adapters.ctrader.session import Session
from brokergw.adapters.ctrader.symbols import Symbol
from brokergw.model.instrument import Quote
from brokergw.ports.clock import Clock
from brokergw.transport.answers import Refusal
from brokergw.transport.rows import Unusable, optional_int64


class Spots:
    """The latest prices of the symbols that somebody has asked for."""

    def __init__(self, session: Session, clock: Clock, *, wait_s: float) -> None:
        self._session = session
        self._clock = clock
        self._wait_s = wait_s
        self._quotes: dict[int, Quote] = {}
        self._subscribed: set[int] = set()
        self._came = asyncio.Event()
        session.hear(self._heard)
        session.on_fresh_link(self.forget)

    def forget(self) -> None:
        """Know nothing any more, because the link is another one."""
        self._quotes.clear()
        self._subscribed.clear()

    async def latest(self, symbols: Sequence[Symbol]) -> list[Quote]:
        """Give the latest prices; a symbol that the broker tells none of in time is left out. Raises GatewayError."""
        wanted = {symbol.symbol_id: symbol for symbol in symbols}
        missing = sorted(wanted.keys() - self._subscribed)
        if missing:
            await self._subscribe(missing)
        await self._arrive(wanted.keys())
        quotes = ((symbol, self._quotes.get(symbol_id)) for symbol_id, symbol in wanted.items())
        return [
            Quote(symbol.canonical, quote.bid, quote.ask, None, None, quote.time_ns)
            for symbol, quote in quotes
            if quote is not None
        ]

    async def _subscribe(self, symbol_ids: list[int]) -> None:
        body = {"symbolId": symbol_ids, "subscribeToSpotTimestamp": True}
        answer = await self._session.query(Kind.SUBSCRIBE_SPOTS_REQ, Kind.SUBSCRIBE_SPOTS_RES, body)
        if not isinstance(answer, Refusal):
            self._subscribed.update(symbol_ids)
        elif answer.reason != ALREADY or len(symbol_ids) == 1:
            # Alone, it is subscribed to already, or has no prices to be had.
            self._subscribed.update(symbol_ids if answer.reason == ALREADY else ())
        else:
            for symbol_id in symbol_ids:
                await self._subscribe([symbol_id])

    async def _arrive(self, wanted: AbstractSet[int]) -> None:
        """Wait until a price of each subscribed symbol is here, or long enough."""
        due = wanted & self._subscribed
        alarm = asyncio.ensure_future(self._clock.sleep(self._wait_s))
        try:
            while not due <= self._quotes.keys() and not alarm.done():
                self._came.clear()
                came = asyncio.ensure_future(self._came.wait())
                await asyncio.wait({alarm, came}, return_when=asyncio.FIRST_COMPLETED)
                came.cancel()
        finally:
            alarm.cancel()

    def _heard(self, message: Message) -> None:
        if message.kind != Kind.SPOT_EVENT:
            return
        row = message.payload
        try:
            symbol_id, bid, ask = optional_int64(row, "symbolId") or 0, spot(row, "bid"), spot(row, "ask")
            time_ms = optional_int64(row, "timestamp")
        except Unusable:
            return
        if time_ms:
            self._session.heard_clock.hear_at_least(time_ms * MS)
        before = self._quotes.get(symbol_id)
        self._quotes[symbol_id] = Quote(
            "",
            bid if bid is not None or before is None else before.bid,
            ask if ask is not None or before is None else before.ask,
            None,
            None,
            time_ms * MS if time_ms else self._clock.now_ns(),
        )
        self._came.set()
