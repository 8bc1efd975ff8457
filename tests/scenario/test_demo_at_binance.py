"""The demo at Binance, as somebody sees it who trades there."""

import os
import subprocess
import sys
from pathlib import Path

import pytest


@pytest.mark.timeout(90)
@pytest.mark.parametrize(
    ("broker", "symbol", "changed"),
    [("binance", "ETH/USDT", False), ("binance-futures", "ETH/USDT:PERP", True)],
)
def test_the_demo_runs_through_binances_protocols(
    broker: str,
    symbol: str,
    changed: bool,  # noqa: FBT001 - a case
    tmp_path: Path,
) -> None:
    """The strategy's whole job goes through spot and futures alike, with a change where the broker has one."""
    told = subprocess.run(
        [str(Path(sys.executable).with_name("brokergw")), "demo", "--broker", broker],
        capture_output=True,
        text=True,
        timeout=80,
        cwd=tmp_path,
        env={**os.environ, "COLUMNS": "160"},
        check=False,
    )
    assert told.returncode == 0, told.stdout + told.stderr
    for scene in (f"0.5 {symbol} is FILLED", "replayed, nothing was sent", "is CANCELED", "no position is left there"):
        assert scene in told.stdout
    assert ("modified: 1 BNB/USDT" in told.stdout) is changed
    assert told.stderr == ""
