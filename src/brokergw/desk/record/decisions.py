"""What a key came to, as text for the journal: an order's version, a list of effects, or the error it ended with."""

import json
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any, Final

from brokergw.model.errors import GatewayError, Objection, OrderEffect, PreflightDenied, Reason, Retry

NOT_SENT: Final = '{"not_sent":true}'
"""Nothing left for the broker: the same key may try again."""


UNDECIDED: Final = ""
"""What a key stands for is being sent, or nobody knows yet what became of it: no call under it sends anything."""


def of_order(order_id: str, version: int) -> str:
    """Decide for an order as it stood in one version."""
    return json.dumps({"order": order_id, "version": version})


def of_sweep(
    cancels: Sequence[tuple[str, bool, str]], orders: Sequence[str], residuals: Sequence[tuple[str, ...]]
) -> str:
    """Decide for a sweep: the cancelled orders with what became of each, the closing orders, what was left."""
    return json.dumps({"cancels": cancels, "orders": orders, "residuals": residuals})


def of_error(error: GatewayError) -> str:
    """Decide for an error that every later call under the key gets as well."""
    body: dict[str, Any] = {
        "reason": error.reason.value,
        "message": error.message,
        "metadata": error.metadata,
        "effect": error.effect,
        "retry": error.retry,
        "order_id": error.order_id,
    }
    if isinstance(error, PreflightDenied):
        body["gate"] = error.gate
        body["objections"] = [asdict(objection) for objection in error.objections]
    return json.dumps({"error": body})


def read(text: str) -> dict[str, Any]:
    """Read a decision."""
    decision: dict[str, Any] = json.loads(text)
    return decision


def error_from(body: dict[str, Any]) -> GatewayError:
    """Make the error again that a key ended with."""
    if "gate" in body:
        objections = tuple(
            Objection(**{**told, "reason": Reason(told["reason"]), "missing": tuple(told.get("missing", ()))})
            for told in body["objections"]
        )
        return PreflightDenied(body["gate"], objections, order_id=body["order_id"])
    return GatewayError(
        Reason(body["reason"]),
        body["message"],
        metadata=body["metadata"],
        effect=OrderEffect(body["effect"]) if body["effect"] else None,
        retry=Retry(body["retry"]) if body["retry"] else None,
        order_id=body["order_id"],
    )
