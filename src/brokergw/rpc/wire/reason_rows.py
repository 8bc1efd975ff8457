"""What a client is told of a reason, and the kinds of rows there are."""

from dataclasses import dataclass

from grpc import StatusCode

from brokergw.model.errors import OrderEffect, Retry


@dataclass(frozen=True, slots=True)
class Row:
    """One reason: what it means, and what the caller does about it."""

    code: StatusCode
    effect: OrderEffect
    retry: Retry
    meaning: str
    advice: str


def malformed(meaning: str, advice: str, code: StatusCode = StatusCode.INVALID_ARGUMENT) -> Row:
    """A request that breaks the contract: mend it, and take a fresh key."""
    return Row(code, OrderEffect.NONE, Retry.NEW_KEY, meaning, advice)


def denied(meaning: str, advice: str, code: StatusCode = StatusCode.FAILED_PRECONDITION) -> Row:
    """A refusal of what was asked: nothing was created."""
    return Row(code, OrderEffect.NONE, Retry.NEW_KEY, meaning, advice)


def never(code: StatusCode, meaning: str, advice: str) -> Row:
    """A call that will not succeed by being repeated."""
    return Row(code, OrderEffect.NONE, Retry.NEVER, meaning, advice)


def later(code: StatusCode, meaning: str, advice: str) -> Row:
    """Nothing was sent, and the same call may succeed later."""
    return Row(code, OrderEffect.NONE, Retry.SAME_KEY, meaning, advice)


def uncertain(code: StatusCode, meaning: str, advice: str) -> Row:
    """An order may exist: only the identical request with the same key is safe."""
    return Row(code, OrderEffect.POSSIBLE, Retry.SAME_KEY, meaning, advice)
