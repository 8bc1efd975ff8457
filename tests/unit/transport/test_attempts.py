"""What an attempt at a broker comes to, and the errors that tell of it."""

import pytest

from brokergw.adapters.schwab.capabilities import SCHWAB
from brokergw.model.account import Environment
from brokergw.model.errors import GatewayError, Reason, Throttled
from brokergw.model.outcome import NotSent, Unknown
from brokergw.model.remedy import Remedy
from brokergw.ports.broker import BrokerUnavailable
from brokergw.transport.answers import Refusal, Verdict
from brokergw.transport.attempts import command, other_token, query
from brokergw.transport.failures import Failures
from brokergw.transport.http import NotSentError, UnknownError
from brokergw.transport.rows import Unusable
from brokergw.transport.throttle import Spent

FAILURES = Failures("acme", "Acme")


class TokensTold:
    """A grant that gives one answer."""

    def __init__(self, told: str | GatewayError) -> None:
        self._told = told

    async def current(self) -> str:
        """Give the token, or raise."""
        if isinstance(self._told, GatewayError):
            raise self._told
        return self._told

    async def after(self, refused: str) -> str:
        """Give the same, whatever was refused."""
        return await self.current()


class Attempts:
    """A broker that gives these endings one after another."""

    def __init__(self, *endings: Exception | str) -> None:
        self._endings = list(endings)

    async def __call__(self) -> str:
        """Give the next ending."""
        ending = self._endings.pop(0)
        if isinstance(ending, Exception):
            raise ending
        return ending

    @property
    def left(self) -> int:
        """How many endings nobody asked for."""
        return len(self._endings)


@pytest.mark.parametrize(
    ("ending", "outcome"),
    [
        ("done", "done"),
        (Spent(2.5), NotSent("the broker's request budget is spent for 2.5 s", 2.5, Reason.BROKER_RATE_LIMITED)),
        (NotSentError("no link"), NotSent("no link")),
        (UnknownError("it broke"), Unknown("it broke")),
        (UnknownError("it broke", stale=True), Unknown("it broke")),
        (FAILURES.throttled(3.0), NotSent("the budget of acme is spent", 3.0, Reason.BROKER_RATE_LIMITED)),
        (FAILURES.not_usable("closed"), NotSent("closed", reason=Reason.CONNECTION_NOT_USABLE)),
    ],
)
async def test_a_command_is_attempted_once_and_never_raises(ending: Exception | str, outcome: object) -> None:
    """Every ending is an outcome, and none is followed by another attempt."""
    attempts = Attempts(ending, "again")
    assert await command(attempts()) == outcome
    assert attempts.left == 1


async def test_a_fault_of_our_own_is_no_outcome() -> None:
    """What neither the broker nor the network did is raised."""
    with pytest.raises(ZeroDivisionError):
        await command(Attempts(ZeroDivisionError())())


@pytest.mark.parametrize(
    ("endings", "raised"),
    [
        ((UnknownError("it broke"), "answer"), BrokerUnavailable),
        ((UnknownError("old", stale=True), UnknownError("old", stale=True), "answer"), BrokerUnavailable),
        ((UnknownError("old", stale=True), Spent(1.0), "answer"), Throttled),
        ((NotSentError("no link"), "answer"), BrokerUnavailable),
        ((Spent(1.0), "answer"), Throttled),
        ((FAILURES.not_usable("closed"), "answer"), GatewayError),
    ],
)
async def test_a_query_that_fails_raises(endings: tuple[Exception | str, ...], raised: type[Exception]) -> None:
    """A query never answers "none" for want of an answer, and is asked once more at the most."""
    attempts = Attempts(*endings)
    with pytest.raises(raised):
        await query(attempts, FAILURES)
    assert attempts.left == 1


async def test_a_query_outlives_a_connection_that_had_died() -> None:
    """A kept-alive connection that the broker has closed costs one more attempt, and nothing else."""
    assert await query(Attempts(UnknownError("old", stale=True), "answer"), FAILURES) == "answer"


@pytest.mark.parametrize(
    ("told", "other"), [("new", "new"), ("old", None), (GatewayError(Reason.BROKER_CREDENTIALS_REFUSED, "over"), None)]
)
async def test_only_another_token_is_one(told: str | GatewayError, other: str | None) -> None:
    """The refused token told again, or a grant that is over, is no other token; without a grant there is none."""
    assert await other_token(TokensTold(told), "old") == other
    assert await other_token(None, "old") is None


async def test_a_token_that_cannot_be_had_at_the_moment_sends_for_nobody() -> None:
    """While the authorization server is away it is not said that there is no other token: there may be one soon."""
    with pytest.raises(GatewayError) as caught:
        await other_token(TokensTold(GatewayError(Reason.BROKER_UNREACHABLE, "away")), "old")
    assert caught.value.reason is Reason.BROKER_UNREACHABLE


@pytest.mark.parametrize("unusable", [Unusable("field a is missing"), KeyError("a")])
def test_an_answer_without_sense_is_a_failed_query(unusable: Exception) -> None:
    """Reading it ends in the error of the query, in the broker's name."""
    with pytest.raises(BrokerUnavailable, match=r"^Acme: .*a") as caught, FAILURES.understood():
        raise unusable
    assert caught.value.reason is Reason.BROKER_ANSWER_UNUSABLE
    assert caught.value.metadata == {"broker": "acme"}


def test_refused_credentials_carry_the_brokers_words() -> None:
    """Code, words and what helps travel as metadata, so that no client has to parse text."""
    refusal = Refusal(Verdict.REFUSED, "WHY", "7", "no")
    error = FAILURES.credentials_refused("the API key", refusal, Remedy.NEW_CREDENTIALS)
    assert (error.reason, error.message) == (Reason.BROKER_CREDENTIALS_REFUSED, "Acme refused the API key")
    told = {"broker": "acme", "broker_code": "7", "broker_message": "no", "remedy": "NEW_CREDENTIALS"}
    assert error.metadata == told


def test_what_a_person_must_do_is_said_in_words_and_for_programs() -> None:
    """The words end with what helps, and the metadata name it."""
    error = FAILURES.person_needed(Reason.BROKER_SESSION_DOWN, "it is in use", Remedy.END_OTHER_SESSION)
    assert error.message == "Acme: it is in use: end the other session"
    assert error.metadata == {"broker": "acme", "remedy": "END_OTHER_SESSION"}


def test_an_environment_that_the_broker_lacks_is_refused() -> None:
    """Only what the capabilities name can be opened."""
    FAILURES.check_environment(Environment.LIVE, SCHWAB)
    with pytest.raises(GatewayError) as caught:
        FAILURES.check_environment(Environment.PAPER, SCHWAB)
    assert caught.value.reason is Reason.CONNECTION_NOT_USABLE
