"""Accounts: their hashes, money and positions, and what the streamer must be told."""

from decimal import Decimal
from typing import Any
from urllib.parse import urlsplit

from brokergw.exchange import Holding
from brokergw.sim.dialects.schwab.call import Call
from brokergw.sim.dialects.schwab.room import ZERO, Room
from brokergw.sim.dialects.schwab.shapes import JsonObject, instrument, number, stable_number
from brokergw.sim.faults import FaultName


def numbers(call: Call) -> list[JsonObject]:
    """Handle GET /accounts/accountNumbers."""
    return [{"accountNumber": room.number, "hashValue": room.hash} for room in call.rooms()]


def get_all(call: Call) -> list[JsonObject]:
    """Handle GET /accounts."""
    return [_shape(call, room) for room in call.rooms()]


def get(call: Call) -> JsonObject:
    """Handle GET /accounts/{hash}."""
    return _shape(call, call.room)


def preferences(call: Call) -> JsonObject:
    """Handle GET /userPreference."""
    accounts = [
        {
            "accountNumber": room.number,
            "primaryAccount": place == 0,
            "type": "BROKERAGE",
            "nickName": f"Individual {place}",
            "displayAcctId": f"...{room.number[-3:]}",
            "autoPositionEffect": False,
            "accountColor": "Green",
        }
        for place, room in enumerate(call.rooms())
    ]
    streamer = {
        "streamerSocketUrl": _stream_url(call),
        "schwabClientCustomerId": customer_of(call.login),
        "schwabClientCorrelId": f"correl-{stable_number('correl', call.login)}",
        "schwabClientChannel": "N9",
        "schwabClientFunctionId": "APIAPP",
    }
    return {
        "accounts": accounts,
        "streamerInfo": [streamer],
        "offers": [{"level2Permissions": True, "mktDataPermission": "NP"}],
    }


def _stream_url(call: Call) -> str:
    """Lead to where the request came on this machine: somebody who stands in between wants the stream, too."""
    own = urlsplit(call.brokerage.stream_url)
    asked = call.request.headers.get("Host", "")
    here = f"{own.hostname}:"
    return own._replace(netloc=asked).geturl() if own.port and asked.startswith(here) else own.geturl()


def customer_of(login: str) -> str:
    """Give what a login is called on the streamer."""
    return f"customer-{stable_number('customer', login)}"


def _shape(call: Call, room: Room) -> JsonObject:
    ledger = call.brokerage.exchange.account(room.number)
    power, cash, equity = number(ledger.buying_power), number(ledger.cash), number(ledger.equity)
    long, short = number(ledger.long_market_value), number(ledger.short_market_value)
    current = {
        "accruedInterest": 0.0,
        "availableFunds": number(ledger.non_marginable_buying_power),
        "availableFundsNonMarginableTrade": number(ledger.non_marginable_buying_power),
        "buyingPower": power,
        "buyingPowerNonMarginableTrade": number(ledger.non_marginable_buying_power),
        "cashBalance": cash,
        "equity": equity,
        "isInCall": False,
        "liquidationValue": equity,
        "longMarketValue": long,
        "maintenanceRequirement": number(ledger.maintenance_margin),
        "shortMarketValue": short,
        "sma": power,
    }
    account: dict[str, Any] = {
        "type": "MARGIN" if ledger.multiplier > 1 else "CASH",
        "accountNumber": room.number,
        "roundTrips": 0,
        "isDayTrader": False,
        "isClosingOnlyRestricted": False,
        "pfcbFlag": False,
        "initialBalances": {"accountValue": number(call.brokerage.options.cash), "cashBalance": cash},
        "currentBalances": current,
        "projectedBalances": {"buyingPower": power},
    }
    if "positions" in call.request.query.get("fields", ""):
        account["positions"] = _positions(call, room)
    return {
        "securitiesAccount": account,
        "aggregatedBalance": {"currentLiquidationValue": equity, "liquidationValue": equity},
    }


def _positions(call: Call, room: Room) -> list[JsonObject]:
    shown = [
        _position(call, held, held.quantity) for held in call.brokerage.exchange.positions(room.number) if held.quantity
    ]
    fault = call.strike(FaultName.WRONG_POSITION)
    if fault is None:
        return shown
    listing = call.brokerage.exchange.listing(fault.symbol)
    rest = [row for row in shown if listing is None or row["instrument"]["symbol"] != instrument(listing)["symbol"]]
    wrong = Decimal(fault.quantity)
    if listing is not None and wrong:
        price = call.brokerage.exchange.quote(listing.symbol).last
        held = Holding(
            symbol=listing.symbol,
            quantity=wrong,
            available=abs(wrong),
            average_price=price,
            cost_basis=wrong * price,
            market_price=price,
            market_value=wrong * price * listing.contract_size,
            unrealized_profit=ZERO,
        )
        rest.append(_position(call, held, wrong))
    return rest


def _position(call: Call, held: Holding, quantity: Decimal) -> JsonObject:
    listing = call.brokerage.exchange.listing(held.symbol)
    assert listing is not None
    side = "long" if quantity > 0 else "short"
    return {
        "shortQuantity": number(max(ZERO, -quantity)),
        "longQuantity": number(max(ZERO, quantity)),
        "averagePrice": number(held.average_price),
        f"average{side.capitalize()}Price": number(held.average_price),
        "taxLotAverageLongPrice": number(held.average_price),
        "marketValue": number(held.market_value),
        "maintenanceRequirement": 0.0,
        "currentDayProfitLoss": number(held.unrealized_profit),
        "currentDayProfitLossPercentage": 0.0,
        "currentDayCost": number(held.cost_basis),
        f"{side}OpenProfitLoss": number(held.unrealized_profit),
        "settledLongQuantity": number(max(ZERO, quantity)),
        "settledShortQuantity": number(max(ZERO, -quantity)),
        "agedQuantity": 0.0,
        "instrument": instrument(listing, position=True),
    }
