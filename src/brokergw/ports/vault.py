"""Stored secrets: why one is opened, and what stands against a change."""

from enum import StrEnum, unique

from brokergw.model.errors import GatewayError, Reason


@unique
class Purpose(StrEnum):
    """What an opened secret is for; the audit says it with each opening.

    SESSION: a process begins to speak for a connection. TEST: the user asks whether the broker takes it. REFRESH: a
    token is exchanged for the next one. AUTHORIZE: a user authorises the gateway anew. REVOKE: the broker is asked to
    end what is no longer wanted here.
    """

    SESSION = "SESSION"
    TEST = "TEST"
    REFRESH = "REFRESH"
    AUTHORIZE = "AUTHORIZE"
    REVOKE = "REVOKE"


class CredentialsMoved(GatewayError):
    """The credentials have changed since they were read, or were destroyed; nothing was written."""

    def __init__(self, connection_id: str) -> None:
        super().__init__(
            Reason.CONNECTION_CHANGED,
            "the connection has changed since it was read",
            metadata={"connection_id": connection_id},
        )
