"""What adapters say when a broker fails them: the errors of queries, in the broker's name.

No word given to them may hold a secret.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from brokergw.model.account import Environment
from brokergw.model.capability import Capabilities
from brokergw.model.errors import GatewayError, Reason, Throttled
from brokergw.model.outcome import Rejected
from brokergw.model.remedy import KEY, Remedy, in_words
from brokergw.ports.broker import BrokerUnavailable
from brokergw.transport.answers import Refusal
from brokergw.transport.rows import Unsupported, Unusable


@dataclass(frozen=True, slots=True)
class Failures:
    """One broker's errors; `broker` is its id, `name` what people call it."""

    broker: str
    name: str

    def unavailable(self, reason: Reason, why: str, retry_after_s: float | None = None) -> BrokerUnavailable:
        """Make the error of a query that failed; `retry_after_s` is when to come again, where the broker said so."""
        message = f"{self.name}: {why}"
        return BrokerUnavailable(reason, message, metadata={"broker": self.broker}, retry_after_s=retry_after_s)

    def person_needed(self, reason: Reason, why: str, remedy: Remedy) -> BrokerUnavailable:
        """Make the error of a query that fails until a person has done something, which it says."""
        metadata = {"broker": self.broker, KEY: remedy}
        return BrokerUnavailable(reason, in_words(f"{self.name}: {why}", remedy), metadata=metadata)

    def session_changed(self) -> BrokerUnavailable:
        """Make the error of a command that the broker certainly threw away, because the token or the session that it
        came under had just been replaced: it is welcome under the new one.
        """
        return self.unavailable(Reason.BROKER_SESSION_DOWN, "it came under a sign-in that was just being renewed")

    def throttled(self, retry_after_s: float) -> Throttled:
        """Make the error of a budget that is spent, by our own count or by the broker's."""
        return Throttled(Reason.BROKER_RATE_LIMITED, self.broker, retry_after_s)

    def not_usable(self, why: str) -> GatewayError:
        """Make the error of a connection that cannot be opened as it is set up."""
        return GatewayError(Reason.CONNECTION_NOT_USABLE, why, metadata={"broker": self.broker})

    def credentials_refused(self, what: str, refusal: Refusal, remedy: Remedy) -> GatewayError:
        """Make the error of credentials that the broker refused; `what` names them, as in "the API key"."""
        return GatewayError(
            Reason.BROKER_CREDENTIALS_REFUSED,
            f"{self.name} refused {what}",
            metadata={
                "broker": self.broker,
                "broker_code": refusal.code,
                "broker_message": refusal.message,
                KEY: remedy,
            },
        )

    def unsupported(self, what: Unsupported) -> Rejected:
        """Refuse an order that the broker has no words for, before anything is sent."""
        return Rejected("INVALID_TERMS", broker_message=f"{self.name} has no {what}")

    def check_environment(self, environment: Environment, capabilities: Capabilities) -> None:
        """Raise CONNECTION_NOT_USABLE for an environment that the broker does not have."""
        if environment not in capabilities.environments:
            raise self.not_usable(f"{self.name} has no environment {environment}")

    @contextmanager
    def understood(self) -> Iterator[None]:
        """Turn an answer that makes no sense, or lacks what it should name, into the error of a failed query."""
        try:
            yield
        except (Unusable, KeyError) as error:
            raise self.unavailable(Reason.BROKER_ANSWER_UNUSABLE, str(error)) from error
