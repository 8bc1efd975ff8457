"""Where Binance is and how patient the adapter is with it, for each of its two products."""

from dataclasses import dataclass, field, replace
from enum import StrEnum, unique
from typing import Final, Self

from brokergw.model.account import Environment
from brokergw.ports.broker import BrokerLink
from brokergw.transport.http import Timeouts
from brokergw.transport.websocket import LinkPolicy


@unique
class Product(StrEnum):
    """What Binance runs as two exchanges with accounts, addresses, limits and rules of their own."""

    SPOT = "SPOT"
    FUTURES = "FUTURES"


_STREAM_PATHS: Final = {Product.SPOT: "/ws-api/v3", Product.FUTURES: "/private/stream"}


def stream_of(product: Product, url: str) -> str:
    """Tell where the user data stream is when it is on the same host as the REST API, as at a simulator."""
    return "ws" + url.rstrip("/").removeprefix("http") + _STREAM_PATHS[product]


@dataclass(frozen=True, slots=True, kw_only=True)
class BinanceConfig:
    """Settings of one product; the addresses are Binance's own unless a test or a simulator says otherwise.

    `weight_per_minute` is the request weight of one address, `orders_10s` and `orders_long` what one account may order
    in ten seconds and in `long_s` seconds (exchangeInfo.rateLimits); None counts nothing. `receive_window_ms` is how
    old a request may be when Binance reads it. `overlap_s` is how much of what was told is asked for again after a
    loss, and `keep_listen_key_s` how often a listen key is kept alive, which lives for an hour.
    """

    product: Product
    paper_url: str
    live_url: str
    paper_stream_url: str
    live_stream_url: str
    weight_per_minute: int | None
    orders_10s: int | None
    orders_long: int | None
    long_s: int
    receive_window_ms: int = 5000
    overlap_s: int = 30
    keep_listen_key_s: float = 1800.0
    timeouts: Timeouts = field(default_factory=Timeouts)
    link: LinkPolicy = field(default_factory=LinkPolicy)

    @classmethod
    def spot(cls) -> Self:
        """Give what holds for spot (rest-api.md; testnet/)."""
        return cls(
            product=Product.SPOT,
            paper_url="https://testnet.binance.vision",
            live_url="https://api.binance.com",
            paper_stream_url="wss://ws-api.testnet.binance.vision/ws-api/v3",
            live_stream_url="wss://ws-api.binance.com:443/ws-api/v3",
            weight_per_minute=6000,
            orders_10s=50,
            orders_long=160_000,
            long_s=86_400,
        )

    @classmethod
    def futures(cls) -> Self:
        """Give what holds for USDⓈ-M futures."""
        return cls(
            product=Product.FUTURES,
            paper_url="https://demo-fapi.binance.com",
            live_url="https://fapi.binance.com",
            paper_stream_url="wss://fstream.binancefuture.com/private/stream",
            live_stream_url="wss://fstream.binance.com/private/stream",
            weight_per_minute=2400,
            orders_10s=300,
            orders_long=1200,
            long_s=60,
        )

    def at(self, url: str, *, link: LinkPolicy | None = None, timeouts: Timeouts | None = None) -> Self:
        """Point every address at one server such as `http://127.0.0.1:8080`."""
        base = url.rstrip("/")
        stream = stream_of(self.product, base)
        return replace(
            self,
            paper_url=base,
            live_url=base,
            paper_stream_url=stream,
            live_stream_url=stream,
            link=link or self.link,
            timeouts=timeouts or self.timeouts,
        )

    def for_link(self, link: BrokerLink) -> Self:
        """Take the address that the platform has set for a connection; its stream is then on the same host."""
        return self.at(link.trading_url) if link.trading_url else self

    def trading_url(self, environment: Environment) -> str:
        """Give the REST address of an environment."""
        return (self.live_url if environment is Environment.LIVE else self.paper_url).rstrip("/")

    def stream_url(self, environment: Environment) -> str:
        """Give the address of the user data stream of an environment."""
        return self.live_stream_url if environment is Environment.LIVE else self.paper_stream_url
