"""The errors of queries and sessions, each with what a person can do about it."""

from typing import Final

from brokergw.model.errors import GatewayError, Reason
from brokergw.model.remedy import Remedy
from brokergw.ports.broker import BrokerUnavailable
from brokergw.transport.failures import Failures

FAILURES: Final = Failures("ibkr", "Interactive Brokers")
understood, unavailable, throttled = FAILURES.understood, FAILURES.unavailable, FAILURES.throttled
_ABOUT: Final = {"broker": FAILURES.broker}


def login_needed() -> GatewayError:
    """Nobody is logged in at the gateway; only a person can change that."""
    why = "nobody is logged in at the Client Portal gateway"
    return FAILURES.person_needed(Reason.BROKER_CREDENTIALS_REFUSED, why, Remedy.LOG_IN)


def competing() -> BrokerUnavailable:
    """The username is in use elsewhere, and we do not take it away."""
    why = "the username is in use in another session (TWS, phone, another gateway)"
    return FAILURES.person_needed(Reason.BROKER_SESSION_DOWN, why, Remedy.END_OTHER_SESSION)


def refused(why: str) -> GatewayError:
    """The connection may not use this gateway, or not this account of it."""
    return GatewayError(Reason.BROKER_CREDENTIALS_REFUSED, why, metadata=_ABOUT)


def wrong_environment(*, paper: bool) -> GatewayError:
    """The gateway is logged in for `paper` or for live trading, and the connection is for the other."""
    here, there = ("paper", "live") if paper else ("live", "paper")
    return FAILURES.not_usable(
        f"the connection is for {there} trading, and the gateway is logged in with a username for {here} trading"
    )
