"""Looking over an installation: what is in order, what is not, and what to do about it."""

import asyncio
import os
from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from cryptography import x509

from brokergw.app.clock import SystemClock
from brokergw.app.finding import Finding
from brokergw.app.secret_text import SecretUnusable
from brokergw.app.secrets import credentials_key_file, load_secrets
from brokergw.app.settings import Settings, split_address
from brokergw.app.vault import vault_status
from brokergw.app.weaknesses import is_loopback, weak_keys, weaknesses
from brokergw.model.principal import Role
from brokergw.store.check import StoreUnreachable, require_kept_apart, tables_are_current
from brokergw.store.open import open_store
from brokergw.store.separation.roles import NotSeparated
from brokergw.store.vault.vault import VaultStatus

_CERTIFICATE_WARNING: Final = timedelta(days=14)
_REACH_TIMEOUT_S: Final = 3.0


async def examine(settings: Settings) -> list[Finding]:
    """Look everything over; changes nothing but what a first start would make."""
    findings = [*_data_dir(settings), *_secrets(settings), *_listener(settings), *_certificate(settings)]
    findings += weaknesses(settings)
    database = list(_database(settings))
    findings += database
    if all(finding.ok for finding in database):
        findings += [finding async for finding in _keys(settings)]
        findings += _vault(await vault_status(settings))
    findings += await asyncio.gather(
        *(_reach(name, url) for name, url in (("alpaca paper", settings.alpaca_paper_url),))
    )
    return findings


def _data_dir(settings: Settings) -> Iterator[Finding]:
    path = settings.data_dir
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        yield Finding("data directory", False, f"{path} cannot be made: {error.strerror}", "set BROKERGW_DATA_DIR")
        return
    writable = os.access(path, os.W_OK)
    yield Finding("data directory", writable, str(path), "" if writable else "make it writable for this user")


def _secrets(settings: Settings) -> Iterator[Finding]:
    try:
        load_secrets(settings)
    except (SecretUnusable, OSError) as error:
        yield Finding("secrets", False, str(error), "make one with: openssl rand -base64 32")
        return
    yield Finding("secrets", True, "the credentials key and the signing key are usable")
    for path in (credentials_key_file(settings), settings.data_dir / "signing.key"):
        if path.exists() and path.stat().st_mode & 0o077:
            yield Finding("secrets", False, f"{path} can be read by others", f"chmod 600 {path}")
    if settings.store_url.startswith("postgresql") and settings.signing_key is None:
        advice = "give every replica the same BROKERGW_SIGNING_KEY and CREDENTIALS_ENCRYPTION_KEY"
        yield Finding("secrets", None, "the keys are files of this machine only", advice)


def _listener(settings: Settings) -> Iterator[Finding]:
    try:
        host, _ = split_address(settings.listen)
    except ValueError as error:
        yield Finding("listener", False, str(error), "set BROKERGW_LISTEN to host:port")
        return
    if settings.tls_certificate:
        yield Finding("listener", True, f"{settings.listen} with TLS")
    elif is_loopback(host):
        yield Finding("listener", True, f"{settings.listen} in plaintext, on loopback")
    elif settings.allow_plaintext:
        advice = "only do this behind a proxy that speaks TLS"
        yield Finding("listener", None, f"{settings.listen} in plaintext, beyond loopback", advice)
    else:
        advice = "set BROKERGW_TLS_CERTIFICATE and BROKERGW_TLS_PRIVATE_KEY, or BROKERGW_ALLOW_PLAINTEXT=true"
        yield Finding("listener", False, f"{settings.listen} would be in plaintext, beyond loopback", advice)


def _certificate(settings: Settings) -> Iterator[Finding]:
    if not settings.tls_certificate:
        return
    try:
        chain = x509.load_pem_x509_certificates(Path(settings.tls_certificate).read_bytes())
    except (OSError, ValueError) as error:
        yield Finding("certificate", False, f"cannot be read: {type(error).__name__}", "check the path and the format")
        return
    expires = chain[0].not_valid_after_utc
    left = expires - datetime.fromtimestamp(SystemClock().now_ns() / 1e9, UTC)
    if left <= timedelta(0):
        yield Finding("certificate", False, f"expired on {expires:%Y-%m-%d}", "renew it; it is read again by itself")
    else:
        soon = left < _CERTIFICATE_WARNING
        yield Finding("certificate", None if soon else True, f"valid until {expires:%Y-%m-%d}", "renew it" * soon)


def _database(settings: Settings) -> Iterator[Finding]:
    try:
        current = tables_are_current(settings.store_url)
        if current:
            require_kept_apart(settings.store_url)
    except NotSeparated as error:
        yield Finding("database", False, str(error), "see docs/separation.md")
        return
    except (StoreUnreachable, ValueError) as error:
        advice = "check BROKERGW_DATABASE_URL, and that the server runs"
        yield Finding("database", False, f"cannot be opened: {error}", advice)
        return
    name = "SQLite" if settings.store_url.startswith("sqlite") else "PostgreSQL"
    if current:
        yield Finding("database", True, f"{name}, tables up to date")
    elif settings.upgrades_itself:
        yield Finding("database", None, f"{name}, tables are not up to date", "`brokergw serve` brings them up to date")
    else:
        yield Finding("database", False, f"{name}, tables are not up to date", "run `brokergw db upgrade`")


async def _keys(settings: Settings) -> AsyncIterator[Finding]:
    clock = SystemClock()
    secrets = load_secrets(settings)
    async with open_store(settings.store_url, clock=clock, credentials_key=secrets.credentials_keys) as store:
        now = clock.now_ns()
        usable = [
            key
            for key in await store.keys.list()
            if key.revoke_time_ns is None and (key.expire_time_ns is None or key.expire_time_ns > now)
        ]
    if usable:
        yield Finding("API keys", True, f"{len(usable)} usable")
        for weak in weak_keys(usable):
            yield weak
    else:
        yield Finding("API keys", None, "nobody can call yet", "run `brokergw keys create --user NAME`")
    if administrators := sorted({key.user_id for key in usable if Role.ADMIN in key.roles}):
        yield Finding("administrators", True, ", ".join(administrators))
    else:
        yield Finding("administrators", None, "nobody with a usable key is one", "run `brokergw keys bootstrap`")


def _vault(status: VaultStatus) -> Iterator[Finding]:
    values = sum(key.values for key in status.keys)
    late = sum(key.values if not key.primary else key.former for key in status.keys)
    if status.lost:
        what = f"some stored secrets are under keys that are not there: {', '.join(status.lost)}"
        yield Finding("vault", False, what, "put these keys back behind the first one (docs/vault.md)")
    elif late:
        yield Finding(
            "vault", None, f"{late} of {values} stored secrets wait for a rotation", "run `brokergw vault rotate`"
        )
    else:
        yield Finding("vault", True, f"{values} stored secrets, all under the first key")


async def _reach(name: str, url: str) -> Finding:
    """Open a connection to a broker's address, and nothing more."""
    parts = urlsplit(url)
    port = parts.port or (443 if parts.scheme == "https" else 80)
    try:
        _, writer = await asyncio.wait_for(asyncio.open_connection(parts.hostname, port), _REACH_TIMEOUT_S)
    except (OSError, TimeoutError):
        advice = "check the network, or leave it if nobody trades there"
        return Finding("broker reach", None, f"{name} cannot be reached at {parts.hostname}:{port}", advice)
    writer.close()
    return Finding("broker reach", True, f"{name} answers at {parts.hostname}:{port}")
