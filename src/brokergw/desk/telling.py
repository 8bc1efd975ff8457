"""What the verbs say alike: the audit row of a caller's step, and the errors for a broker's no and for nothing sent."""

from typing import Final

from brokergw.model.errors import GatewayError, Objection, OrderEffect, PreflightDenied, Reason, Retry
from brokergw.model.events import AuditRow
from brokergw.model.lifecycle import is_terminal
from brokergw.model.order import Order
from brokergw.model.outcome import NotSent, Rejected
from brokergw.model.principal import Caller

BROKER_MESSAGE_LENGTH_MAX: Final = 200
_DENIAL_LENGTH_MAX: Final = 2_000
_RETRY_AFTER_S: Final = 1.0
_A_PERSONS: Final = frozenset({Reason.BROKER_CREDENTIALS_REFUSED, Reason.CONNECTION_NOT_USABLE})
_ABSENT_RETRY_AFTER_S: Final = 60.0


def audit_row(
    caller: Caller,
    time_ns: int,
    action: str,
    outcome: str,
    *,
    account_id: str = "",
    order_id: str = "",
    reason: str = "",
    detail: str = "",
) -> AuditRow:
    """Say who took which step, and what it came to."""
    return AuditRow(
        time_ns=time_ns,
        request_id=caller.request_id,
        user_id=caller.user_id,
        key_id=caller.principal.key_id,
        action=action,
        outcome=outcome,
        reason=reason,
        account_id=account_id,
        order_id=order_id,
        detail=detail,
        principal_kind=caller.principal.kind.value,
    )


def own_audit(order: Order, time_ns: int, action: str, *, reason: str = "", detail: str = "") -> AuditRow:
    """Say what the gateway noted of an order by itself, without a call to cause it."""
    return AuditRow(
        time_ns=time_ns,
        request_id="",
        user_id=order.user_id,
        key_id="",
        action=action,
        outcome=order.state.value,
        reason=reason,
        account_id=order.account_id,
        order_id=order.order_id,
        detail=detail,
    )


def order_audit(caller: Caller, time_ns: int, action: str, order: Order, *, detail: str = "") -> AuditRow:
    """Say who took which step with an order, and where that left it."""
    return audit_row(
        caller,
        time_ns,
        action,
        order.state.value,
        account_id=order.account_id,
        order_id=order.order_id,
        reason=order.reject_reason,
        detail=detail,
    )


def judged_by(limits_version: int) -> str:
    """Say for the audit which limits an order was judged by."""
    return f"limits={limits_version}"


def denial_in_words(denial: PreflightDenied) -> str:
    """Write which limits judged an order, and every objection with what it compared, for the audit."""
    objections = map(_objection_in_words, denial.objections)
    return "; ".join((judged_by(denial.limits_version), *objections))[:_DENIAL_LENGTH_MAX]


def _objection_in_words(objection: Objection) -> str:
    facts = {
        "limit": objection.limit,
        "observed": objection.observed,
        "name": objection.limit_name,
        "source": objection.source,
        "used": objection.used,
        "requested": objection.requested,
    }
    told = [f"{name}={value}" for name, value in facts.items() if value]
    return " ".join((objection.reason.value, objection.subject, *told))


def broker_refusal(reason: Reason, what: str, outcome: Rejected, order_id: str) -> GatewayError:
    """Say that the broker refused, with its own words shortened; `what` follows "the broker refused"."""
    return GatewayError(
        reason,
        f"the broker refused {what}: {outcome.reason}",
        metadata={
            "brokerReason": outcome.reason,
            "brokerCode": outcome.broker_code,
            "brokerMessage": outcome.broker_message[:BROKER_MESSAGE_LENGTH_MAX],
        },
        order_id=order_id,
    )


def nothing_sent(outcome: NotSent, order_id: str, *, retry: Retry = Retry.SAME_KEY) -> GatewayError:
    """Say that provably nothing reached the broker, and why; a caller that may repeat its key is told when.

    Where a person must act first nobody can tell when. What a halt kept back is denied as it would have been before.
    """
    if outcome.denial is not None:
        outcome.denial.order_id = order_id or None
        return outcome.denial
    soon = retry is Retry.SAME_KEY and outcome.reason not in _A_PERSONS
    return GatewayError(
        outcome.reason,
        f"nothing was sent to the broker: {outcome.why}",
        effect=OrderEffect.NONE,
        retry=retry,
        retry_after_s=outcome.retry_after_s or (_RETRY_AFTER_S if soon else None),
        order_id=order_id,
    )


def not_placed(order: Order) -> GatewayError:
    """Say that the broker does not have an order; while a late birth is waited for it may have it yet."""
    over = is_terminal(order.state)
    return GatewayError(
        Reason.ORDER_NOT_PLACED,
        "the broker does not know the order" if over else "the broker does not know the order, so far",
        effect=OrderEffect.NONE if over else OrderEffect.POSSIBLE,
        retry=Retry.NEW_KEY if over else Retry.SAME_KEY,
        retry_after_s=None if over else _ABSENT_RETRY_AFTER_S,
        order_id=order.order_id,
    )


def repeated(ago_ns: int, within_ns: int) -> Objection:
    """Say that an order repeats one of a moment ago."""
    ago, within = f"{ago_ns / 1e9:.2f}", f"{within_ns / 1e9:g}"
    words = f"the same order was placed {ago} s ago under another key"
    return Objection(Reason.DUPLICATIVE_ORDER, "order", words, within, ago)
