"""The errors of queries and sessions, each with what a person can do about it."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from brokergw.model.errors import GatewayError, Reason, Throttled
from brokergw.ports.broker import BrokerUnavailable
from brokergw.transport.rows import Unusable

BROKER: Final = "ibkr"
_ABOUT: Final = {"broker": BROKER}


def unavailable(reason: Reason, why: str) -> BrokerUnavailable:
    """Make the error of a query that failed; `why` holds no secret."""
    return BrokerUnavailable(reason, f"Interactive Brokers: {why}", metadata=_ABOUT)


def login_needed() -> GatewayError:
    """Nobody is logged in at the gateway; only a person can change that."""
    return GatewayError(
        Reason.BROKER_CREDENTIALS_REFUSED,
        "nobody is logged in at the Client Portal gateway: log in on its page, with the second factor",
        metadata=_ABOUT,
    )


def competing() -> BrokerUnavailable:
    """The username is in use elsewhere, and we do not take it away."""
    return unavailable(
        Reason.BROKER_SESSION_DOWN,
        "the username is in use in another session (TWS, phone, another gateway): end that session",
    )


def refused(why: str) -> GatewayError:
    """The connection may not use this gateway, or not this account of it."""
    return GatewayError(Reason.BROKER_CREDENTIALS_REFUSED, why, metadata=_ABOUT)


def wrong_environment(*, paper: bool) -> GatewayError:
    """The gateway is logged in for `paper` or for live trading, and the connection is for the other."""
    here, there = ("paper", "live") if paper else ("live", "paper")
    return GatewayError(
        Reason.CONNECTION_NOT_USABLE,
        f"the connection is for {there} trading, and the gateway is logged in with a username for {here} trading",
        metadata=_ABOUT,
    )


def throttled(retry_after_s: float) -> Throttled:
    """The budget is spent, or the broker said so."""
    return Throttled(Reason.BROKER_RATE_LIMITED, BROKER, retry_after_s)


@contextmanager
def understood() -> Iterator[None]:
    """Turn an answer that makes no sense into the error of a failed query."""
    try:
        yield
    except Unusable as error:
        raise unavailable(Reason.BROKER_ANSWER_UNUSABLE, str(error)) from error
