"""The brokers that the demo can trade at: each one's simulator, and what a gateway and its user need to reach it."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from brokergw.sim.dialects.alpaca import DEFAULT_KEY, DEFAULT_SECRET, AlpacaOptions, serve_alpaca
from brokergw.sim.dialects.ibkr import DEFAULT_ACCOUNT, IbkrOptions, serve_ibkr
from brokergw.sim.server import SimServer

_IBKR_CODE: Final = "code-of-the-demo"


@dataclass(frozen=True, slots=True)
class DemoBroker:
    """One broker of the demo: the gateway's `settings` by the simulator's address, the user's `key` and `secret`."""

    name: str
    serve: Callable[[], Awaitable[SimServer]]
    settings: Callable[[str], Mapping[str, Any]]
    key: str
    secret: str


def _alpaca(url: str) -> Mapping[str, Any]:
    return {"alpaca_paper_url": url, "alpaca_data_url": url, "alpaca_requests_per_minute": 0}


def _ibkr(url: str) -> Mapping[str, Any]:
    return {
        "ibkr_gateway_url": f"{url}/v1/api",
        "ibkr_access_code": _IBKR_CODE,
        # The demo's limit order rests far below the market, which the broker asks about.
        "ibkr_confirmed_questions": "o163",
        "ibkr_requests_per_second": 0,
    }


DEMO_BROKERS: Final = {
    "alpaca": DemoBroker(
        "Alpaca", lambda: serve_alpaca("127.0.0.1", 0, AlpacaOptions()), _alpaca, DEFAULT_KEY, DEFAULT_SECRET
    ),
    "ibkr": DemoBroker(
        "Interactive Brokers", lambda: serve_ibkr("127.0.0.1", 0, IbkrOptions()), _ibkr, DEFAULT_ACCOUNT, _IBKR_CODE
    ),
}
