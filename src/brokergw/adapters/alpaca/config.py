"""Where Alpaca is and how patient the adapter is with it."""

from dataclasses import dataclass, field, replace
from typing import Self

from brokergw.model.account import Environment
from brokergw.ports.broker import BrokerLink
from brokergw.transport.http import Timeouts
from brokergw.transport.websocket import LinkPolicy


def stream_of(url: str) -> str:
    """Tell where the order stream is: on the trading host under /stream."""
    return "ws" + url.rstrip("/").removeprefix("http") + "/stream"


@dataclass(frozen=True, slots=True, kw_only=True)
class AlpacaConfig:
    """Settings of the room; the addresses are Alpaca's own unless a test or a simulator says otherwise.

    `requests_per_minute` is Alpaca's documented budget per account until its headers say another; None counts
    nothing. `look_back_s` is how long before a reconnect orders may have been submitted and still are asked for,
    `overlap_s` how much of what was already told is asked for again, for clocks that disagree.
    """

    paper_url: str = "https://paper-api.alpaca.markets"
    live_url: str = "https://api.alpaca.markets"
    data_url: str = "https://data.alpaca.markets"
    paper_stream_url: str = "wss://paper-api.alpaca.markets/stream"
    live_stream_url: str = "wss://api.alpaca.markets/stream"
    stock_feed: str = "iex"
    requests_per_minute: int | None = 200
    data_requests_per_minute: int | None = 200
    look_back_s: int = 86_400
    overlap_s: int = 30
    timeouts: Timeouts = field(default_factory=Timeouts)
    link: LinkPolicy = field(default_factory=LinkPolicy)

    @classmethod
    def at(cls, url: str, *, link: LinkPolicy | None = None, timeouts: Timeouts | None = None) -> Self:
        """Point every address at one server such as `http://127.0.0.1:8080`."""
        base = url.rstrip("/")
        stream = stream_of(base)
        return cls(
            paper_url=base,
            live_url=base,
            data_url=base,
            paper_stream_url=stream,
            live_stream_url=stream,
            link=link or LinkPolicy(),
            timeouts=timeouts or Timeouts(),
        )

    def for_link(self, link: BrokerLink) -> Self:
        """Take the addresses that the platform has set for a connection."""
        changes: dict[str, str] = {}
        if link.trading_url:
            place = "live" if link.environment is Environment.LIVE else "paper"
            changes = {f"{place}_url": link.trading_url, f"{place}_stream_url": stream_of(link.trading_url)}
        if link.data_url:
            changes["data_url"] = link.data_url
        return replace(self, **changes) if changes else self  # type: ignore[arg-type]

    def trading_url(self, environment: Environment) -> str:
        """Give the REST address of an environment."""
        return (self.live_url if environment is Environment.LIVE else self.paper_url).rstrip("/")

    def stream_url(self, environment: Environment) -> str:
        """Give the `trade_updates` address of an environment."""
        return self.live_stream_url if environment is Environment.LIVE else self.paper_stream_url
