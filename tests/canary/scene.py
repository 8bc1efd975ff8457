"""One run of a gateway that is given every kind of secret, breaks, and has what left it looked at."""

import asyncio
import base64
import json
import sys
import time
import urllib.request
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote

import grpc
import psycopg
import pyotp
from brokerapi.v1 import (
    accounts_pb2,
    connections_pb2,
    halts_pb2,
    keys_pb2,
    live_pb2,
    orders_pb2,
    trading_pb2,
)

from brokergw.app.clock import SystemClock
from brokergw.app.keys import create_key, request_of, store_of
from brokergw.app.settings import Settings
from brokergw.model.account import Connection, Environment
from brokergw.model.ids import new_id
from brokergw.model.oauth import Grant
from brokergw.ports.broker import Credentials
from tests.canary.planted import Planted, canary, key_of_32_bytes
from tests.canary.saboteur import POINTS
from tests.canary.surroundings import AUDIENCE, Collector, Web, surroundings
from tests.fixtures.bare_client import market_buy
from tests.fixtures.gateway_process import GatewayProcess, settings_for_sim
from tests.fixtures.sim import SimHandle, sim_in_process
from tests.fixtures.two_roles import owned

USER: Final = "alice"
FIELDS: Final = ("password", "session_token")
"""What the credentials of a connection by key hold beside it, by the fields' own names."""

GRANTED: Final = ("client_id", "client_secret", "access_token", "refresh_token")
"""The same of a connection that was authorized by OAuth."""

HELD: Final = (*FIELDS, "access_token", "broker key", "broker secret")
"""What the process holds for the broker's sake all the time, and so knows in every way to write it."""

SHAPED: Final = ("TOTP seed", "API key", "JWT")
"""What it knows by its shape alone."""

CONFIGURED: Final = ("encryption key", "signing key", "webhook secret", "mail password")
FORCED: Final = frozenset((*HELD, *SHAPED, *CONFIGURED))
_TOLD_S: Final = 3.0
_TRIES: Final = 6
_CALL_S: Final = 4.0


@dataclass
class Caller:
    """Calls by names and bytes, so that whatever comes back is kept as it came."""

    channel: grpc.aio.Channel
    replies: list[bytes]

    async def call(self, method: str, request: Any, token: str, *, kept: bool = True) -> bytes | None:
        """Make a call and keep what comes back; None when it was refused."""
        rpc: Any = self.channel.unary_unary(f"/brokerapi.v1.{method}")
        call = rpc(request.SerializeToString(), metadata=(("authorization", f"Bearer {token}"),), timeout=_CALL_S)
        answer: bytes | None = None
        try:
            answer = await call
        except grpc.aio.AioRpcError as error:
            self.replies.append(f"{error.code()} {error.details()} {error.debug_error_string()}".encode())
        if answer is not None and kept:
            self.replies.append(answer)
        for metadata in (await call.initial_metadata(), await call.trailing_metadata()):
            self.replies += [value if isinstance(value, bytes) else value.encode() for _, value in metadata or ()]
        return answer


@dataclass
class Scene:
    """The run and what it leaves."""

    directory: Path
    database_url: str
    bare: bool
    sim: SimHandle
    collector: Collector
    web: Web
    planted: Planted
    account: str = ""
    keys: list[str] = field(default_factory=list)
    exit_code: int = 0
    limits: str = ""
    broken: dict[str, bool] = field(default_factory=dict)
    replies: list[bytes] = field(default_factory=list)
    places: dict[str, bytes] = field(default_factory=dict)
    alarm: Path = field(init=False)
    gateway: GatewayProcess = field(init=False)

    def __post_init__(self) -> None:
        self.alarm = self.directory / "canary.json"
        self.sound("")
        settings = {
            **settings_for_sim(self.sim),
            "BROKERGW_DATABASE_URL": self.database_url,
            "BROKERGW_LOG_LEVEL": "DEBUG",
            "OTEL_EXPORTER_OTLP_ENDPOINT": f"http://127.0.0.1:{self.collector.port}",
            "OTEL_BSP_SCHEDULE_DELAY": "100",
            "CREDENTIALS_ENCRYPTION_KEY": self.planted.plant("encryption key", key_of_32_bytes()),
            "BROKERGW_SIGNING_KEY": self.planted.plant("signing key", key_of_32_bytes()),
            "BROKERGW_ALERT_WEBHOOK_URL": f"{self.web.url}/alerts",
            "BROKERGW_ALERT_WEBHOOK_SECRET": self.planted.plant("webhook secret", canary()),
            "BROKERGW_ALERT_EMAIL_SERVER": "127.0.0.1:9",
            "BROKERGW_ALERT_EMAIL_FROM": "gateway@example.org",
            "BROKERGW_ALERT_EMAIL_TO": "desk@example.org",
            "BROKERGW_ALERT_EMAIL_USER": "gateway",
            "BROKERGW_ALERT_EMAIL_PASSWORD": self.planted.plant("mail password", canary()),
            "BROKERGW_ALPACA_OAUTH_URL": "http://127.0.0.1:9",
            "BROKERGW_OIDC_ISSUER": self.web.url,
            "BROKERGW_OIDC_JWKS_URL": f"{self.web.url}/keys",
            "BROKERGW_OIDC_AUDIENCES": AUDIENCE,
            "CANARY_FILE": str(self.alarm),
            **({"CANARY_BARE": "1"} if self.bare else {}),
        }
        command = (sys.executable, "-m", "tests.canary.saboteur")
        self.gateway = GatewayProcess(self.directory, settings, command)

    def sound(self, point: str, shouted: Sequence[str] = ()) -> None:
        """Break one place, or none."""
        fresh = self.alarm.with_suffix(".new")
        fresh.write_text(json.dumps({"point": point, "shouted": list(shouted)}))
        fresh.rename(self.alarm)

    def shouted(self, key: str, token: str) -> list[str]:
        """Give what fails with: every secret, and those that the process holds in every way to write them."""
        held = self.planted.texts(*HELD, *CONFIGURED)
        forms = [
            form
            for value in held
            for form in (
                base64.b64encode(value.encode()).decode(),
                base64.b64encode(f"user:{value}".encode()).decode(),
                value.encode().hex(),
                quote(value, safe=""),
            )
        ]
        (seed,) = self.planted.texts("TOTP seed")
        worn = [f"Bearer {token}", token, key, f"Bearer {key}", f"otpauth://totp/x?secret={seed}", seed]
        return [*worn, *held, *forms]


async def _prepare(scene: Scene) -> None:
    """Make the user's keys, and two connections, whose credentials have every field there is."""
    settings, planted = settings_of(scene.gateway), scene.planted
    for scopes in ((), ("keys.write", "risk.write")):
        _, key = await create_key(settings, USER, request_of("canary", scopes))
        planted.plant("API key", key.split("_")[2])
        scene.keys.append(key)
    fields = {name: planted.plant(name, canary()) for name in FIELDS}
    granted = {name: planted.plant(name, canary()) for name in GRANTED}
    now = SystemClock().now_ns()
    by_key, by_grant = (
        Connection(
            connection_id=new_id("con"),
            user_id=USER,
            broker="alpaca",
            environment=Environment.PAPER,
            account_id=new_id("acc"),
            account_label="Paper ****1234",
            has_key=True,
            key_last_four=key_last_four,
            create_time_ns=now,
            credentials_version=version,
        )
        for key_last_four, version in ((scene.sim.key_id[-4:], 0), ("", 1))
    )
    async with store_of(settings) as (store, _):
        credentials = Credentials(key=scene.sim.key_id, secret=scene.sim.secret_key, **fields)
        await store.connections.add(by_key, credentials)
        grant = Grant(
            connection_id=by_grant.connection_id, user_id=USER, version=0, authorize_time_ns=now, refresh_time_ns=now
        )
        await store.grants.open(by_grant, Credentials(**granted), grant)


async def _use(scene: Scene) -> None:
    """Use everything once as it is meant, then break it place by place."""
    gateway, planted = scene.gateway, scene.planted
    key, keys_key = scene.keys
    async with grpc.aio.insecure_channel(gateway.target) as channel:
        caller = Caller(channel, scene.replies)
        await _connect(scene, caller, key)
        answer = await caller.call("RiskService/EnrollMfa", live_pb2.EnrollMfaRequest(), key, kept=False)
        seed = planted.plant("TOTP seed", live_pb2.EnrollMfaResponse.FromString(answer or b"").secret)
        await caller.call("RiskService/ConfirmMfa", live_pb2.ConfirmMfaRequest(code="000000"), key)
        await caller.call("RiskService/ConfirmMfa", live_pb2.ConfirmMfaRequest(code=pyotp.TOTP(seed).now()), key)
        answer = await caller.call("KeyService/IssueKey", keys_pb2.IssueKeyRequest(name="other"), keys_key, kept=False)
        planted.plant("issued key", keys_pb2.IssueKeyResponse.FromString(answer or b"").api_key.split("_")[2])
        await caller.call("KeyService/ListKeys", keys_pb2.ListKeysRequest(), keys_key)
        token = scene.web.token(USER)
        planted.plant("JWT", token.partition(".")[2].partition(".")[2])
        for shown in (token, token[:-4] + "AAAA", f"{key[:-1]}0", "nonsense"):
            await caller.call("AccountService/ListAccounts", accounts_pb2.ListAccountsRequest(), shown)
        halt = halts_pb2.HaltTradingRequest(strategy_id="drill", state=halts_pb2.TRADING_STATE_HALTED, reason="a drill")
        assert await caller.call("RiskService/HaltTrading", halt, keys_key)
        shouted = scene.shouted(key, token)
        for point in (each for each in POINTS if each != "process"):
            scene.sound(point, shouted)
            scene.broken[point] = False
            # On a busy machine a call may be refused before it comes to where it breaks.
            for _ in range(_TRIES):
                for method, request in _calls(scene.account):
                    await caller.call(method, request, token if point == "token" else key)
                if await asyncio.to_thread(_settled, gateway, point):
                    scene.broken[point] = True
                    break
        scene.sound("")
        await asyncio.sleep(0.3)
        scene.places["metrics"] = await asyncio.to_thread(_fetched, gateway.metrics_url)
        scene.sound("process", shouted)


async def _connect(scene: Scene, caller: Caller, key: str) -> None:
    """Connect an account by its key as a user does, and once with a secret that the broker refuses."""
    request = connections_pb2.CreateConnectionRequest(
        broker="alpaca",
        environment=trading_pb2.ENVIRONMENT_PAPER,
        api_key=connections_pb2.ApiKeyCredentials(key=scene.sim.key_id, secret=scene.sim.secret_key),
    )
    answer = await caller.call("ConnectionService/CreateConnection", request, key)
    scene.account = connections_pb2.CreateConnectionResponse.FromString(answer or b"").connection.account_id
    request.api_key.secret = scene.planted.plant("refused secret", canary())
    assert await caller.call("ConnectionService/CreateConnection", request, key) is None


def _calls(account: str) -> list[tuple[str, Any]]:
    return [
        ("OrderService/SubmitOrder", market_buy(account)),
        ("OrderService/GetOrder", orders_pb2.GetOrderRequest(order_id="ord_none")),
        ("AccountService/GetAccount", accounts_pb2.GetAccountRequest(account_id=account)),
        ("RiskService/ConfirmMfa", live_pb2.ConfirmMfaRequest(code="000001")),
    ]


def _settled(gateway: GatewayProcess, point: str) -> bool:
    """Wait until the log has told of what was forced; False when it never does."""
    words = f"forced at {point}:" if point != "callbacks" else "forced around a call"
    give_up = time.monotonic() + _TOLD_S
    while time.monotonic() < give_up:
        if words in gateway.log():
            return True
        time.sleep(0.05)
    return False


def _fetched(url: str) -> bytes:
    with urllib.request.urlopen(url, timeout=10) as answer:  # noqa: S310 - loopback
        body: bytes = answer.read()
    return body


def settings_of(gateway: GatewayProcess) -> Settings:
    """Give the settings by which a gateway's process finds its database and opens its secrets."""
    environment = gateway.environment
    return Settings(
        data_dir=Path(environment["BROKERGW_DATA_DIR"]),
        database_url=environment["BROKERGW_DATABASE_URL"],
        credentials_encryption_key=environment["CREDENTIALS_ENCRYPTION_KEY"],
        signing_key=environment["BROKERGW_SIGNING_KEY"],
    )


def _rows(url: str) -> bytes:
    """Give every row of every table of a PostgreSQL database, as text."""
    parts: list[bytes] = []
    with psycopg.connect(url) as connection:
        names = connection.execute("SELECT tablename FROM pg_tables WHERE schemaname = 'public'").fetchall()
        for (name,) in names:
            with connection.cursor().copy(f'COPY "{name}" TO STDOUT'.encode()) as copied:
                parts += [bytes(block) for block in copied]
    return b"".join(parts)


def run(directory: Path, database_url: str = "", *, bare: bool = False) -> Scene:
    """Run it all; with `bare` without the last defence of the logs."""
    planted = Planted()
    key_id, secret = planted.plant("broker key", canary(24)), planted.plant("broker secret", canary())
    with sim_in_process("--key", f"{key_id}:{secret}") as bound, surroundings() as (collector, web):
        sim = SimHandle(bound.url, bound.stream_url, key_id, secret)
        url = database_url or f"sqlite:///{directory / 'gateway.db'}"
        scene = Scene(directory, url, bare, sim, collector, web, planted)
        gateway = scene.gateway
        try:
            asyncio.run(_prepare(scene))
            gateway.start()
            asyncio.run(_use(scene))
            scene.limits = Path(f"/proc/{gateway.process.pid}/limits").read_text() if gateway.process else ""
            _look_at_files(scene, "while it serves: ")
            gateway.terminate()
            scene.exit_code = gateway.wait()
        finally:
            scene.sound("")
            gateway.stop()
        scene.places["traces"] = b"".join(collector.received)
        scene.places["alerts"] = b"".join(web.received)
    scene.places["replies"] = b"\n".join(scene.replies)
    _look_at_files(scene, "")
    if database_url:
        scene.places["rows"] = _rows(owned(database_url))
    return scene


def _look_at_files(scene: Scene, when: str) -> None:
    for path in scene.directory.rglob("*"):
        if path.is_file() and path != scene.alarm:
            scene.places[f"{when}{path.relative_to(scene.directory)}"] = path.read_bytes()
