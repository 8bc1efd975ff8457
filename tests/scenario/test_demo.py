"""The demo, as a newcomer runs it."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

SCENES = {
    "alpaca": ("5 MSFT", "modified: 3 KO", "closing order: 5 MSFT"),
    "binance": ("0.5 ETH/USDT", "submitted: 1 BNB/USDT", "closing order: 0.5 ETH/USDT"),
    "binance-futures": ("0.5 ETH/USDT:PERP", "modified: 1 BNB/USDT:PERP", "closing order: 0.5 ETH/USDT:PERP"),
    "ibkr": ("5 MSFT", "modified: 3 KO", "closing order: 5 MSFT"),
    "schwab": (
        "Live ****5678",
        "LIVE_NOT_ENABLED order_effect=NONE",
        "still open: RISK_ACKNOWLEDGEMENT, MFA, ESCALATION",
        "still open: MFA, ESCALATION",
        "still open: ESCALATION",
        "trades LIVE",
        "5 MSFT",
        "modified: 3 KO",
        "closing order: 5 MSFT",
    ),
    "ctrader": ("Authorising", "2000 EUR/USD", "modified: 3 KO.US", "closing order: 2000 EUR/USD"),
}


@pytest.mark.parametrize("broker", sorted(SCENES))
def test_the_demo_tells_the_whole_main_job(tmp_path: Path, broker: str) -> None:
    """It ends well within a minute at each broker, shows each scene, and logs no fault."""
    told = subprocess.run(
        [str(Path(sys.executable).with_name("brokergw")), "demo", "--broker", broker],
        capture_output=True,
        text=True,
        timeout=60,
        cwd=tmp_path,
        env={**os.environ, "COLUMNS": "160"},
        check=False,
    )
    assert told.returncode == 0, told.stdout + told.stderr
    for scene in (
        "10 AAPL is FILLED",
        "fill stream",
        "replayed, nothing was sent",
        "ORDER_NOTIONAL_EXCEEDS_LIMIT order_effect=NONE",
        "is CANCELED",
        "no position is left there",
        *SCENES[broker],
    ):
        assert scene in told.stdout
    assert told.stderr == ""
    assert not list(tmp_path.iterdir())
