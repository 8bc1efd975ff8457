from dataclasses import replace
from typing import Any, Final

import pytest

from brokergw.desk.connections.card import FRESH_FOR_NS, ConnectionCard, card_of
from brokergw.desk.connections.tiers import Known
from brokergw.desk.results import ConnectionStatus
from brokergw.model.account import Connection, ConnectionHealth, Environment
from brokergw.model.broker_config import BrokerConfig
from brokergw.model.connections import ReadScope, SyncState, Tier, TierState, WarningCode
from brokergw.model.modes import LiveStep, ModeBinding, Standing
from brokergw.model.oauth import EndAhead
from brokergw.model.trading import Halt, HaltCause, ScopeKind, TradingScope, TradingState

NOW_NS: Final = 1_800_000_000_000_000_000
PAPER: Final = Connection(
    connection_id="con_1",
    user_id="alice",
    broker="alpaca",
    environment=Environment.PAPER,
    account_id="acc_1",
    account_label="Paper ****1234",
    has_key=True,
    key_last_four="6789",
    create_time_ns=0,
)
ON_PAPER: Final = Standing(user_id="alice", mode=Environment.PAPER)
LIVE: Final = Standing(
    user_id="alice",
    mode=Environment.LIVE,
    grant_time_ns=1,
    acknowledged=("1",),
    mfa_confirmed=True,
    live_risk_version="1",
)
HALT: Final = Halt(
    scope=TradingScope(ScopeKind.USER, ("alice",)),
    cause=HaltCause.KILL_SWITCH,
    state=TradingState.HALTED,
    reason="a drill",
    set_by="ops",
    set_time_ns=1,
    epoch=1,
)
BOUND: Final = ModeBinding(account_id="acc_1", mode=Environment.MOCK, set_time_ns=1)


def status_of(connection: Connection = PAPER, **changes: Any) -> ConnectionStatus:
    """Make a connection that is well."""
    status = ConnectionStatus(connection, ConnectionHealth.HEALTHY, "", True, NOW_NS, NOW_NS, NOW_NS + 1)
    return replace(status, **changes)


def a_card(**changes: Any) -> ConnectionCard:
    """Make the card of a connection of which something is otherwise."""
    known: dict[str, Any] = {
        "status": status_of(),
        "standing": ON_PAPER,
        "risk_version": "1",
        "initial": Environment.MOCK,
        "halt": None,
        "config": BrokerConfig(broker="alpaca"),
    }
    return card_of(Known(**known | changes), NOW_NS)


def states(card: ConnectionCard) -> tuple[TierState, ...]:
    """Give how read-only, paper and live stand."""
    assert [each.tier for each in card.tiers] == list(Tier)
    return tuple(each.state for each in card.tiers)


def codes(card: ConnectionCard) -> list[WarningCode]:
    """Give what is warned of."""
    assert all(each.words.endswith(".") for each in card.warnings)
    return [each.code for each in card.warnings]


GRANTED, NOT_GRANTED = TierState.GRANTED, TierState.NOT_GRANTED
REVOKED, BLOCKED = TierState.REVOKED, TierState.BLOCKED


def test_a_paper_account_of_a_user_on_paper() -> None:
    """It reads everything and takes paper orders; live money is not its own; nothing is to be said."""
    card = a_card()
    assert states(card) == (GRANTED, GRANTED, NOT_GRANTED)
    assert card.scopes == tuple(ReadScope)
    assert codes(card) == []
    assert "paper money only" in card.tiers[2].why


def test_a_user_on_mock_has_paper_not_granted() -> None:
    """Until it chooses paper, orders cannot go there, and no binding of a strategy could change that."""
    card = a_card(standing=Standing(user_id="alice"))
    assert states(card) == (GRANTED, NOT_GRANTED, NOT_GRANTED)
    assert card.tiers[1].why == "the user's mode is MOCK"
    assert codes(card) == [WarningCode.NO_BINDING_POSSIBLE]
    assert "the user's mode is MOCK" in card.warnings[0].words


def test_a_binding_holds_an_account_down() -> None:
    """An account that is bound to less is not granted more; its bindings stand on the card, those of others do not."""
    other = replace(BOUND, account_id="acc_2")
    card = a_card(standing=ON_PAPER.bind(BOUND).bind(other))
    assert states(card)[1] is NOT_GRANTED
    assert card.tiers[1].why == "its account is bound to MOCK"
    assert card.bindings == (BOUND,)


def test_live_waits_for_each_of_its_steps() -> None:
    """Without a grant live is not granted; with it, every step that is open blocks it; then it is granted."""
    account = status_of(replace(PAPER, environment=Environment.LIVE))
    never = a_card(status=account, standing=ON_PAPER)
    assert states(never) == (GRANTED, NOT_GRANTED, NOT_GRANTED)
    assert LiveStep.GRANT in never.tiers[2].missing
    for open_step, standing in (
        (LiveStep.RISK_ACKNOWLEDGEMENT, replace(LIVE, acknowledged=())),
        (LiveStep.MFA, replace(LIVE, mfa_confirmed=False)),
        (LiveStep.ESCALATION, replace(LIVE, live_risk_version="")),
    ):
        card = a_card(status=account, standing=standing)
        assert states(card)[2] is BLOCKED
        assert open_step in card.tiers[2].missing
        assert open_step.value in card.tiers[2].why
    assert states(a_card(status=account, standing=LIVE)) == (GRANTED, NOT_GRANTED, GRANTED)
    held = LIVE.bind(replace(BOUND, mode=Environment.PAPER))
    assert a_card(status=account, standing=held).tiers[2].why == "its account is bound to PAPER"


def test_what_stops_trading_blocks_it() -> None:
    """A halt, or a broker that the platform has closed, blocks orders and leaves reading alone; a halt is warned of."""
    halted = a_card(halt=HALT)
    assert states(halted) == (GRANTED, BLOCKED, NOT_GRANTED)
    assert halted.tiers[1].why == "trading is HALTED (KILL_SWITCH): a drill"
    assert codes(halted) == [WarningCode.TRADING_HALTED]
    closed = a_card(config=BrokerConfig(broker="alpaca", enabled=False))
    assert states(closed) == (GRANTED, BLOCKED, NOT_GRANTED)
    at_home = BrokerConfig(broker="alpaca", regions=frozenset({"US"}))
    assert states(a_card(config=at_home, region="US")) == (GRANTED, GRANTED, NOT_GRANTED)
    assert states(a_card(config=at_home, region="")) == (GRANTED, BLOCKED, NOT_GRANTED)


@pytest.mark.parametrize(
    ("health", "code"),
    [
        (ConnectionHealth.REAUTHORIZATION_REQUIRED, WarningCode.CREDENTIALS_REFUSED),
        (ConnectionHealth.ERROR, WarningCode.CREDENTIALS_UNREADABLE),
    ],
)
def test_a_connection_that_cannot_work_grants_nothing(health: ConnectionHealth, code: WarningCode) -> None:
    """Where the credentials are refused or do not open, nothing is granted or read, and nobody asks the broker."""
    card = a_card(status=status_of(health=health, detail="they do not open"))
    assert states(card) == (BLOCKED, BLOCKED, NOT_GRANTED)
    assert card.scopes == ()
    assert codes(card) == [code, WarningCode.NOTHING_GRANTED]
    assert (card.sync.state, card.sync.next_ns) == (SyncState.DISABLED, None)
    assert card.sync.why


def test_a_revoked_connection_says_so() -> None:
    """Everything is revoked, nothing can be bound, and the warning tells when it was."""
    revoked = replace(PAPER, revoke_time_ns=NOW_NS, has_key=False, key_last_four="")
    card = a_card(status=status_of(revoked, health=ConnectionHealth.REVOKED), halt=HALT)
    assert states(card) == (REVOKED, REVOKED, REVOKED)
    assert codes(card) == [
        WarningCode.ACCESS_REVOKED,
        WarningCode.NOTHING_GRANTED,
        WarningCode.NO_BINDING_POSSIBLE,
    ]
    assert "2027-01-15 at 08:00:00 UTC" in card.warnings[0].words
    assert card.sync.state is SyncState.DISABLED


def test_a_practice_account_needs_no_leave() -> None:
    """An account at the mock broker is neither paper nor live, and a strategy may be bound to it all the same."""
    mock = replace(PAPER, environment=Environment.MOCK, broker="mock", has_key=False)
    card = a_card(status=status_of(mock), standing=Standing(user_id="alice"))
    assert states(card) == (GRANTED, NOT_GRANTED, NOT_GRANTED)
    assert codes(card) == []


@pytest.mark.parametrize(
    ("age_ns", "state"),
    [
        (FRESH_FOR_NS - 1, SyncState.FRESH),
        (FRESH_FOR_NS, SyncState.FRESH),
        (FRESH_FOR_NS + 1, SyncState.STALE),
    ],
)
def test_freshness_ends_half_a_minute_after_the_last_agreement(age_ns: int, state: SyncState) -> None:
    """Just before and at thirty seconds a connection is fresh, just after it is stale and warns, whatever it hears."""
    card = a_card(status=status_of(last_sync_ns=NOW_NS - age_ns))
    assert card.sync.state is state
    assert (WarningCode.DATA_STALE in codes(card)) is (state is SyncState.STALE)
    assert (card.sync.last_ns, card.sync.next_ns) == (NOW_NS, NOW_NS + 1)


def test_what_was_never_in_step_is_stale() -> None:
    """Before the first comparison a connection is stale, and says why nothing is about to be asked."""
    fresh = status_of(
        health=ConnectionHealth.CONNECTING, detail="nobody follows it", last_sync_ns=None, next_sync_ns=None
    )
    card = a_card(status=fresh)
    assert (card.sync.state, card.sync.why) == (SyncState.STALE, "nobody follows it")
    assert codes(card) == [WarningCode.DATA_STALE]


def test_moments_that_pass_make_no_other_card() -> None:
    """Two cards of which only the times differ are settled alike; what else changes makes another."""
    before = a_card()
    later = a_card(status=status_of(last_message_ns=NOW_NS - 5, last_sync_ns=NOW_NS - 5, next_sync_ns=NOW_NS + 9))
    assert before != later
    assert before.settled() == later.settled()
    assert before.settled() != a_card(halt=HALT).settled()


def test_an_end_ahead_is_told_with_its_time() -> None:
    """The card says in words when the authorization ends, and nothing once it is revoked."""
    end = EndAhead(NOW_NS, "Schwab ends this authorization on 2027-01-15 at 08:00:00 UTC: authorize again")
    (told,) = [w for w in a_card(status=status_of(end_ahead=end)).warnings if w.code is WarningCode.AUTHORIZATION_ENDS]
    assert told.words == "Schwab ends this authorization on 2027-01-15 at 08:00:00 UTC: authorize again."
    for status in (status_of(), status_of(replace(PAPER, revoke_time_ns=1), end_ahead=end)):
        assert WarningCode.AUTHORIZATION_ENDS not in {each.code for each in a_card(status=status).warnings}


def test_a_grant_that_has_ended_is_told_in_its_own_words() -> None:
    """Who authorised is told to authorise again, and not to enter credentials."""
    status = status_of(health=ConnectionHealth.REAUTHORIZATION_REQUIRED, detail="it was revoked: authorize again")
    told = [w.words for w in a_card(status=status).warnings if w.code is WarningCode.CREDENTIALS_REFUSED]
    assert told == ["alpaca: it was revoked: authorize again."]
