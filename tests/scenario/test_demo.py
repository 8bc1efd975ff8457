"""The demo, as a newcomer runs it."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from brokergw.app.demo_brokers import DEMO_BROKERS


@pytest.mark.parametrize("broker", DEMO_BROKERS)
def test_the_demo_tells_the_whole_main_job(broker: str, tmp_path: Path) -> None:
    """It ends well within a minute, shows each scene, and logs no fault, whoever the broker is."""
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
        "5 MSFT",
        "fill stream",
        "replayed, nothing was sent",
        "ORDER_NOTIONAL_EXCEEDS_LIMIT order_effect=NONE",
        "modified: 3 KO",
        "is CANCELED",
        "closing order: 5 MSFT",
        "no position is left there",
    ):
        assert scene in told.stdout
    assert told.stderr == ""
    assert not list(tmp_path.iterdir())
