"""The two kinds of attempt at a broker: a command, which is made once, and a query, which may be made again."""

from collections.abc import Awaitable, Callable
from typing import TypeVar

from brokergw.model.errors import GatewayError, Reason
from brokergw.model.outcome import NotSent, Unknown
from brokergw.ports.broker import AccessTokens
from brokergw.transport.failures import Failures
from brokergw.transport.http import NotSentError, UnknownError
from brokergw.transport.throttle import Spent

_Answer = TypeVar("_Answer")


async def command(attempt: Awaitable[_Answer]) -> _Answer | NotSent | Unknown:
    """Await the one attempt at something that changes the account; it never raises for what broker or network do."""
    try:
        return await attempt
    except Spent as error:
        return NotSent(str(error), error.retry_after_s, Reason.BROKER_RATE_LIMITED)
    except NotSentError as error:
        return NotSent(str(error))
    except UnknownError as error:
        return Unknown(str(error))
    except GatewayError as error:
        return NotSent.by(error)


async def query(attempt: Callable[[], Awaitable[_Answer]], failures: Failures) -> _Answer:
    """Ask for something that changes nothing, once more where a kept-alive connection had died.

    Raises Throttled, BrokerUnavailable, or what the attempt raises of its own.
    """
    try:
        try:
            return await attempt()
        except UnknownError as error:
            if not error.stale:
                raise
        return await attempt()
    except Spent as error:
        raise failures.throttled(error.retry_after_s) from error
    except (NotSentError, UnknownError) as error:
        raise failures.unavailable(Reason.BROKER_UNREACHABLE, str(error)) from error


async def other_token(tokens: AccessTokens | None, refused: str) -> str | None:
    """Give another access token than one that the broker refused; None where only a person can bring one.

    Raises GatewayError where none is to be had at the moment, which is no reason to send for a person.
    """
    if tokens is None:
        return None
    try:
        other = await tokens.after(refused)
    except GatewayError as error:
        if error.reason is not Reason.BROKER_CREDENTIALS_REFUSED:
            raise
        # What was refused tells the caller enough; the grant's own state tells the rest.
        return None
    return other if other != refused else None
