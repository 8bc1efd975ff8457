"""What a futures account may choose: leverage and margin type by symbol, and one position a symbol or two."""

from collections.abc import Sequence
from typing import Any, Final

from brokergw.adapters.binance import outcomes
from brokergw.adapters.binance.api import Api
from brokergw.adapters.binance.config import Product
from brokergw.adapters.binance.errors import read_refusal, unavailable, understood
from brokergw.adapters.binance.session import Request, Session
from brokergw.adapters.binance.symbols import outward
from brokergw.adapters.binance.terms import word
from brokergw.model.errors import Reason
from brokergw.model.outcome import Accepted, Outcome, Rejected
from brokergw.model.trading_settings import MarginType, PositionMode, TradingSettings
from brokergw.ports.clock import Clock
from brokergw.ports.permit import Permit
from brokergw.transport.http import Reply
from brokergw.transport.rows import Row, Unusable, as_row, as_rows, decimal, flag, read_json, text, whole

_WORDS: Final = {MarginType.CROSS: "CROSSED", MarginType.ISOLATED: "ISOLATED"}
_TYPES: Final = {name: each for each, name in _WORDS.items()}
_ACCOUNT: Final = "/fapi/v1/accountConfig"


class ChosenSettings:
    """Reads and changes the settings of one account."""

    def __init__(self, session: Session, api: Api, clock: Clock) -> None:
        self._session = session
        self._api = api
        self._clock = clock
        self._hedged: bool | None = None

    async def account(self) -> Row:
        """Ask for the account's own settings; what they say of the position mode holds for the orders that follow."""
        row = await self._api.row(_ACCOUNT, 5)
        if "dualSidePosition" not in row:
            raise unavailable(Reason.BROKER_ANSWER_UNUSABLE, "field dualSidePosition is missing")
        with understood():
            self._hedged = flag(row, "dualSidePosition")
        return row

    async def hedged(self) -> bool:
        """Tell whether a symbol has two positions, as the account last said; asked where it has not said yet."""
        if self._session.product is Product.SPOT:
            return False
        if self._hedged is None:
            await self.account()
        return bool(self._hedged)

    def forget_mode(self) -> None:
        """Ask for the position mode again before the next order."""
        self._hedged = None

    async def of(self, symbol: str) -> TradingSettings:
        """Ask for the settings of one contract."""
        wire = outward(symbol)
        rows = await self._api.rows("/fapi/v1/symbolConfig", 5, symbol=wire)
        highest = await self._highest(wire)
        await self.account()
        with understood():
            found = _row_of(wire, rows)
            return TradingSettings(
                symbol=symbol,
                leverage=whole(found, "leverage"),
                leverage_max=highest,
                margin_type=word(_TYPES, text(found, "marginType"), "marginType"),
                position_mode=PositionMode.HEDGE if await self.hedged() else PositionMode.ONE_WAY,
                notional_max=decimal(found, "maxNotionalValue"),
                as_of_ns=self._clock.now_ns(),
            )

    async def _highest(self, wire: str) -> int:
        """Ask for the leverage of the lowest bracket; Binance tells one symbol as an object or as a list of one."""
        params = {"symbol": wire}
        reply = await self._session.query(Request(method="GET", path="/fapi/v1/leverageBracket", params=params))
        with understood():
            told: Any = read_json(reply.body)
            row = _row_of(wire, [as_row(told)] if isinstance(told, dict) else as_rows(told))
            brackets = as_rows(row.get("brackets"))
            if not brackets:
                raise Unusable("there are no brackets")
            return max(whole(each, "initialLeverage") for each in brackets)

    async def set_leverage(self, permit: Permit, wire: str, leverage: int) -> Outcome:
        """Choose a leverage."""
        return await self._set(permit, "/fapi/v1/leverage", symbol=wire, leverage=str(leverage))

    async def set_margin_type(self, permit: Permit, wire: str, margin_type: MarginType) -> Outcome:
        """Choose a margin type."""
        return await self._set(permit, "/fapi/v1/marginType", symbol=wire, marginType=_WORDS[margin_type])

    async def set_position_mode(self, permit: Permit, mode: PositionMode) -> Outcome:
        """Choose the position mode; until the answer is here nobody knows which one orders meet."""
        hedged = "true" if mode is PositionMode.HEDGE else "false"
        try:
            return await self._set(permit, "/fapi/v1/positionSide/dual", dualSidePosition=hedged)
        finally:
            self.forget_mode()

    async def _set(self, permit: Permit, path: str, **params: str) -> Outcome:
        if self._session.product is Product.SPOT:
            return Rejected("INVALID_TERMS", broker_message="spot has neither leverage nor positions to choose for")
        reply = await self._session.command(Request(method="POST", path=path, params=params), permit)
        if not isinstance(reply, Reply):
            return reply
        if reply.status == 200:
            return Accepted()
        refusal = read_refusal(self._session.product, reply)
        return outcomes.of_refusal(reply, refusal, self._session.retry_after(reply, refusal))


def _row_of(wire: str, rows: Sequence[Row]) -> Row:
    for row in rows:
        if row.get("symbol") == wire:
            return row
    raise Unusable(f"{wire} is not among the symbols that were told")
