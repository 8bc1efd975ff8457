"""The futures account: margin, positions, leverage and margin type by symbol, position mode, income."""

from decimal import Decimal
from typing import Final

from brokergw.exchange import Holding
from brokergw.sim.dialects.binance import ordering
from brokergw.sim.dialects.binance.call import Call
from brokergw.sim.dialects.binance.futures_shapes import plain
from brokergw.sim.dialects.binance.listings import QUOTE, contract_name, wire_symbol
from brokergw.sim.dialects.binance.refusals import ApiError, missing
from brokergw.sim.dialects.binance.spot_shapes import JsonObject
from brokergw.sim.faults import FaultName

_MARGINS: Final = {"ISOLATED": "ISOLATED", "CROSSED": "CROSSED"}
_BRACKETS: Final = (
    # The highest leverage, and up to what worth of a position it may be chosen.
    (125, 50_000), (100, 600_000), (50, 3_000_000), (20, 12_000_000), (10, 70_000_000), (5, 100_000_000),
    (4, 120_000_000), (3, 200_000_000), (2, 300_000_000), (1, 500_000_000),
)  # fmt: skip
_LEVERAGE_MAX: Final = _BRACKETS[0][0]
_MAINTENANCE: Final = Decimal("0.004")
ZERO: Final = Decimal(0)


def _sums(call: Call) -> dict[str, Decimal]:
    brokerage, room = call.brokerage, call.room
    ledger = brokerage.exchange.account(room.account_id)
    held = brokerage.exchange.positions(room.account_id)
    profit = sum((each.unrealized_profit for each in held), ZERO)
    position_margin = sum((abs(each.market_value) / _leverage(call, each.symbol) for each in held), ZERO)
    free = ledger.buying_power / ledger.multiplier
    return {
        "wallet": ledger.equity - profit,
        "profit": profit,
        "equity": ledger.equity,
        "maintenance": sum((abs(each.market_value) for each in held), ZERO) * _MAINTENANCE,
        "positions": position_margin,
        "orders": max(ZERO, ledger.equity - position_margin - free),
        "free": free,
    }


def _leverage(call: Call, symbol: str) -> Decimal:
    return call.brokerage.exchange.leverage_of(call.room.account_id, symbol)


def account(call: Call) -> JsonObject:
    """Handle GET /fapi/v3/account."""
    sums = _sums(call)
    margin = plain(sums["positions"] + sums["orders"])
    asset = {
        "asset": QUOTE,
        "walletBalance": plain(sums["wallet"]),
        "unrealizedProfit": plain(sums["profit"]),
        "marginBalance": plain(sums["equity"]),
        "maintMargin": plain(sums["maintenance"]),
        "initialMargin": margin,
        "positionInitialMargin": plain(sums["positions"]),
        "openOrderInitialMargin": plain(sums["orders"]),
        "crossWalletBalance": plain(sums["wallet"]),
        "crossUnPnl": plain(sums["profit"]),
        "availableBalance": plain(sums["free"]),
        "maxWithdrawAmount": plain(sums["free"]),
        "updateTime": call.brokerage.now_ms(),
    }
    rows = [_position(call, each) for each in call.brokerage.exchange.positions(call.room.account_id)]
    kept = ("symbol", "positionSide", "positionAmt", "unrealizedProfit", "isolatedMargin", "notional",
            "isolatedWallet", "initialMargin", "maintMargin", "updateTime")  # fmt: skip
    return {
        "totalInitialMargin": margin,
        "totalMaintMargin": plain(sums["maintenance"]),
        "totalWalletBalance": plain(sums["wallet"]),
        "totalUnrealizedProfit": plain(sums["profit"]),
        "totalMarginBalance": plain(sums["equity"]),
        "totalPositionInitialMargin": plain(sums["positions"]),
        "totalOpenOrderInitialMargin": plain(sums["orders"]),
        "totalCrossWalletBalance": plain(sums["wallet"]),
        "totalCrossUnPnl": plain(sums["profit"]),
        "availableBalance": plain(sums["free"]),
        "maxWithdrawAmount": plain(sums["free"]),
        "assets": [asset],
        "positions": [
            {name: row[name if name != "unrealizedProfit" else "unRealizedProfit"] for name in kept} for row in rows
        ],
    }


def balance(call: Call) -> list[JsonObject]:
    """Handle GET /fapi/v3/balance."""
    sums = _sums(call)
    return [
        {
            "accountAlias": f"Sg{call.room.uid % 10_000:04d}",
            "asset": QUOTE,
            "balance": plain(sums["wallet"]),
            "crossWalletBalance": plain(sums["wallet"]),
            "crossUnPnl": plain(sums["profit"]),
            "availableBalance": plain(sums["free"]),
            "maxWithdrawAmount": plain(sums["free"]),
            "marginAvailable": True,
            "updateTime": call.brokerage.now_ms(),
        }
    ]


def positions(call: Call) -> list[JsonObject]:
    """Handle GET /fapi/v3/positionRisk: symbols with a position."""
    symbol = call.listing().symbol if "symbol" in call.values else ""
    held = call.brokerage.exchange.positions(call.room.account_id)
    rows = [_position(call, each) for each in held if symbol in {"", each.symbol}]
    if (fault := call.strike(FaultName.WRONG_POSITION)) is not None:
        rows = [row for row in rows if row["symbol"] != fault.symbol]
        depth = call.brokerage.exchange.quote(contract_name(fault.symbol))
        quantity = Decimal(fault.quantity)
        wrong = Holding(
            symbol=contract_name(fault.symbol), quantity=quantity, available=abs(quantity), average_price=depth.last,
            cost_basis=quantity * depth.last, market_price=depth.last, market_value=quantity * depth.last,
            unrealized_profit=ZERO,
        )  # fmt: skip
        rows.append(_position(call, wrong))
    return rows


def _position(call: Call, held: Holding) -> JsonObject:
    margin = abs(held.market_value) / _leverage(call, held.symbol)
    side = "BOTH"
    if call.room.hedged:
        side = "LONG" if held.quantity > 0 else "SHORT"
    return {
        "symbol": wire_symbol(held.symbol),
        "positionSide": side,
        "positionAmt": plain(held.quantity),
        "entryPrice": plain(held.average_price),
        "breakEvenPrice": plain(held.average_price),
        "markPrice": plain(held.market_price),
        "unRealizedProfit": plain(held.unrealized_profit),
        "liquidationPrice": "0",
        "isolatedMargin": "0",
        "notional": plain(held.market_value),
        "marginAsset": QUOTE,
        "isolatedWallet": "0",
        "initialMargin": plain(margin),
        "maintMargin": plain(abs(held.market_value) * _MAINTENANCE),
        "positionInitialMargin": plain(margin),
        "openOrderInitialMargin": "0",
        "adl": 2,
        "bidNotional": "0",
        "askNotional": "0",
        "updateTime": call.brokerage.now_ms(),
    }


def symbol_config(call: Call) -> list[JsonObject]:
    """Handle GET /fapi/v1/symbolConfig."""
    room, options = call.room, call.brokerage.options
    wanted = [wire_symbol(call.listing().symbol)] if "symbol" in call.values else call.brokerage.symbols(call.kind)
    return [
        {
            "symbol": symbol,
            "marginType": room.margin_type.get(symbol, "CROSSED"),
            "isAutoAddMargin": False,
            "leverage": room.leverage.get(symbol, options.leverage),
            "maxNotionalValue": str(notional_max(room.leverage.get(symbol, options.leverage))),
        }
        for symbol in wanted
    ]


def notional_max(leverage: int) -> int:
    """Give what a position may be worth at a leverage: the end of the last bracket that still offers it."""
    return max(cap for most, cap in _BRACKETS if most >= leverage)


def leverage_bracket(call: Call) -> list[JsonObject]:
    """Handle GET /fapi/v1/leverageBracket; every contract has the same brackets here."""
    wanted = [wire_symbol(call.listing().symbol)] if "symbol" in call.values else call.brokerage.symbols(call.kind)
    floors = (0, *(cap for _, cap in _BRACKETS))
    brackets = [
        {"bracket": number, "initialLeverage": most, "notionalCap": cap, "notionalFloor": floor,
         "maintMarginRatio": float(_MAINTENANCE), "cum": 0.0}
        for number, ((most, cap), floor) in enumerate(zip(_BRACKETS, floors, strict=False), start=1)
    ]  # fmt: skip
    return [{"symbol": symbol, "notionalCoef": 1.0, "brackets": brackets} for symbol in wanted]


def account_config(call: Call) -> JsonObject:
    """Handle GET /fapi/v1/accountConfig."""
    return {
        "feeTier": 0,
        "canTrade": True,
        "canDeposit": True,
        "canWithdraw": True,
        "dualSidePosition": call.room.hedged,
        "updateTime": 0,
        "multiAssetsMargin": False,
        "tradeGroupId": -1,
    }


def set_leverage(call: Call) -> JsonObject:
    """Handle POST /fapi/v1/leverage."""
    listing, leverage = call.listing(), call.whole("leverage")
    if leverage is None:
        raise missing("leverage")
    if not 1 <= leverage <= _LEVERAGE_MAX:
        raise ApiError(-4028, f"Leverage {leverage} is not valid")
    symbol = wire_symbol(listing.symbol)
    _check_position(call, listing.symbol, leverage)
    call.brokerage.exchange.set_leverage(call.room.account_id, listing.symbol, Decimal(leverage))
    call.room.leverage[symbol] = leverage
    now = call.brokerage.now_ms()
    call.room.feed.publish({"e": "ACCOUNT_CONFIG_UPDATE", "E": now, "T": now, "ac": {"s": symbol, "l": leverage}})
    return {"leverage": leverage, "maxNotionalValue": str(notional_max(leverage)), "symbol": symbol}


def _check_position(call: Call, symbol: str, leverage: int) -> None:
    """Refuse a leverage that the position of a symbol does not allow."""
    held = [each for each in call.brokerage.exchange.positions(call.room.account_id) if each.symbol == symbol]
    if not held:
        return
    isolated = call.room.margin_type.get(wire_symbol(symbol), "CROSSED") == "ISOLATED"
    if isolated and leverage < _leverage(call, symbol):
        words = "Leverage reduction is not supported in Isolated Margin Mode with open positions."
        raise ApiError(-4161, words)
    if sum(abs(each.market_value) for each in held) > notional_max(leverage):
        raise ApiError(-2027, "Exceeded the maximum allowable position at current leverage.")


def set_margin_type(call: Call) -> JsonObject:
    """Handle POST /fapi/v1/marginType."""
    listing = call.listing()
    margin = call.word("marginType", _MARGINS, -4051, "Margin type is not valid.")
    symbol = wire_symbol(listing.symbol)
    if call.room.margin_type.get(symbol, "CROSSED") == margin:
        raise ApiError(-4046, "No need to change margin type.")
    if call.brokerage.open_numbers(call.room, listing.symbol):
        raise ApiError(-4047, "Margin type cannot be changed if there exists open orders.")
    if any(each.symbol == listing.symbol for each in call.brokerage.exchange.positions(call.room.account_id)):
        raise ApiError(-4048, "Margin type cannot be changed if there exists position.")
    call.room.margin_type[symbol] = margin
    return {"code": 200, "msg": "success"}


def position_mode(call: Call) -> JsonObject:
    """Handle GET /fapi/v1/positionSide/dual."""
    return {"dualSidePosition": call.room.hedged}


def set_position_mode(call: Call) -> JsonObject:
    """Handle POST /fapi/v1/positionSide/dual; a symbol has one side at a time here, in either mode."""
    if "dualSidePosition" not in call.values:
        raise missing("dualSidePosition")
    hedged = call.flag("dualSidePosition")
    if hedged == call.room.hedged:
        raise ApiError(-4059, "No need to change position side.")
    if call.brokerage.open_numbers(call.room):
        raise ApiError(-4067, "Position side cannot be changed if there exists open orders.")
    if call.brokerage.exchange.positions(call.room.account_id):
        raise ApiError(-4068, "Position side cannot be changed if there exists position.")
    call.room.hedged = hedged
    return {"code": 200, "msg": "success"}


def income(call: Call) -> list[JsonObject]:
    """Handle GET /fapi/v1/income: transfers, funding, and of each trade its profit and its fee."""
    start, end = call.whole("startTime") or 0, call.whole("endTime") or 10**15
    kind = call.text("incomeType")
    rows: list[JsonObject] = [
        {"symbol": each.symbol, "incomeType": each.kind, "income": plain(each.amount), "asset": QUOTE,
         "info": each.kind, "time": each.time_ms, "tranId": 9_000_000 + place, "tradeId": ""}
        for place, each in enumerate(call.room.incomes)
    ]  # fmt: skip
    for row in call.room.trades.select(start_ms=start, end_ms=end):
        symbol, time_ms = wire_symbol(row.execution.symbol), row.time_ms
        for word, amount in (("REALIZED_PNL", row.realized), ("COMMISSION", -row.execution.fee)):
            if amount:
                rows.append(
                    {"symbol": symbol, "incomeType": word, "income": plain(amount), "asset": QUOTE, "info": word,
                     "time": time_ms, "tranId": 9_500_000 + row.trade_id, "tradeId": str(row.trade_id)}
                )  # fmt: skip
    kept = [row for row in rows if kind in {"", row["incomeType"]} and start <= row["time"] <= end]
    kept.sort(key=lambda row: row["time"])
    return ordering.page(call, kept)


def commission_rate(call: Call) -> JsonObject:
    """Handle GET /fapi/v1/commissionRate."""
    rate = plain(call.brokerage.options.fee_rate)
    return {"symbol": wire_symbol(call.listing().symbol), "makerCommissionRate": rate, "takerCommissionRate": rate}


def open_listen_key(call: Call) -> JsonObject:
    """Handle POST listenKey: the account's key, made when first asked for."""
    room = call.room
    if not room.listen_key:
        room.listen_key = f"lk{room.uid}{call.kind.value.lower()}{call.brokerage.now_ms()}"
    return {"listenKey": room.listen_key}


def keep_listen_key(call: Call) -> JsonObject:
    """Handle PUT listenKey."""
    if not call.room.listen_key:
        raise ApiError(-1125, "This listenKey does not exist.")
    return {"listenKey": call.room.listen_key}


def close_listen_key(call: Call) -> JsonObject:
    """Handle DELETE listenKey."""
    call.room.listen_key = ""
    return {}
