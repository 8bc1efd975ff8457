"""The demo at Schwab trades live money, so it must know whose."""

import pytest

from brokergw.app.demo import DemoFailed
from brokergw.app.demo_schwab import make_believe


@pytest.mark.parametrize("url", ["http://127.0.0.1:8000", "http://127.255.255.254:1", "http://[::1]:8000"])
def test_a_simulator_on_loopback_may_get_live_orders(url: str) -> None:
    """An address of this machine's own is a simulator's."""
    assert make_believe(url) == url


@pytest.mark.parametrize(
    "url",
    [
        "https://api.schwabapi.com",
        "http://128.0.0.1:8000",
        "http://126.255.255.255:8000",
        "http://127.0.0.1.example.com",
        "http://localhost:8000",
        "",
    ],
)
def test_nobody_else_gets_live_orders(url: str) -> None:
    """Any other address, a name that only resolves to this machine too, ends the demo before anything is sent."""
    with pytest.raises(DemoFailed, match="loopback only"):
        make_believe(url)
