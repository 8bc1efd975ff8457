"""What a futures account may choose: leverage and margin type by symbol, and one position a symbol or two."""

from dataclasses import dataclass
from enum import StrEnum, unique

from brokergw.adapters.binance import outcomes
from brokergw.adapters.binance.api import Api
from brokergw.adapters.binance.config import Product
from brokergw.adapters.binance.errors import read_refusal, unavailable, understood
from brokergw.adapters.binance.session import Request, Session
from brokergw.adapters.binance.terms import word
from brokergw.model.errors import Reason
from brokergw.model.outcome import Accepted, Outcome, Rejected
from brokergw.transport.http import Reply
from brokergw.transport.rows import flag, text, whole


@unique
class MarginType(StrEnum):
    """Whether a position may lose what the account has, or only what was set aside for it."""

    CROSSED = "CROSSED"
    ISOLATED = "ISOLATED"


_TYPES = {each.value: each for each in MarginType}


@dataclass(frozen=True, slots=True)
class SymbolSettings:
    """How one contract is traded."""

    leverage: int
    margin_type: MarginType


class TradingSettings:
    """Reads and changes the settings of one account."""

    def __init__(self, session: Session, api: Api) -> None:
        self._session = session
        self._api = api
        self._hedged: bool | None = None

    async def hedged(self) -> bool:
        """Tell whether a symbol has two positions; asked once, and again when Binance refuses an order for it."""
        if self._session.product is Product.SPOT:
            return False
        if self._hedged is None:
            row = await self._api.row("/fapi/v1/accountConfig", 5)
            if "dualSidePosition" not in row:
                raise unavailable(Reason.BROKER_ANSWER_UNUSABLE, "field dualSidePosition is missing")
            self._hedged = flag(row, "dualSidePosition")
        return self._hedged

    def forget_mode(self) -> None:
        """Ask for the position mode again before the next order."""
        self._hedged = None

    async def of(self, wire: str) -> SymbolSettings:
        """Ask for the settings of one contract."""
        rows = await self._api.rows("/fapi/v1/symbolConfig", 5, symbol=wire)
        with understood():
            found = {text(row, "symbol"): row for row in rows}[wire]
            return SymbolSettings(whole(found, "leverage"), word(_TYPES, text(found, "marginType"), "marginType"))

    async def set_leverage(self, wire: str, leverage: int) -> Outcome:
        """Choose a leverage."""
        return await self._set("/fapi/v1/leverage", symbol=wire, leverage=str(leverage))

    async def set_margin_type(self, wire: str, margin_type: MarginType) -> Outcome:
        """Choose a margin type."""
        return await self._set("/fapi/v1/marginType", symbol=wire, marginType=margin_type.value)

    async def set_hedged(self, *, hedged: bool) -> Outcome:
        """Choose the position mode."""
        self.forget_mode()
        return await self._set("/fapi/v1/positionSide/dual", dualSidePosition="true" if hedged else "false")

    async def _set(self, path: str, **params: str) -> Outcome:
        if self._session.product is Product.SPOT:
            return Rejected("INVALID_TERMS", broker_message="spot has neither leverage nor positions to choose for")
        reply = await self._session.command(Request(method="POST", path=path, params=params))
        if not isinstance(reply, Reply):
            return reply
        if reply.status == 200:
            return Accepted()
        refusal = read_refusal(self._session.product, reply)
        return outcomes.of_refusal(reply, refusal, self._session.retry_after(reply, refusal))
