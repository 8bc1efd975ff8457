"""What a strategy in any language must have seen; every client prints the same report."""

import json
import subprocess
from collections.abc import Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any, Final

from tests.fixtures.gateway_process import GatewayProcess

SYMBOL: Final = "AAPL"
RUN_S: Final = 90


def run_strategy(command: Sequence[str | Path], gateway: GatewayProcess) -> dict[str, Any]:
    """Run a compiled strategy against a gateway and give its report."""
    environment = {
        **gateway.environment,
        "BROKERGW_TARGET": gateway.target,
        "BROKERGW_API_KEY": gateway.api_key(),
        "BROKERGW_SYMBOL": SYMBOL,
    }
    ended = subprocess.run(
        [str(word) for word in command], env=environment, capture_output=True, text=True, timeout=RUN_S, check=False
    )
    assert ended.returncode == 0, f"{ended.stderr[-3000:]}\n{gateway.log()[-3000:]}"
    report: dict[str, Any] = json.loads(ended.stdout)
    return report


def check_story(report: dict[str, Any]) -> None:
    """Assert the whole story: one order per key, every fill once, refusals that a program can read."""
    _check_replay(report["submitted"], report["replay"])
    _check_fills(report["fills"], report["submitted"]["order_id"], "1")
    assert report["missed"]["order_id"] != report["submitted"]["order_id"]
    _check_fills(report["resumed"], report["missed"]["order_id"], "2")
    assert min(fill["sequence"] for fill in report["resumed"]) > max(fill["sequence"] for fill in report["fills"])
    _check_bad_request(report["bad_request"])
    _check_reused_key(report["reused_key"])


def _check_replay(submitted: dict[str, Any], replay: dict[str, Any]) -> None:
    assert submitted["order_id"]
    assert submitted["replayed"] is False
    assert submitted["replayed_label"] == ""
    assert submitted["cursor"]
    assert replay["order_id"] == submitted["order_id"]
    assert replay["replayed"] is True
    assert replay["replayed_label"] == "true"


def _check_fills(fills: list[dict[str, Any]], order_id: str, quantity: str) -> None:
    assert {fill["order_id"] for fill in fills} == {order_id}
    assert len({fill["fill_id"] for fill in fills}) == len(fills)
    assert sum(Decimal(fill["quantity"]) for fill in fills) == Decimal(quantity)
    assert fills[-1]["leaves_quantity"] == "0"


def _check_bad_request(refusal: dict[str, Any]) -> None:
    assert refusal["code"] == "INVALID_ARGUMENT"
    assert refusal["reason"] == "INVALID_ORDER_FIELD"
    assert refusal["domain"]
    assert refusal["order_effect"] == "NONE"
    assert refusal["retry"] == "NEW_KEY"
    assert refusal["fields"] == ["order.quantity"]
    assert refusal["request_id"]


def _check_reused_key(refusal: dict[str, Any]) -> None:
    assert refusal["code"] == "FAILED_PRECONDITION"
    assert refusal["reason"] == "IDEMPOTENCY_KEY_REUSED"
    assert refusal["order_effect"] == "EXISTS"
    assert refusal["retry"] == "NEVER"
    assert refusal["fields"] == []
