"""The brokers that can be the sick one or a well one: how each is set up, connected and traded at."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

from brokergw.client.terms import OrderTerms
from brokergw.sim.dialects import binance
from brokergw.sim.dialects.alpaca import DEFAULT_KEY, DEFAULT_SECRET
from brokergw.sim.dialects.ibkr import DEFAULT_ACCOUNT

_CODE: Final = "code-of-the-sick-ward"


@dataclass(frozen=True, slots=True, kw_only=True)
class Broker:
    """One broker; `settings` puts a server in its place, `buy` is an order that fills, `rests` where one can rest.

    `rate_max` is how many orders a second it bears as the well one.
    """

    name: str
    dialect: str
    settings: Callable[[str], Mapping[str, str]]
    key: str = ""
    secret: str = ""
    rate_max: float = 100.0
    buy: OrderTerms
    rests: OrderTerms


def _alpaca(url: str) -> Mapping[str, str]:
    return {
        "BROKERGW_ALPACA_PAPER_URL": url,
        "BROKERGW_ALPACA_DATA_URL": url,
        "BROKERGW_ALPACA_REQUESTS_PER_MINUTE": "0",
    }


def _binance(url: str) -> Mapping[str, str]:
    socket = url.replace("http", "ws", 1)
    return {
        "BROKERGW_BINANCE_PAPER_URL": url,
        "BROKERGW_BINANCE_PAPER_STREAM_URL": f"{socket}/ws-api/v3",
        "BROKERGW_BINANCE_FUTURES_PAPER_URL": url,
        "BROKERGW_BINANCE_FUTURES_PAPER_STREAM_URL": f"{socket}/private/stream",
    }


def _ibkr(url: str) -> Mapping[str, str]:
    return {
        "BROKERGW_IBKR_GATEWAY_URL": f"{url}/v1/api",
        "BROKERGW_IBKR_ACCESS_CODE": _CODE,
        "BROKERGW_IBKR_CONFIRMED_QUESTIONS": "o163",
        "BROKERGW_IBKR_REQUESTS_PER_SECOND": "0",
    }


def _buy(symbol: str, quantity: str, time_in_force: str = "DAY") -> OrderTerms:
    return {
        "symbol": symbol,
        "side": "BUY",
        "type": "MARKET",
        "time_in_force": time_in_force,
        "quantity": quantity,
    }


def _rest(symbol: str, quantity: str) -> OrderTerms:
    return {"symbol": symbol, "side": "BUY", "type": "LIMIT", "time_in_force": "GTC", "quantity": quantity}


_ALL: Final = (
    Broker(
        name="alpaca",
        dialect="alpaca",
        settings=_alpaca,
        key=DEFAULT_KEY,
        secret=DEFAULT_SECRET,
        buy=_buy("AAPL", "0.01"),
        rests=_rest("MSFT", "1"),
    ),
    Broker(
        name="binance",
        dialect="binance",
        settings=_binance,
        key=binance.DEFAULT_KEY,
        secret=binance.DEFAULT_SECRET,
        buy=_buy("ETH/USDT", "0.01", "GTC"),
        rests=_rest("BNB/USDT", "1"),
    ),
    Broker(
        name="binance-futures",
        dialect="binance",
        settings=_binance,
        key=binance.DEFAULT_KEY,
        secret=binance.DEFAULT_SECRET,
        buy=_buy("ETH/USDT:PERP", "0.01", "GTC"),
        rests=_rest("BNB/USDT:PERP", "1"),
    ),
    Broker(
        name="ibkr",
        dialect="ibkr",
        settings=_ibkr,
        key=DEFAULT_ACCOUNT,
        secret=_CODE,
        rate_max=8.0,
        buy=_buy("KO", "1"),
        rests=_rest("MSFT", "1"),
    ),
)
BROKERS: Final = {broker.name: broker for broker in _ALL}
