"""What the edge can be told: plain values with their defaults, once."""

from dataclasses import dataclass, field
from enum import StrEnum, unique


@unique
class Budget(StrEnum):
    """What a call spends from."""

    NONE = "none"
    ORDERS = "orders"
    READS = "reads"
    CONNECTIONS = "connections"
    STREAMS = "streams"


@dataclass(frozen=True, slots=True, kw_only=True)
class TlsSettings:
    """Paths of PEM files. They are read again when they change; with `client_ca` clients must show a certificate."""

    certificate: str
    private_key: str
    client_ca: str = ""
    version_min: str = "1.2"
    """Or 1.3; then a server that would speak 1.2 does not start."""


@dataclass(frozen=True, slots=True, kw_only=True)
class KeepaliveSettings:
    """HTTP/2 pings, in seconds. Clients that ping more often than `ping_interval_min_s` are sent away."""

    time_s: float = 30.0
    timeout_s: float = 10.0
    ping_interval_min_s: float = 10.0


@dataclass(frozen=True, slots=True, kw_only=True)
class ClientConnectionSettings:
    """What is asked of every network connection, whoever's it is; spans in seconds."""

    total_max: int = 4_000
    """More than these are closed as they come."""
    calls_max: int = 20_000
    """Calls and streams of all connections at once, counted from their first header on, before anybody is known."""
    streams_max: int = 1_000
    """Calls that one connection carries at once; HTTP/2 tells clients, which wait with more."""
    idle_max_s: float = 1_000.0
    """How long one without a call stays open. No round number of minutes: gRPC closes at once, and a call that is just
    on its way then has to be repeated, which who calls every five minutes shall not meet each time."""
    handshake_max_s: float = 10.0
    """How long one may take to become a connection, TLS included."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RateSettings:
    """What one user may spend. A budget holds one minute's worth, and fills again steadily within a minute."""

    orders_per_minute: int = 3_000
    reads_per_minute: int = 12_000
    connections_per_minute: int = 60
    streams_max: int = 100
    calls_in_flight_max: int = 1_000
    """Unary calls of one user at once, so that nobody takes all of the gateway's room."""
    unread_bytes_max: int = 33_554_432
    """Answers to unary calls that one user's clients may leave unread, 16 KiB for each call counted in."""
    client_connections_max: int = 100
    """Network connections that one user's calls may come over."""
    address_client_connections_max: int = 1_000
    """The same for whoever calls from one address; 0 switches it off, for a proxy in front of all clients."""
    public_streams_max: int = 100
    """Streams that one address may hold open without a credential."""
    address_calls_per_minute: int = 600_000
    """Per client address, before anything is looked at; 0 switches it off."""
    failed_credentials_per_minute: int = 60
    """Per client address, before any key is looked up; 0 switches it off."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RpcSettings:
    """Everything about the gRPC server. Sizes are bytes, spans seconds."""

    host: str = "127.0.0.1"
    port: int = 0
    tls: TlsSettings | None = None
    allow_plaintext: bool = False
    """Serve without TLS also beyond loopback."""
    reflection: bool = True
    message_bytes_max: int = 1_048_576
    """What gRPC itself takes; a larger message is refused with RESOURCE_EXHAUSTED before it is read."""
    request_bytes_max: int = 65_536
    """What a request of this contract may need; a larger one is refused with REQUEST_TOO_LARGE."""
    metadata_bytes_max: int = 16_384
    unary_in_flight_max: int = 2_000
    deadline_min_s: float = 0.05
    deadline_default_s: float = 30.0
    stream_age_max_s: float | None = None
    stream_stall_max_s: float = 30.0
    """How long a client may leave its stream unread once gRPC's own buffers are full."""
    connection_age_max_s: float | None = None
    connection_age_grace_s: float = 30.0
    drain_linger_s: float = 0.5
    """How long a server with nothing left to do still answers that it drains."""
    client_connections: ClientConnectionSettings = field(default_factory=ClientConnectionSettings)
    keepalive: KeepaliveSettings = field(default_factory=KeepaliveSettings)
    rates: RateSettings = field(default_factory=RateSettings)
