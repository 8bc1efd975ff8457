"""What helps reads the same wherever it is said, and whatever is wrong has something that helps."""

from pathlib import Path

import pytest

from brokergw.model.account import ConnectionHealth
from brokergw.model.errors import GatewayError, Reason
from brokergw.model.remedy import KEY, WORDS, Remedy, health_of, in_words, remedy_of

PAGE = Path(__file__).parents[3] / "docs" / "connections.md"
PERSON = {Remedy.NEW_CREDENTIALS, Remedy.AUTHORIZE_AGAIN, Remedy.LOG_IN}


def test_every_remedy_has_words_of_its_own() -> None:
    """No two things that help read alike, and none has no words."""
    assert set(WORDS) == set(Remedy)
    assert len(set(WORDS.values())) == len(Remedy)


@pytest.mark.parametrize("remedy", Remedy)
def test_only_what_a_user_must_renew_stops_everything(remedy: Remedy) -> None:
    """A key, an authorization or a login is the user's to renew; everything else is only worse than it should be."""
    asks = health_of(remedy) is ConnectionHealth.REAUTHORIZATION_REQUIRED
    assert asks is (remedy in PERSON)
    assert asks or health_of(remedy) is ConnectionHealth.DEGRADED


def test_an_error_may_name_its_remedy() -> None:
    """Without a name the reason's usual one holds; what is no trouble of the connection has none."""
    usual = GatewayError(Reason.BROKER_SESSION_DOWN, "in use elsewhere")
    named = GatewayError(Reason.BROKER_SESSION_DOWN, "in use elsewhere", metadata={KEY: Remedy.END_OTHER_SESSION})
    assert (remedy_of(usual), remedy_of(named)) == (Remedy.WAIT, Remedy.END_OTHER_SESSION)
    assert remedy_of(GatewayError(Reason.SYMBOL_NOT_FOUND, "no such symbol")) is None


def test_words_are_said_once_and_with_the_time_where_it_is_known() -> None:
    """What is wrong comes first, then what helps; who has said it already says it no second time."""
    said = in_words("the broker is away", Remedy.WAIT)
    assert said == "the broker is away: nothing is to be done, it is tried again by itself"
    assert in_words(said, Remedy.WAIT, 1) == said
    until = in_words("the broker is away", Remedy.WAIT, 1_800_000_000_999_999_999)
    assert until == "the broker is away: wait until 2027-01-15 at 08:00:00 UTC, then it goes on by itself"
    assert in_words("it has ended", Remedy.AUTHORIZE_AGAIN, 1) == "it has ended: authorize again"


def test_the_page_of_connections_lists_what_helps() -> None:
    """Whoever reads of something on a card finds it on the page, beside the health it comes with."""
    rows = {
        cells[1].strip(): cells[3]
        for line in PAGE.read_text("utf-8").splitlines()
        if len(cells := line.split("|")) == 5
    }
    for remedy, words in WORDS.items():
        assert rows[words].strip() == f"`{health_of(remedy)}`"
