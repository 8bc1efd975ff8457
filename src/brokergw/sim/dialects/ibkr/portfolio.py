"""Accounts, money and positions (Client Portal API, Accounts and Portfolio)."""

from decimal import Decimal
from typing import Final

from brokergw.exchange import Holding
from brokergw.sim.dialects.ibkr.call import Call
from brokergw.sim.dialects.ibkr.shapes import JsonObject, position_row, recent_row
from brokergw.sim.faults import FaultName

_PAGE: Final = 100


def accounts(call: Call) -> JsonObject:
    """Handle GET /iserver/accounts, which opens the way to orders and market data."""
    session, options = call.brokerage.session, call.brokerage.options
    session.asked.add("accounts")
    account = options.account_id
    return {
        "accounts": [account],
        "acctProps": {
            account: {
                "hasChildAccounts": False,
                "supportsCashQty": True,
                "liteUnderPro": False,
                "noFXConv": False,
                "isProp": False,
                "supportsFractions": False,
                "allowCustomerTime": False,
                "autoFx": False,
            }
        },
        "aliases": {account: account},
        "allowFeatures": {"snapshotRefreshTimeout": 30, "allowedAssetTypes": "STK,OPT,FUT,CASH,BOND"},
        "groups": [],
        "profiles": [],
        "selectedAccount": account,
        "serverInfo": {"serverName": "Simulated", "serverVersion": "Build 10.44.1d"},
        "sessionId": session.session_id,
        "isFT": False,
        "isPaper": options.paper,
    }


def select(call: Call) -> JsonObject:
    """Handle POST /iserver/account."""
    account = call.own_account(str(call.body().get("acctId", "")))
    return {"set": True, "acctId": account}


def portfolio_accounts(call: Call) -> list[JsonObject]:
    """Handle GET /portfolio/accounts, which opens the way to the rest of the portfolio."""
    call.brokerage.session.asked.add("portfolio")
    account = call.brokerage.account_id
    return [
        {
            "id": account,
            "accountId": account,
            "accountVan": account,
            "accountTitle": "Simulated",
            "displayName": account,
            "accountAlias": None,
            "accountStatus": 1_600_000_000_000,
            "currency": "USD",
            "type": "DEMO" if call.brokerage.options.paper else "INDIVIDUAL",
            "tradingType": "STKNOPT",
            "businessType": "INDEPENDENT",
            "ibEntity": "IBLLC-US",
            "faclient": False,
            "clearingStatus": "O",
            "covestor": False,
            "noClientTrading": False,
            "trackVirtualFXPortfolio": False,
            "brokerageAccess": True,
            "desc": account,
        }
    ]


def summary(call: Call) -> JsonObject:
    """Handle GET /iserver/account/{account}/summary."""
    call.own_account(call.arguments[0])
    ledger = call.brokerage.exchange.account(call.brokerage.account_id)
    cash = float(ledger.cash)
    excess = float(ledger.buying_power / ledger.multiplier)
    return {
        "accountType": "",
        "status": "",
        "balance": float(ledger.equity),
        "SMA": excess,
        "buyingPower": float(ledger.buying_power),
        "availableFunds": excess,
        "excessLiquidity": float(ledger.equity - ledger.maintenance_margin),
        "netLiquidationValue": float(ledger.equity),
        "equityWithLoanValue": float(ledger.equity),
        "regTLoan": 0.0,
        "securitiesGVP": float(ledger.long_market_value - ledger.short_market_value),
        "totalCashValue": cash,
        "accruedInterest": 0.0,
        "regTMargin": float(ledger.initial_margin),
        "initialMargin": float(ledger.initial_margin),
        "maintenanceMargin": float(ledger.maintenance_margin),
        "cashBalances": [{"currency": "USD", "balance": cash, "settledCash": cash}],
    }


def portfolio_summary(call: Call) -> JsonObject:
    """Handle GET /portfolio/{account}/summary."""
    account = call.own_account(call.arguments[0])
    ledger = call.brokerage.exchange.account(account)
    now_ms = call.brokerage.now_ns() // 1_000_000
    numbers = {
        "netliquidation": ledger.equity,
        "totalcashvalue": ledger.cash,
        "availablefunds": ledger.buying_power / ledger.multiplier,
        "buyingpower": ledger.buying_power,
        "equitywithloanvalue": ledger.equity,
        "initmarginreq": ledger.initial_margin,
        "maintmarginreq": ledger.maintenance_margin,
    }
    document: JsonObject = {name: _amount(number, now_ms) for name, number in numbers.items()}
    code = {"amount": 0.0, "currency": None, "isNull": False, "timestamp": now_ms, "value": account, "severity": 0}
    return {"accountcode": code, **document}


def ledger(call: Call) -> JsonObject:
    """Handle GET /portfolio/{account}/ledger."""
    account = call.own_account(call.arguments[0])
    money = call.brokerage.exchange.account(account)
    row: JsonObject = {
        "cashbalance": float(money.cash),
        "settledcash": float(money.cash),
        "netliquidationvalue": float(money.equity),
        "stockmarketvalue": float(money.long_market_value + money.short_market_value),
        "exchangerate": 1,
        "currency": "USD",
        "secondkey": "USD",
        "acctcode": account,
        "key": "LedgerList",
        "timestamp": call.brokerage.now_ns() // 1_000_000_000,
        "severity": 0,
    }
    return {"USD": row, "BASE": {**row, "currency": "BASE", "secondkey": "BASE"}}


def positions(call: Call) -> list[JsonObject]:
    """Handle GET /portfolio/{account}/positions/{page}: sparse for the first time in a session."""
    account = call.own_account(call.arguments[0])
    page = int(call.arguments[1]) if call.arguments[1].isdigit() else 0
    enriched = not call.brokerage.session.first("positions")
    rows = [_row(call, holding, account, enriched=enriched) for holding in _held(call)]
    return rows[page * _PAGE : (page + 1) * _PAGE]


def recent_positions(call: Call) -> list[JsonObject]:
    """Handle GET /portfolio2/{account}/positions: without the cache, and with ids as texts."""
    account = call.own_account(call.arguments[0])
    return [recent_row(holding, call.brokerage.contract(holding.symbol), account) for holding in _held(call)]


def position(call: Call) -> list[JsonObject]:
    """Handle GET /portfolio/{account}/position/{conid}: no row or one."""
    account = call.own_account(call.arguments[0])
    rows = [_row(call, holding, account, enriched=True) for holding in _held(call)]
    return [row for row in rows if str(row["conid"]) == call.arguments[1]]


def invalidate(call: Call) -> JsonObject:
    """Handle POST /portfolio/{account}/positions/invalidate."""
    call.own_account(call.arguments[0])
    return {"message": "success"}


def pnl(call: Call) -> JsonObject:
    """Handle GET /iserver/account/pnl/partitioned: empty for the first time."""
    if call.brokerage.session.first("pnl"):
        return {"upnl": {}}
    return {"upnl": pnl_row(call)}


def pnl_row(call: Call) -> JsonObject:
    """Write the account's profit and loss."""
    account = call.brokerage.account_id
    money = call.brokerage.exchange.account(account)
    value = float(money.long_market_value + money.short_market_value)
    equity = float(money.equity)
    return {
        f"{account}.Core": {
            "rowType": 1,
            "dpl": 0.0,
            "nl": equity,
            "upl": 0.0,
            "el": equity,
            "uel": equity,
            "mv": value,
        }
    }


def _held(call: Call) -> list[Holding]:
    brokerage = call.brokerage
    holdings = list(brokerage.exchange.positions(brokerage.account_id))
    fault = call.strike(FaultName.WRONG_POSITION)
    if fault is None or fault.symbol not in brokerage.contracts.by_symbol:
        return holdings
    shown = [holding for holding in holdings if holding.symbol != fault.symbol]
    quantity = Decimal(fault.quantity)
    if quantity:
        size = brokerage.contract(fault.symbol).listing.contract_size
        price = brokerage.exchange.quote(fault.symbol).last
        value = quantity * price * size
        shown.append(
            Holding(
                symbol=fault.symbol,
                quantity=quantity,
                available=abs(quantity),
                average_price=price,
                cost_basis=value,
                market_price=price,
                market_value=value,
                unrealized_profit=Decimal(0),
            )
        )
    return shown


def _row(call: Call, holding: Holding, account: str, *, enriched: bool) -> JsonObject:
    return position_row(holding, call.brokerage.contract(holding.symbol), account, enriched=enriched)


def _amount(number: Decimal, now_ms: int) -> JsonObject:
    return {
        "amount": float(number),
        "currency": "USD",
        "isNull": False,
        "timestamp": now_ms,
        "value": None,
        "severity": 0,
    }
