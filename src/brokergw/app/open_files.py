"""Room for files: each connection of a client is one, and so are those to the database and the brokers."""

import resource
from typing import Final

import structlog

from brokergw.app.settings import Settings

_OWN: Final = 256
"""For the database, brokers, logs and whatever else is not a client's."""

log = structlog.get_logger("brokergw.files")


def wanted_files(settings: Settings) -> int:
    """Give how many files may be open at once when every connection that the settings allow is there."""
    return settings.client_connections_max + _OWN


def possible_files() -> int:
    """Give how many files this process could open at most, once it has asked for it."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    return _number(hard)


def make_room_for_files(settings: Settings) -> None:
    """Let this process open as many as it may need, as far as the system allows; log where that is too few."""
    wanted = wanted_files(settings)
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if _number(soft) < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (min(wanted, _number(hard)), hard))
    if possible_files() < wanted:
        log.warning("clients may use up all open files", possible=possible_files(), wanted=wanted)


def _number(limit: int) -> int:
    return 2**31 if limit == resource.RLIM_INFINITY else limit
