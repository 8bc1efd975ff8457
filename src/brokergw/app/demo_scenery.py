"""What the demo needs to know of a broker: how to start its simulator, and what is traded there."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from brokergw.sim.dialects import alpaca, binance
from brokergw.sim.server import SimServer


@dataclass(frozen=True, slots=True, kw_only=True)
class Scenery:
    """One broker's demo.

    `settings` gives the gateway's settings for a simulator's address. The strategy buys `quantity` of `symbol`, tries
    to buy `too_much` of it at `too_much_price`, and rests an order for `limit_quantity` of `limit_symbol`, whose prices
    are multiples of `places`; it changes that order where the broker can.
    """

    broker: str
    name: str
    key: str
    secret: str
    start: Callable[[], Awaitable[SimServer]]
    settings: Callable[[str], Mapping[str, Any]]
    symbol: str
    quantity: str
    market_time: str
    too_much: str
    too_much_price: str
    limit_symbol: str
    limit_quantity: str
    places: str = "0.01"
    changes: bool = True


def _at(url: str, *names: str) -> dict[str, str]:
    return dict.fromkeys(names, url)


def _binance_at(url: str) -> dict[str, str]:
    socket = url.replace("http", "ws", 1)
    return {
        **_at(url, "binance_paper_url", "binance_futures_paper_url"),
        "binance_paper_stream_url": f"{socket}/ws-api/v3",
        "binance_futures_paper_stream_url": f"{socket}/private/stream",
    }


_BINANCE: Final[dict[str, Any]] = {
    "key": binance.DEFAULT_KEY,
    "secret": binance.DEFAULT_SECRET,
    "start": lambda: binance.serve_binance("127.0.0.1", 0, binance.BinanceOptions()),
    "settings": _binance_at,
    "quantity": "0.5",
    "market_time": "GTC",
    "too_much": "100000",
    "too_much_price": "3200",
    "limit_quantity": "1",
}
SCENERIES: Final = {
    "alpaca": Scenery(
        broker="alpaca",
        name="Alpaca",
        key=alpaca.DEFAULT_KEY,
        secret=alpaca.DEFAULT_SECRET,
        start=lambda: alpaca.serve_alpaca("127.0.0.1", 0, alpaca.AlpacaOptions()),
        settings=lambda url: {**_at(url, "alpaca_paper_url", "alpaca_data_url"), "alpaca_requests_per_minute": 0},
        symbol="MSFT",
        quantity="5",
        market_time="DAY",
        too_much="100000",
        too_much_price="420",
        limit_symbol="KO",
        limit_quantity="3",
    ),
    "binance": Scenery(
        broker="binance",
        name="Binance Spot",
        symbol="ETH/USDT",
        limit_symbol="BNB/USDT",
        changes=False,
        **_BINANCE,
    ),
    "binance-futures": Scenery(
        broker="binance-futures",
        name="Binance USDⓈ-M Futures",
        symbol="ETH/USDT:PERP",
        limit_symbol="BNB/USDT:PERP",
        **_BINANCE,
    ),
}
"""The brokers of which the demo can be seen."""
