"""S1, S2, S5: what is forged, confused, stolen or over is refused by a whole gateway, and nothing of it is told again.

One gateway in this process, with TLS and client certificates, SQLite, and an issuer of tokens on a socket of its own.
"""

import datetime as dt
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Final

import grpc
import pytest
from brokerapi.v1 import accounts_pb2, accounts_pb2_grpc
from grpc import aio

from brokergw.app.build import Gateway
from brokergw.app.keys import COMMAND_LINE, request_of
from brokergw.app.settings import Settings
from brokergw.desk.identity.access import MappingRequest
from brokergw.desk.identity.certificates import fingerprint_of
from brokergw.desk.identity.key_form import hash_key, mint_key
from brokergw.model.certificates import CertificateMatch
from brokergw.model.principal import Scope
from tests.fixtures.certificates import Authority, Leaf
from tests.fixtures.edge import refusal_of
from tests.fixtures.forgeries import TOKENS
from tests.fixtures.issuer import AUDIENCE, IssuerOnline, issuer_online

ASK: Final = accounts_pb2.ListAccountsRequest()
REFUSED: Final = {grpc.StatusCode.UNAUTHENTICATED, grpc.StatusCode.PERMISSION_DENIED}
SHORT: Final = 20
LEAST_TRIED: Final = 95
YESTERDAY: Final = dt.datetime.now(dt.UTC) - dt.timedelta(days=1)


@dataclass
class Stage:
    """The gateway, the issuer, and those who hold certificates."""

    gateway: Gateway
    port: int
    online: IssuerOnline
    roots: bytes
    clients: Authority
    nobody: Leaf
    good: str = ""
    key_id: str = ""
    channels: dict[bytes, aio.Channel] = field(default_factory=dict)

    def channel(self, leaf: Leaf | None) -> aio.Channel:
        """Connect with a certificate, or without."""
        name = leaf.certificate if leaf is not None else b""
        if name not in self.channels:
            pair = {"private_key": leaf.private_key, "certificate_chain": leaf.certificate} if leaf else {}
            credentials = grpc.ssl_channel_credentials(root_certificates=self.roots, **pair)
            options = (("grpc.ssl_target_name_override", "localhost"),)
            self.channels[name] = aio.secure_channel(f"127.0.0.1:{self.port}", credentials, options=options)
        return self.channels[name]

    async def call(self, *metadata: tuple[str, str], leaf: Leaf | None = None) -> aio.AioRpcError | None:
        """List accounts; gives the refusal, None where the call was answered."""
        stub = accounts_pb2_grpc.AccountServiceStub(self.channel(leaf or self.nobody))
        try:
            await stub.ListAccounts(ASK, metadata=metadata, timeout=10)
        except aio.AioRpcError as error:
            return error
        return None

    async def key(self, user: str = "alice", **request: Any) -> tuple[str, str]:
        """Make a key; gives its id and its text."""
        asked = replace(request_of("laptop"), **request)
        key, secret = await self.gateway.identity.access.keys.issue(COMMAND_LINE, user, asked)
        return key.key_id, secret

    async def map(self, user: str, **by: Any) -> None:
        """Let a certificate speak for somebody."""
        scopes = frozenset({Scope.ACCOUNTS_READ})
        asked = MappingRequest(user_id=user, name="desk", scopes=scopes, **by)
        await self.gateway.identity.access.certificates.map(COMMAND_LINE, asked)


@asynccontextmanager
async def staged(directory: Path) -> AsyncIterator[Stage]:
    """Start everything."""
    servers, clients = Authority("servers"), Authority("clients")
    certificate, private_key = servers.leaf().write(directory)
    ca = directory / "clients.pem"
    ca.write_bytes(clients.pem)
    async with AsyncExitStack() as stack:
        online = await stack.enter_async_context(issuer_online())
        settings = Settings(
            listen="127.0.0.1:0",
            metrics_listen="",
            data_dir=directory / "data",
            database_url="",
            tls_certificate=certificate,
            tls_private_key=private_key,
            tls_client_ca=str(ca),
            oidc_issuer=online.url,
            oidc_audiences=AUDIENCE,
            failed_credentials_per_minute=0,
        )
        gateway = Gateway.build(settings)
        port = await gateway.start()
        stage = Stage(gateway, port, online, servers.pem, clients, clients.leaf(dns=("nobody.test",)))
        try:
            stage.key_id, stage.good = await stage.key()
            yield stage
        finally:
            for channel in stage.channels.values():
                await channel.close()
            await gateway.server.stop()
            await gateway.stop()


async def _revoked(stage: Stage) -> str:
    key_id, secret = await stage.key()
    await stage.gateway.identity.access.keys.revoke(COMMAND_LINE, key_id, None)
    return secret


async def _rotated_out(stage: Stage) -> str:
    key_id, secret = await stage.key()
    await stage.gateway.identity.access.keys.rotate(COMMAND_LINE, key_id, 0.0, None)
    return secret


async def _rotated_twice(stage: Stage) -> str:
    key_id, secret = await stage.key()
    for _ in range(2):
        await stage.gateway.identity.access.keys.rotate(COMMAND_LINE, key_id, 3_600.0, None)
    return secret


async def _expired(stage: Stage) -> str:
    known = await stage.gateway.store.keys.get(stage.key_id)
    assert known is not None
    key_id, secret = mint_key()
    over = replace(known, key_id=key_id, expire_time_ns=1)
    await stage.gateway.store.keys.add(over, hash_key(secret, stage.gateway.secrets.api_key_pepper))
    return secret


async def _from_elsewhere(stage: Stage) -> str:
    return (await stage.key(addresses=("10.0.0.0/8",)))[1]


async def _without_the_scope(stage: Stage) -> str:
    return (await stage.key(scopes=frozenset({Scope.ORDERS_READ})))[1]


async def _anothers_secret(stage: Stage) -> str:
    _, other = mint_key(stage.key_id)
    return other


def _changed(change: Callable[[str], str]) -> Callable[[Stage], Any]:
    async def key(stage: Stage) -> str:
        return change(stage.good)

    return key


def _checksum_off(key: str) -> str:
    return key[:-1] + ("0" if key[-1] != "0" else "1")


KEYS: Final[dict[str, tuple[Callable[[Stage], Any], str]]] = {
    "unknown": (_changed(lambda _: mint_key()[1]), "API_KEY_INVALID"),
    "the id of one and the secret of another": (_anothers_secret, "API_KEY_INVALID"),
    "a wrong checksum": (_changed(_checksum_off), "API_KEY_INVALID"),
    "in capitals": (_changed(str.upper), "API_KEY_INVALID"),
    "cut": (_changed(lambda key: key[:-9]), "API_KEY_INVALID"),
    "with a blank after it": (_changed(lambda key: f"{key} x"), "API_KEY_INVALID"),
    "twice": (_changed(lambda key: key * 2), "API_KEY_INVALID"),
    "huge": (_changed(lambda key: key * 80), "API_KEY_INVALID"),
    "only its prefix": (_changed(lambda _: "bgw_"), "API_KEY_INVALID"),
    "a statement": (_changed(lambda _: "' OR '1'='1"), "API_KEY_INVALID"),
    "revoked": (_revoked, "API_KEY_REVOKED"),
    "expired": (_expired, "API_KEY_EXPIRED"),
    "replaced": (_rotated_out, "API_KEY_EXPIRED"),
    "replaced twice": (_rotated_twice, "API_KEY_INVALID"),
    "from elsewhere": (_from_elsewhere, "ADDRESS_NOT_ALLOWED"),
    "without the scope": (_without_the_scope, "SCOPE_MISSING"),
}

HEADERS: Final[dict[str, tuple[Callable[[str], tuple[tuple[str, str], ...]], str]]] = {
    "none": (lambda _: (), "CERTIFICATE_UNKNOWN"),
    "no scheme": (lambda key: (("authorization", key),), "CREDENTIALS_MISSING"),
    "another scheme": (lambda key: (("authorization", f"Basic {key}"),), "CREDENTIALS_MISSING"),
    "two blanks": (lambda key: (("authorization", f"Bearer  {key}"),), "API_KEY_INVALID"),
    "two headers": (lambda key: (("authorization", f"Bearer {key}"),) * 2, "CREDENTIALS_AMBIGUOUS"),
    "two kinds": (lambda key: (("authorization", f"Bearer {key}"), ("x-api-key", key)), "CREDENTIALS_AMBIGUOUS"),
    "a proxy's word": (lambda _: (("x-forwarded-user", "alice"), ("x-user-id", "alice")), "CERTIFICATE_UNKNOWN"),
    "a proxy's certificate": (lambda _: (("x-forwarded-client-cert", "Subject=alice"),), "CERTIFICATE_UNKNOWN"),
}


def _of_leaf(leaf: Leaf) -> dict[str, Any]:
    return {"match": CertificateMatch.FINGERPRINT, "value": fingerprint_of(leaf.certificate)}


async def _certificates(stage: Stage) -> dict[str, tuple[Leaf, tuple[tuple[str, str], ...], str]]:
    """Give connections with what is wrong with them: certificate, metadata, reason."""
    foreign, ambiguous, over = stage.clients.leaf(), stage.clients.leaf(dns=("a.test", "b.test")), stage.clients.leaf()
    await stage.map("bob", **_of_leaf(foreign))
    await stage.map("alice", match=CertificateMatch.DNS, value="a.test")
    await stage.map("bob", match=CertificateMatch.DNS, value="b.test")
    await stage.map("alice", **_of_leaf(over))
    (mapped, *_) = await stage.gateway.identity.access.certificates.list("alice")
    await stage.gateway.identity.access.certificates.unmap(COMMAND_LINE, mapped.certificate_id)
    key = (("x-api-key", stage.good),)
    token = (("authorization", f"Bearer {stage.online.issuer.token()}"),)
    return {
        "nobody's": (stage.nobody, (), "CERTIFICATE_UNKNOWN"),
        "another user's, with a key": (foreign, key, "CERTIFICATE_MISMATCH"),
        "another user's, with a token": (foreign, token, "CERTIFICATE_MISMATCH"),
        "two users'": (ambiguous, (), "CERTIFICATE_UNKNOWN"),
        "two users', with a key": (ambiguous, key, "CERTIFICATE_UNKNOWN"),
        "no longer mapped": (over, (), "CERTIFICATE_UNKNOWN"),
        "mapped, with a wrong key": (foreign, (("x-api-key", mint_key()[1]),), "API_KEY_INVALID"),
    }


def told(error: aio.AioRpcError) -> str:
    """Give everything that a refusal tells."""
    trailing = [value if isinstance(value, bytes) else value.encode() for _, value in error.trailing_metadata() or ()]
    return (error.details() or "") + b" ".join(trailing).decode("latin-1")


@dataclass
class Judge:
    """Keeps what was not refused as it must be, and every secret that was shown."""

    stage: Stage
    wrong: list[tuple[str, str, str]] = field(default_factory=list)
    secrets: list[str] = field(default_factory=list)
    tried: int = 0

    async def refuses(self, name: str, reason: str, secret: str, *metadata: tuple[str, str], leaf: Any = None) -> None:
        """Make a call that must be refused with a reason, and tell nothing of a secret (where it is a long one)."""
        error = await self.stage.call(*metadata, leaf=leaf)
        self.tried += 1
        kept = [secret] if len(secret) > SHORT else []
        self.secrets += kept
        if error is None:
            self.wrong.append((name, "it was taken", reason))
        elif error.code() not in REFUSED or (said := refusal_of(error).reason) != reason:
            self.wrong.append((name, f"{error.code()} {error.details()}", reason))
        elif any(each in told(error) for each in kept):
            self.wrong.append((name, "it was told", said))


async def _try_all(stage: Stage, judge: Judge) -> None:
    for name, (make, reason) in KEYS.items():
        secret = await make(stage)
        await judge.refuses(f"key {name}", reason, secret, ("x-api-key", secret))
    for name, (metadata, reason) in HEADERS.items():
        await judge.refuses(f"header {name}", reason, stage.good, *metadata(stage.good))
    for name, (forge, reason) in TOKENS.items():
        token = forge(stage.online.issuer)
        await judge.refuses(f"token {name}", reason, token.rpartition(".")[2], ("authorization", f"Bearer {token}"))
    for name, (leaf, shown, reason) in (await _certificates(stage)).items():
        await judge.refuses(f"certificate {name}", reason, "", *shown, leaf=leaf)


async def test_what_is_forged_is_refused_and_nothing_of_it_is_told(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    """Each with the right reason; no part of a credential is in an answer or in the log, and good ones still work."""
    async with staged(tmp_path) as stage:
        good = (("authorization", f"Bearer {stage.good}"),)
        assert await stage.call(*good) is None
        assert await stage.call(("authorization", f"bearer {stage.online.issuer.token()}")) is None
        judge = Judge(stage)
        await _try_all(stage, judge)
        assert await stage.call(*good) is None
        # Nothing that a token says has led anywhere.
        assert set(stage.online.asked) == {"/.well-known/openid-configuration", "/keys"}
    assert judge.wrong == []
    assert judge.tried >= LEAST_TRIED
    said = capfd.readouterr()
    assert [secret for secret in judge.secrets if secret in said.out + said.err] == []


async def test_a_certificate_that_does_not_hold_makes_no_connection(tmp_path: Path) -> None:
    """Of another authority, over, or none at all: the transport ends it before any call; mapped ones are users."""
    async with staged(tmp_path) as stage:
        strangers = Authority("strangers")
        over = stage.clients.leaf(start=YESTERDAY - dt.timedelta(days=1), end=YESTERDAY)
        for leaf in (strangers.leaf(), over):
            error = await stage.call(("x-api-key", stage.good), leaf=leaf)
            assert error is not None
            assert error.code() is grpc.StatusCode.UNAVAILABLE
        stub = accounts_pb2_grpc.AccountServiceStub(stage.channel(None))
        with pytest.raises(aio.AioRpcError) as refused:
            await stub.ListAccounts(ASK, metadata=(("x-api-key", stage.good),), timeout=10)
        assert refused.value.code() is grpc.StatusCode.UNAVAILABLE
        own = stage.clients.leaf(dns=(), uris=("spiffe://desk.test/alice",))
        await stage.map("alice", match=CertificateMatch.URI, value="spiffe://desk.test/alice")
        assert await stage.call(leaf=own) is None
        assert await stage.call(("x-api-key", stage.good), leaf=own) is None
