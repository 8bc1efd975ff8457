"""When tokens are renewed and people warned."""

from dataclasses import replace

import pytest

from brokergw.adapters.oauth import CTRADER, TASTYTRADE
from brokergw.adapters.schwab import SCHWAB_OAUTH
from brokergw.desk.oauth.redirect import Redirects, is_issuer
from brokergw.desk.oauth.schedule import claim_life_s, due_ns, end_ahead, granted, send_within_s, tried_in_vain
from brokergw.model.account import Environment
from brokergw.model.oauth import DAY_S, HOUR_S, EndAhead, Endpoints, Grant, GrantState, IssuedTokens

NS = 1_000_000_000
NOW = 1_800_000_000 * NS
BARE = Grant(connection_id="con_1", user_id="usr_1", version=1, authorize_time_ns=NOW)


def test_a_token_is_renewed_at_four_fifths_of_its_life() -> None:
    """At 80 % at the latest, at 78 % at the earliest; of cTrader's four days before the end, at most 4.4."""
    assert due_ns(SCHWAB_OAUTH, 1_800, 0.0) == 1_440 * NS
    assert due_ns(SCHWAB_OAUTH, 1_800, 1.0) == 1_404 * NS
    assert due_ns(CTRADER, 2_628_000, 0.0) == (2_628_000 - 4 * DAY_S) * NS
    assert due_ns(CTRADER, 2_628_000, 1.0) == round((2_628_000 - 4.4 * DAY_S) * NS)
    assert due_ns(CTRADER, 3_600, 0.0) == 1_800 * NS


def test_schwabs_seven_days_count_from_the_login() -> None:
    """A refresh on the sixth day moves the token's end, and not the grant's."""
    later = NOW + 6 * DAY_S * NS
    grant = granted(BARE, SCHWAB_OAUTH, IssuedTokens(access_token="a", life_s=1_800), later, 0.0)
    assert grant.access_end_time_ns == later + 1_800 * NS
    assert grant.end_time_ns == NOW + 7 * DAY_S * NS


@pytest.mark.parametrize(
    ("before_ns", "told"), [(DAY_S * NS + 1, False), (DAY_S * NS, True), (DAY_S * NS - 1, True), (0, True)]
)
def test_a_person_hears_a_day_before_schwab_ends(before_ns: int, *, told: bool) -> None:
    """Just above 24 hours nothing, at 24 hours and below a warning in words."""
    grant = granted(BARE, SCHWAB_OAUTH, IssuedTokens(access_token="a", life_s=1_800), NOW, 0.0)
    assert grant.end_time_ns is not None
    end = end_ahead(grant, SCHWAB_OAUTH, grant.end_time_ns - before_ns)
    words = "Schwab ends this authorization on 2027-01-22 at 08:00:00 UTC: authorize again"
    assert end == (EndAhead(grant.end_time_ns, words) if told else None)
    ended = replace(grant, state=GrantState.REAUTHORIZATION_REQUIRED)
    assert end_ahead(ended, SCHWAB_OAUTH, grant.end_time_ns) is None


@pytest.mark.parametrize(
    ("before_ns", "told"), [(48 * HOUR_S * NS + 1, False), (48 * HOUR_S * NS, True), (48 * HOUR_S * NS - 1, True)]
)
def test_a_person_hears_of_a_ctrader_token_that_was_not_renewed(before_ns: int, *, told: bool) -> None:
    """From 48 hours before its end on, where refreshes were tried in vain."""
    grant = granted(BARE, CTRADER, IssuedTokens(access_token="a", life_s=2_628_000), NOW, 0.0)
    assert grant.access_end_time_ns is not None
    at = grant.access_end_time_ns - before_ns
    assert end_ahead(grant, CTRADER, at) is None
    assert bool(end_ahead(replace(grant, tries=3), CTRADER, at)) is told


def test_a_short_token_that_fails_once_warns_nobody() -> None:
    """A token of minutes is within its warning time all its life: one failed try says nothing."""
    grant = granted(BARE, TASTYTRADE, IssuedTokens(access_token="a", life_s=900), NOW, 0.0)
    assert end_ahead(replace(grant, tries=1), TASTYTRADE, NOW + 800 * NS) is None


def test_tries_in_vain_come_ever_more_rarely() -> None:
    """One second after the first, five minutes from the sixth on."""
    waits = []
    for tries in (1, 2, 3, 4, 5, 6, 60):
        after = tried_in_vain(replace(BARE, tries=tries), NOW)
        assert after.refresh_time_ns is not None
        waits.append((after.refresh_time_ns - NOW) / NS)
    assert waits == [1, 2, 5, 15, 60, 300, 300]


@pytest.mark.parametrize(
    ("base", "good"),
    [
        ("", True),
        ("https://gateway.example.com", True),
        ("https://gateway.example.com/broker/", True),
        ("http://127.0.0.1:8400", True),
        ("http://[::1]:8400", True),
        ("http://localhost", True),
        ("http://gateway.example.com", False),
        ("http://127.0.0.1.example.com", False),
        ("ftp://gateway.example.com", False),
        ("https://", False),
        ("https://user@gateway.example.com", False),
        ("https://gateway.example.com?x=1", False),
        ("https://gateway.example.com#x", False),
    ],
)
def test_codes_come_by_a_way_that_is_safe(base: str, *, good: bool) -> None:
    """https, or plain on this very machine; nothing in the address that a broker could not compare."""
    if good:
        Redirects(base)
    else:
        with pytest.raises(ValueError, match="OAUTH_REDIRECT_BASE_URL"):
            Redirects(base)


def test_who_issued_is_who_was_asked() -> None:
    """The name to the letter where it is known, at least the same host where it is not."""
    assert is_issuer(SCHWAB_OAUTH, Environment.LIVE, "https://api.schwabapi.com/anything")
    assert not is_issuer(SCHWAB_OAUTH, Environment.LIVE, "http://api.schwabapi.com")
    assert not is_issuer(SCHWAB_OAUTH, Environment.LIVE, "https://api.schwabapi.com.attacker.test")
    named = replace(
        SCHWAB_OAUTH,
        endpoints={Environment.LIVE: Endpoints(authorize_url="https://a.test", token_url="x", issuer="https://b.test")},
    )
    assert is_issuer(named, Environment.LIVE, "https://b.test")
    assert not is_issuer(named, Environment.LIVE, "https://b.test/")
    assert not is_issuer(named, Environment.LIVE, "https://a.test")


@pytest.mark.parametrize(
    ("grace_s", "life_s"), [(0, 30), (1, 16), (28, 16), (29, 16), (30, 17), (42, 29), (43, 30), (44, 30), (3_600, 30)]
)
def test_whoever_comes_next_is_there_before_a_repeat_is_no_longer_forgiven(grace_s: int, life_s: int) -> None:
    """A claim ends within a broker's grace, never before its own refresh has, and never later than any other."""
    life = claim_life_s(replace(SCHWAB_OAUTH, reuse_grace_s=grace_s))
    assert life == life_s
    assert 0 < send_within_s(life) <= 10
    assert send_within_s(life) + 13 <= life
