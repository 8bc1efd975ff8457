"""The settings of the network connections that clients come over."""

from typing import Literal

from pydantic import Field
from pydantic_settings import BaseSettings

from brokergw.rpc.settings import ClientConnectionSettings


class EdgeSettings(BaseSettings):
    """The part of `Settings` that is about network connections, whatever is called over them."""

    client_connections_max: int = Field(
        4_000, ge=1, description="Network connections of clients at once; more are closed as they come."
    )
    user_client_connections_max: int = Field(
        100, ge=1, description="Network connections that one user's calls may come over at once."
    )
    address_client_connections_max: int = Field(
        1_000, ge=0, description="The same for whoever calls from one address; 0: any, behind a proxy."
    )
    calls_max: int = Field(
        20_000, ge=1, description="Calls and streams at once, of all clients, known or not; more are refused by gRPC."
    )
    user_unread_bytes_max: int = Field(
        33_554_432,
        ge=65_536,
        description="Bytes of answers to unary calls that one user's clients may leave unread; then it gets no more.",
    )
    client_connection_streams_max: int = Field(
        1_000, ge=1, description="Calls that one network connection carries at once; clients wait with more."
    )
    client_connection_idle_max_s: float = Field(
        1_000.0, gt=0, description="Seconds that a network connection without a call stays open."
    )
    client_handshake_max_s: float = Field(
        10.0, gt=0, description="Seconds that a network connection may take to be set up, TLS included."
    )
    public_streams_max: int = Field(
        100, ge=1, description="Streams (of health) that one address may hold open without a credential."
    )

    tls_version_min: Literal["1.2", "1.3"] = Field(
        "1.2", description="Least version of TLS; a gateway that would speak an older one does not start."
    )

    @property
    def client_connections(self) -> ClientConnectionSettings:
        """What is asked of every network connection."""
        return ClientConnectionSettings(
            total_max=self.client_connections_max,
            calls_max=self.calls_max,
            streams_max=self.client_connection_streams_max,
            idle_max_s=self.client_connection_idle_max_s,
            handshake_max_s=self.client_handshake_max_s,
        )
