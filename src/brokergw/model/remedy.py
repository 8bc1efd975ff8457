"""What helps when a broker cannot be spoken with, in words for the person who has to do it.

This is the one place of these words, so that the same trouble reads the same at every broker. An error of a broker's
names its remedy in its metadata, under `KEY`; one that names none has the usual one of its reason.
"""

from collections.abc import Mapping
from datetime import UTC, datetime
from enum import StrEnum, unique
from types import MappingProxyType
from typing import Final

from brokergw.model.account import ConnectionHealth
from brokergw.model.errors import GatewayError, Reason

KEY: Final = "remedy"
"""The metadata of an error under which its remedy stands."""

_S: Final = 1_000_000_000


@unique
class Remedy(StrEnum):
    """What helps, and who can do it: a person, or time."""

    NEW_CREDENTIALS = "NEW_CREDENTIALS"
    AUTHORIZE_AGAIN = "AUTHORIZE_AGAIN"
    LOG_IN = "LOG_IN"
    END_OTHER_SESSION = "END_OTHER_SESSION"
    CONNECT_WHAT_FITS = "CONNECT_WHAT_FITS"
    SET_CLOCK = "SET_CLOCK"
    WAIT = "WAIT"
    REPORT = "REPORT"


WORDS: Final[Mapping[Remedy, str]] = MappingProxyType(
    {
        Remedy.NEW_CREDENTIALS: "enter new credentials",
        Remedy.AUTHORIZE_AGAIN: "authorize again",
        Remedy.LOG_IN: "log in on the gateway's page, with the second factor",
        Remedy.END_OTHER_SESSION: "end the other session",
        Remedy.CONNECT_WHAT_FITS: "connect what fits",
        Remedy.SET_CLOCK: "have whoever runs the gateway set its clock",
        Remedy.WAIT: "nothing is to be done, it is tried again by itself",
        Remedy.REPORT: "tell whoever runs the gateway if it lasts",
    }
)
"""What a person reads, after what is wrong and a colon."""

_OF_A_PERSON: Final = frozenset({Remedy.NEW_CREDENTIALS, Remedy.AUTHORIZE_AGAIN, Remedy.LOG_IN})
_USUAL: Final[Mapping[Reason, Remedy]] = MappingProxyType(
    {
        Reason.BROKER_CREDENTIALS_REFUSED: Remedy.NEW_CREDENTIALS,
        Reason.BROKER_SESSION_DOWN: Remedy.WAIT,
        Reason.BROKER_RATE_LIMITED: Remedy.WAIT,
        Reason.BROKER_UNREACHABLE: Remedy.WAIT,
        Reason.BROKER_ANSWER_UNUSABLE: Remedy.REPORT,
        Reason.CONNECTION_NOT_USABLE: Remedy.CONNECT_WHAT_FITS,
    }
)


def remedy_of(error: GatewayError) -> Remedy | None:
    """Give the remedy for an error of a broker's; None for an error that says nothing about the connection."""
    usual = _USUAL.get(error.reason)
    return None if usual is None else Remedy(error.metadata.get(KEY, usual))


def health_of(remedy: Remedy) -> ConnectionHealth:
    """Tell how a connection fares that needs this: whether nothing works until its user has acted."""
    return ConnectionHealth.REAUTHORIZATION_REQUIRED if remedy in _OF_A_PERSON else ConnectionHealth.DEGRADED


def in_words(why: str, remedy: Remedy, until_ns: int | None = None) -> str:
    """Say what is wrong, and what helps; `until_ns` is when it is over, where the broker has said so."""
    what = WORDS[remedy]
    if why.endswith(what):
        return why
    if remedy is Remedy.WAIT and until_ns is not None:
        moment = datetime.fromtimestamp(until_ns // _S, UTC).strftime("%Y-%m-%d at %H:%M:%S UTC")
        return f"{why}: wait until {moment}, then it goes on by itself"
    return f"{why}: {what}"
