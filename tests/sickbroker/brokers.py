"""The brokers that can be the sick one or a well one: how each is set up, connected and traded at."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

from brokergw.client.terms import OrderTerms
from brokergw.sim.dialects import binance
from brokergw.sim.dialects.alpaca import DEFAULT_KEY, DEFAULT_SECRET
from brokergw.sim.dialects.ibkr import DEFAULT_ACCOUNT

CLIENT_ID: Final = "7000_simulator"
CLIENT_SECRET: Final = "simulator-app-secret"
REDIRECT_BASE: Final = "https://127.0.0.1:8184"
"""Nobody listens there: the code is taken from the address."""
_BOUNDLESS: Final = ("--rate-limit", "1000000")
"""The gateway keeps to the limits that a broker publishes: it would hold back the calls that are to meet the moods."""
_CODE: Final = "code-of-the-sick-ward"
_TOKEN_LIFE_S: Final = 20
"""Ten seconds before its end a token is no good any more, so that it is renewed every ten seconds."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Broker:
    """One broker; `settings` puts a server in its place, `buy` is an order that fills, `rests` where one can rest.

    `rate_max` is how many orders a second it bears as the well one. With `login` a person logs in there, for the
    environment that it names, and tokens end after seconds. `frames`: everything goes over one websocket, and a frame
    with this in it is an order. `symbols` are bought in turn where an order in doubt keeps others of its symbol from
    leaving. `sim_told` is what its simulator is told besides, and `arrive` how that journals orders: method, and part
    of the path.
    """

    name: str
    dialect: str
    settings: Callable[[str], Mapping[str, str]]
    key: str = ""
    secret: str = ""
    rate_max: float = 100.0
    login: str = ""
    frames: bytes = b""
    arrive: tuple[str, str] = ("POST", "order")
    buy: OrderTerms
    symbols: tuple[str, ...] = ()
    rests: OrderTerms
    sim_told: tuple[str, ...] = ()

    def buying(self, number: int) -> OrderTerms:
        """Give the terms of one order of many that fill."""
        return {**self.buy, "symbol": self.symbols[number % len(self.symbols)]} if self.symbols else self.buy

    @property
    def sim_arguments(self) -> tuple[str, ...]:
        """What its simulator is started with."""
        if not self.login:
            return self.sim_told
        application = f"{CLIENT_ID}:{CLIENT_SECRET}:{REDIRECT_BASE}/oauth/callback/{self.name}"
        return (*self.sim_told, "--oauth-client", application, "--token-life", str(_TOKEN_LIFE_S))


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


def _ctrader(url: str) -> Mapping[str, str]:
    return {
        "BROKERGW_CTRADER_PAPER_URL": url,
        "BROKERGW_CTRADER_OAUTH_URL": url,
        "BROKERGW_CTRADER_REQUESTS_PER_SECOND": "0",
        "BROKERGW_CTRADER_HISTORY_PER_SECOND": "0",
        "OAUTH_REDIRECT_BASE_URL": REDIRECT_BASE,
    }


def _schwab(url: str) -> Mapping[str, str]:
    return {
        "BROKERGW_SCHWAB_URL": url,
        "BROKERGW_SCHWAB_DATA_URL": url,
        "BROKERGW_SCHWAB_OAUTH_URL": url,
        "BROKERGW_SCHWAB_QUERIES_PER_MINUTE": "0",
        "BROKERGW_SCHWAB_ORDERS_PER_MINUTE": "0",
        "OAUTH_REDIRECT_BASE_URL": REDIRECT_BASE,
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
        rate_max=4.0,
        sim_told=_BOUNDLESS,
        buy=_buy("ETH/USDT", "0.01", "GTC"),
        rests=_rest("BNB/USDT", "1"),
    ),
    Broker(
        name="binance-futures",
        dialect="binance",
        settings=_binance,
        key=binance.DEFAULT_KEY,
        secret=binance.DEFAULT_SECRET,
        rate_max=18.0,
        sim_told=_BOUNDLESS,
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
    Broker(
        name="ctrader",
        dialect="ctrader",
        settings=_ctrader,
        login="PAPER",
        frames=b'"payloadType":2106',
        arrive=("", "/NewOrderReq"),
        buy=_buy("KO.US", "1", "IOC"),
        symbols=("AAPL.US", "KO.US", "F.US"),
        rests=_rest("MSFT.US", "1"),
    ),
    Broker(
        name="schwab",
        dialect="schwab",
        settings=_schwab,
        login="LIVE",
        buy=_buy("KO", "1"),
        symbols=("AAPL", "GOOGL", "AMZN", "META", "NVDA", "TSLA", "AMD", "KO", "JPM", "F", "SPY"),
        rests=_rest("MSFT", "1"),
    ),
)
BROKERS: Final = {broker.name: broker for broker in _ALL}
