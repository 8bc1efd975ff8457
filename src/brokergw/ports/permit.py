"""The right to send one attempt of one order: short-lived, and spent once, by the adapter, before the first byte."""

from collections.abc import Callable
from typing import Final

from brokergw.model.errors import GatewayError

VALID_S: Final = 2.0
"""How long a permit may wait for its first byte; an order that is older than this must not surprise anybody."""


class PermitExpired(Exception):
    """The permit was not spent in time: no byte of its attempt has left, and none ever will."""


class PermitSpent(Exception):
    """The permit was spent before: bytes of its attempt may have left, and no more may follow."""


class Permit:
    """The right to send one attempt.

    `order_id` and `attempt` name the attempt on the record, `client_order_id` is what it is called at the broker.
    Its age counts from `granted_at` (seconds of `monotonic`), which lies before the commit that put the attempt on the
    record, so that whoever reads the record knows when the attempt can no longer begin. `stopped` gives, at the last
    moment, the error that tells why nothing of it may leave any more (a halt that came since), if there is one.
    """

    __slots__ = (
        "_expires_at",
        "_monotonic",
        "_refusal",
        "_spent",
        "_stopped",
        "_withdrawn",
        "attempt",
        "client_order_id",
        "order_id",
    )

    def __init__(
        self,
        *,
        order_id: str,
        attempt: int,
        client_order_id: str,
        granted_at: float,
        monotonic: Callable[[], float],
        stopped: Callable[[], GatewayError | None] = lambda: None,
    ) -> None:
        self.order_id = order_id
        self.attempt = attempt
        self.client_order_id = client_order_id
        self._expires_at = granted_at + VALID_S
        self._monotonic = monotonic
        self._stopped = stopped
        self._refusal: GatewayError | None = None
        self._spent = False
        self._withdrawn = False

    @property
    def spent(self) -> bool:
        """Whether bytes of the attempt may have left."""
        return self._spent

    @property
    def refusal(self) -> GatewayError | None:
        """What kept the attempt from leaving when it was about to; None where nothing did, or it was only too late."""
        return self._refusal

    @property
    def holds(self) -> bool:
        """Whether a further step of an attempt that has begun may still leave: it is young, and nothing stops it.

        For brokers that ask back before they take an order.
        """
        return self._spent and self._monotonic() <= self._expires_at and self._stopped() is None

    def further(self) -> "Permit":
        """Give a permit for a further step of an attempt that has begun: what is left of this one's time, once.

        For brokers that ask back before they take an order. Where nothing has begun it is never spent.
        """
        permit = Permit(
            order_id=self.order_id,
            attempt=self.attempt,
            client_order_id=self.client_order_id,
            granted_at=self._expires_at - VALID_S,
            monotonic=self._monotonic,
            stopped=self._stopped,
        )
        permit._withdrawn = not self._spent
        return permit

    def spend(self) -> None:
        """Use the permit up, immediately before the first byte; raises PermitSpent or PermitExpired."""
        if self._spent:
            raise PermitSpent(f"the permit for attempt {self.attempt} was spent before")
        if self._withdrawn:
            raise PermitExpired("the permit was withdrawn")
        # Asked first, since who waits for a permit that is both must be told what to mend.
        self._refusal = self._stopped()
        if self._refusal is not None:
            self._withdrawn = True
            raise PermitExpired(self._refusal.message)
        if self._monotonic() > self._expires_at:
            raise PermitExpired(f"the permit was not spent within {VALID_S:g} s")
        self._spent = True

    def withdraw(self) -> bool:
        """See to it that the permit is never spent; True is the proof that no byte has left, and that none will."""
        self._withdrawn = not self._spent
        return self._withdrawn
