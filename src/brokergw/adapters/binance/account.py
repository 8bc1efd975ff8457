"""The account's money and holdings, which spot and futures tell in different ways."""

from collections.abc import Sequence
from decimal import Decimal
from typing import Final

from brokergw.adapters.binance import futures, spot
from brokergw.adapters.binance.api import Api
from brokergw.adapters.binance.config import Product
from brokergw.adapters.binance.errors import understood
from brokergw.adapters.binance.settings import ChosenSettings
from brokergw.adapters.binance.symbols import SymbolBook
from brokergw.model.account import AccountState, Balance, Position, PositionPart
from brokergw.model.instrument import AssetClass
from brokergw.model.order import ZERO
from brokergw.model.terms import PositionSide
from brokergw.ports.clock import Clock
from brokergw.transport.rows import Row, as_rows, decimal, flag, optional_decimal, optional_text, text, whole

CURRENCY: Final = "USDT"
_SHOWN: Final = 4


class Account:
    """Asks for one account of one product."""

    def __init__(self, api: Api, product: Product, symbols: SymbolBook, clock: Clock, settings: ChosenSettings) -> None:
        self._api = api
        self._settings = settings
        self._product = product
        self._symbols = symbols
        self._clock = clock
        self._alias = ""

    async def state(self) -> AccountState:
        """Ask for the account."""
        return await (self._spot_state() if self._product is Product.SPOT else self._futures_state())

    async def positions(self, wire: str = "") -> list[Position]:
        """Ask for every holding, or those in one symbol."""
        if self._product is Product.SPOT:
            return await self._spot_positions(wire)
        rows = await self._api.rows("/fapi/v3/positionRisk", 5, **({"symbol": wire} if wire else {}))
        names = await self._names(rows)
        with understood():
            return _netted([_futures_position(row, names, self._clock.now_ns()) for row in rows])

    async def _names(self, rows: Sequence[Row]) -> dict[str, str]:
        with understood():
            wires = [text(row, "symbol") for row in rows]
            return dict(await self._symbols.canonical(wires, self._api.exchange_info))

    async def balances(self) -> tuple[Row, list[tuple[str, Decimal, Decimal]]]:
        """Ask for spot's account, and give each asset with what is free and what is locked."""
        row = await self._api.row("/api/v3/account", 20, omitZeroBalances="true")
        with understood():
            return row, [spot.held(each) for each in as_rows(row.get("balances"))]

    async def _spot_state(self) -> AccountState:
        row, held = await self.balances()
        free = {asset: amount for asset, amount, _ in held}
        total = {asset: amount + locked for asset, amount, locked in held}
        cash = total.pop(CURRENCY, ZERO)
        worth = await self._worth({asset: amount for asset, amount in total.items() if amount})
        with understood():
            return AccountState(
                masked_number=_masked(str(whole(row, "uid"))),
                currency=CURRENCY,
                equity=cash + worth,
                cash=cash,
                buying_power=free.get(CURRENCY, ZERO),
                balances=tuple(Balance(asset, amount + locked, amount, locked) for asset, amount, locked in held),
                trading_blocked=not flag(row, "canTrade"),
                shorting_enabled=False,
                multiplier=Decimal(1),
                as_of_ns=self._clock.now_ns(),
            )

    async def _worth(self, total: dict[str, Decimal]) -> Decimal:
        """Value coins at their last price in USDT; those without such a pair count as nothing."""
        if not total:
            return ZERO
        wires = {}
        for asset in total:
            if await self._symbols.listed(asset + CURRENCY, self._api.exchange_info) is not None:
                wires[asset + CURRENCY] = asset
        if not wires:
            return ZERO
        rows = await self._api.last_prices(sorted(wires))
        with understood():
            return sum((total[wires[text(row, "symbol")]] * decimal(row, "price") for row in rows), ZERO)

    async def _spot_positions(self, wire: str) -> list[Position]:
        _, held = await self.balances()
        found = []
        for asset, free, locked in held:
            if asset == CURRENCY or not free + locked:
                continue
            pair = await self._symbols.pair_of(asset, self._api.exchange_info)
            if wire and (pair is None or pair.instrument.broker_symbol != wire):
                continue
            found.append(
                Position(
                    symbol=asset if pair is None else pair.instrument.symbol,
                    asset_class=AssetClass.CRYPTO,
                    quantity=free + locked,
                    available_quantity=free,
                    average_price=None,
                    cost_basis=None,
                    market_price=None,
                    market_value=None,
                    unrealized_profit=None,
                    as_of_ns=self._clock.now_ns(),
                )
            )
        return found

    async def _futures_state(self) -> AccountState:
        row = await self._api.row("/fapi/v3/account", 5)
        if not self._alias:
            balances = await self._api.rows("/fapi/v3/balance", 5)
            with understood():
                self._alias = text(balances[0], "accountAlias") if balances else ""
        leverage = await self._least_leverage()
        config = await self._settings.account()
        with understood():
            return AccountState(
                masked_number=_masked(self._alias),
                currency=CURRENCY,
                equity=decimal(row, "totalMarginBalance"),
                cash=decimal(row, "totalWalletBalance"),
                buying_power=max(ZERO, decimal(row, "availableBalance")) * leverage,
                balances=tuple(_asset(each) for each in as_rows(row.get("assets"))),
                trading_blocked=not flag(config, "canTrade"),
                shorting_enabled=True,
                multiplier=leverage,
                as_of_ns=self._clock.now_ns(),
                hedged=await self._settings.hedged(),
            )

    async def _least_leverage(self) -> Decimal:
        """Give the lowest leverage of any contract: with it the buying power is right for each of them or too small."""
        rows = await self._api.rows("/fapi/v1/symbolConfig", 5)
        with understood():
            return Decimal(min((whole(row, "leverage") for row in rows), default=1))


def _asset(row: Row) -> Balance:
    total, free = decimal(row, "walletBalance"), decimal(row, "availableBalance")
    return Balance(text(row, "asset"), total, free, max(ZERO, total - free))


def _futures_position(row: Row, names: dict[str, str], now_ns: int) -> Position:
    quantity, entry = decimal(row, "positionAmt"), decimal(row, "entryPrice")
    side = futures.side_held(optional_text(row, "positionSide"))
    return Position(
        symbol=names[text(row, "symbol")],
        asset_class=AssetClass.FUTURE,
        quantity=quantity,
        # No order holds a part of a contract's position: it may be closed twice, and turns over then.
        available_quantity=abs(quantity),
        average_price=entry,
        cost_basis=quantity * entry,
        market_price=optional_decimal(row, "markPrice"),
        market_value=optional_decimal(row, "notional"),
        unrealized_profit=optional_decimal(row, "unRealizedProfit"),
        as_of_ns=now_ns,
        parts=() if side is PositionSide.NET else (PositionPart(side.value, quantity, entry),),
    )


def _netted(positions: Sequence[Position]) -> list[Position]:
    """Put the two sides that hedge mode keeps of a symbol together; what is flat is no position."""
    sides: dict[str, list[Position]] = {}
    for each in positions:
        if each.quantity:
            sides.setdefault(each.symbol, []).append(each)
    return [each[0] if len(each) == 1 else _both(each) for each in sides.values()]


def _both(sides: Sequence[Position]) -> Position:
    quantity = sum((each.quantity for each in sides), ZERO)
    values = [each.market_value for each in sides]
    profits = [each.unrealized_profit for each in sides]
    known = [each for each in values if each is not None]
    gains = [each for each in profits if each is not None]
    return Position(
        symbol=sides[0].symbol,
        asset_class=AssetClass.FUTURE,
        quantity=quantity,
        available_quantity=abs(quantity),
        average_price=None,
        cost_basis=None,
        market_price=sides[0].market_price,
        market_value=sum(known, ZERO) if len(known) == len(values) else None,
        unrealized_profit=sum(gains, ZERO) if len(gains) == len(profits) else None,
        as_of_ns=sides[0].as_of_ns,
        parts=tuple(part for each in sides for part in each.parts),
    )


def _masked(number: str) -> str:
    return f"****{number[-_SHOWN:]}"
