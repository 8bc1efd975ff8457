"""Where Alpaca is and how patient the adapter is with it."""

from dataclasses import dataclass, field
from typing import Self

from brokergw.model.account import Environment
from brokergw.transport.http import Timeouts
from brokergw.transport.websocket import LinkPolicy


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
        stream = "ws" + base.removeprefix("http") + "/stream"
        return cls(
            paper_url=base,
            live_url=base,
            data_url=base,
            paper_stream_url=stream,
            live_stream_url=stream,
            link=link or LinkPolicy(),
            timeouts=timeouts or Timeouts(),
        )

    def trading_url(self, environment: Environment) -> str:
        """Give the REST address of an environment."""
        return (self.live_url if environment is Environment.LIVE else self.paper_url).rstrip("/")

    def stream_url(self, environment: Environment) -> str:
        """Give the `trade_updates` address of an environment."""
        return self.live_stream_url if environment is Environment.LIVE else self.paper_stream_url
