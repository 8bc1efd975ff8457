"""Whom a client's certificate speaks for."""

import datetime as dt
from dataclasses import replace

import pytest

from brokergw.desk.identity.certificates import Certificates, fingerprint_of, is_fingerprint
from brokergw.model.account import Environment
from brokergw.model.certificates import CertificateMapping, CertificateMatch
from brokergw.model.errors import GatewayError, Reason
from brokergw.model.principal import CredentialKind, Principal, Role, Scope
from tests.fixtures.certificates import Authority
from tests.fixtures.clock import FakeClock
from tests.fixtures.memory_identity import MemoryCertificates, MemoryRoles

AUTHORITY = Authority("clients")
URI = "spiffe://desk.test/bot"
LEAF = AUTHORITY.leaf(dns=("bot.desk.test", "*.wide.test"), uris=(URI,))


class World:
    """Mappings, and who reads certificates by them."""

    def __init__(self, clock: FakeClock) -> None:
        self.clock = clock
        self.directory = MemoryCertificates(MemoryRoles())
        self.certificates = Certificates(self.directory, clock)

    def map(self, match: CertificateMatch, value: str, user_id: str = "desk", **changes: object) -> None:
        mapping = CertificateMapping(
            certificate_id=f"crt_{len(self.directory.all)}",
            user_id=user_id,
            name="",
            match=match,
            value=value,
            scopes=frozenset({Scope.ORDERS_READ, Scope.ADMIN_READ}),
            create_time_ns=0,
        )
        self.directory.all[mapping.certificate_id] = replace(mapping, **changes)  # type: ignore[arg-type]

    async def refusal(self, pem: bytes) -> Reason:
        with pytest.raises(GatewayError) as refused:
            await self.certificates.find(pem)
        return refused.value.reason

    async def found(self, pem: bytes = LEAF.certificate) -> Principal:
        principal = await self.certificates.find(pem)
        assert principal is not None
        return principal


@pytest.fixture
def world(still_clock: FakeClock) -> World:
    return World(still_clock)


@pytest.mark.parametrize(
    ("match", "value"),
    [
        (CertificateMatch.FINGERPRINT, fingerprint_of(LEAF.certificate)),
        (CertificateMatch.URI, URI),
        (CertificateMatch.DNS, "bot.desk.test"),
    ],
    ids=["fingerprint", "uri", "dns"],
)
async def test_a_certificate_is_its_user(world: World, match: CertificateMatch, value: str) -> None:
    """By any of its names, with what the mapping and the user's roles leave, until its own end."""
    world.map(match, value, accounts=frozenset({"acc_1"}), mode_max=Environment.PAPER)
    principal = await world.found()
    assert (principal.user_id, principal.kind) == ("desk", CredentialKind.CERTIFICATE)
    assert principal.key_id == fingerprint_of(LEAF.certificate)
    assert principal.scopes == {Scope.ORDERS_READ}
    assert (principal.accounts, principal.mode_max) == (frozenset({"acc_1"}), Environment.PAPER)
    end = dt.datetime(2090, 1, 1, tzinfo=dt.UTC)
    assert principal.expire_time_ns == (int(end.timestamp()) + 1) * 1_000_000_000


@pytest.mark.parametrize(
    ("match", "value"),
    [
        (CertificateMatch.FINGERPRINT, fingerprint_of(AUTHORITY.leaf().certificate)),
        (CertificateMatch.DNS, URI),
        (CertificateMatch.URI, "bot.desk.test"),
        (CertificateMatch.URI, URI.upper()),
        (CertificateMatch.DNS, "*.wide.test"),
        (CertificateMatch.DNS, "desk.wide.test"),
        (CertificateMatch.DNS, "desk.test"),
        (CertificateMatch.DNS, "localhost"),
    ],
    ids=["fingerprint", "uri as dns", "dns as uri", "case", "wildcard", "within it", "parent", "common name"],
)
async def test_another_name_speaks_for_nobody(world: World, match: CertificateMatch, value: str) -> None:
    """Names are compared whole, each with its kind; a wildcard is none, nor is the subject's common name."""
    world.map(match, value)
    assert await world.certificates.find(LEAF.certificate) is None


async def test_a_fingerprint_goes_before_names(world: World) -> None:
    """And names of several users speak for none of them."""
    world.map(CertificateMatch.URI, URI, "ann")
    world.map(CertificateMatch.DNS, "bot.desk.test", "bob")
    assert await world.refusal(LEAF.certificate) is Reason.CERTIFICATE_UNKNOWN
    world.map(CertificateMatch.FINGERPRINT, fingerprint_of(LEAF.certificate), "carol")
    world.certificates.forget()
    assert (await world.found()).user_id == "carol"


@pytest.mark.parametrize("seconds", [-1, 0, 60, 61])
async def test_a_certificate_holds_within_its_time(world: World, seconds: int) -> None:
    """Also over a connection that outlives it: from its first second to the end of its last."""
    start = dt.datetime.fromtimestamp(world.clock.now_ns() / 1e9 - seconds, dt.UTC)
    leaf = AUTHORITY.leaf(uris=(URI,), start=start, end=start + dt.timedelta(seconds=60))
    world.map(CertificateMatch.URI, URI)
    if 0 <= seconds <= 60:
        assert (await world.found(leaf.certificate)).user_id == "desk"
    else:
        assert await world.refusal(leaf.certificate) is Reason.CERTIFICATE_EXPIRED


async def test_a_mapping_ends_at_its_time(world: World, still_clock: FakeClock) -> None:
    """A nanosecond before, and at it."""
    world.map(CertificateMatch.URI, URI, expire_time_ns=still_clock.now_ns() + 1)
    await world.found()
    still_clock.advance(1e-9)
    assert await world.refusal(LEAF.certificate) is Reason.CERTIFICATE_EXPIRED


async def test_a_mapping_taken_away_acts_within_a_second(world: World, still_clock: FakeClock) -> None:
    """At the next look, which comes at once where somebody's rights have changed; so do roles."""
    world.map(CertificateMatch.URI, URI)
    world.directory.roles.given["desk"] = {Role.ADMIN}
    assert Scope.ADMIN_READ in (await world.found()).scopes
    world.directory.roles.given["desk"] = set()
    still_clock.advance(0.9)
    assert Scope.ADMIN_READ in (await world.found()).scopes
    assert world.directory.asked == 1
    still_clock.advance(0.1)
    assert Scope.ADMIN_READ not in (await world.found()).scopes
    world.directory.all.clear()
    world.certificates.forget()
    assert await world.certificates.find(LEAF.certificate) is None


@pytest.mark.parametrize("pem", [b"", b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n", b"\xff" * 99])
async def test_what_cannot_be_read_speaks_for_nobody(world: World, pem: bytes) -> None:
    """And is no fault of the gateway's."""
    assert await world.refusal(pem) is Reason.CERTIFICATE_UNKNOWN


async def test_a_certificate_without_names_is_known_by_its_fingerprint(world: World) -> None:
    """Only."""
    leaf = AUTHORITY.leaf(dns=())
    assert await world.certificates.find(leaf.certificate) is None
    world.map(CertificateMatch.FINGERPRINT, fingerprint_of(leaf.certificate))
    world.certificates.forget()
    assert (await world.found(leaf.certificate)).user_id == "desk"


@pytest.mark.parametrize(
    ("text", "is_one"), [("a" * 64, True), ("a" * 63, False), ("A" * 64, False), ("g" * 64, False)]
)
def test_a_fingerprint_is_64_hex_digits(text: str, *, is_one: bool) -> None:
    """In lower case."""
    assert is_fingerprint(text) is is_one
