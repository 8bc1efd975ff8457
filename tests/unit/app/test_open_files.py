"""Room for the files that connections are."""

import resource

import pytest
from structlog.testing import capture_logs

from brokergw.app.open_files import make_room_for_files
from brokergw.app.settings import Settings

SETTINGS = Settings(client_connections_max=100)
WANTED = 356


@pytest.mark.parametrize(
    ("soft", "hard", "becomes", "told"),
    [
        (WANTED - 1, WANTED, WANTED, False),
        (WANTED, WANTED, WANTED, False),
        (WANTED + 1, WANTED + 1, WANTED + 1, False),
        (10, resource.RLIM_INFINITY, WANTED, False),
        (resource.RLIM_INFINITY, resource.RLIM_INFINITY, resource.RLIM_INFINITY, False),
        (10, WANTED - 1, WANTED - 1, True),
    ],
)
def test_the_process_takes_what_it_may_and_tells_when_that_is_too_few(
    monkeypatch: pytest.MonkeyPatch, soft: int, hard: int, becomes: int, *, told: bool
) -> None:
    """A limit below what connections may need is raised as far as the system allows, never lowered, and told if low."""
    limits = {resource.RLIMIT_NOFILE: (soft, hard)}
    monkeypatch.setattr(resource, "getrlimit", limits.__getitem__)
    monkeypatch.setattr(resource, "setrlimit", limits.__setitem__)
    with capture_logs() as logs:
        make_room_for_files(SETTINGS)
    assert limits[resource.RLIMIT_NOFILE] == (becomes, hard)
    assert bool(logs) is told
