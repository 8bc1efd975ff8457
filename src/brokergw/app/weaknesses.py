"""What weakens an installation although it works: settings, files, keys and surroundings."""

import os
from collections.abc import Iterator, Sequence
from ipaddress import ip_address
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from brokergw.app.crash import telltales
from brokergw.app.finding import Finding
from brokergw.app.open_files import possible_files, wanted_files
from brokergw.app.settings import Settings, split_address
from brokergw.app.tls_version import CIPHERS
from brokergw.model.principal import ApiKey, Role
from brokergw.transport.mail import MailSecurity

_OTHERS: Final = 0o077
_EVERYBODY_ELSE: Final = 0o007


def weaknesses(settings: Settings) -> Iterator[Finding]:
    """Look over settings, files and the environment; changes nothing."""
    yield from _files(settings)
    yield from _surroundings(settings)
    yield from _addresses(settings)
    yield from _connections(settings)
    yield from _alerts(settings)
    yield from _audit(settings)


def weak_keys(keys: Sequence[ApiKey]) -> Iterator[Finding]:
    """Look over keys that are usable now."""
    for key in keys:
        if key.expire_time_ns is None:
            powerful = not key.roles.isdisjoint({Role.ADMIN, Role.RISK_OFFICER, Role.OPERATOR})
            what = f"key {key.key_id} of {key.user_id} never expires"
            yield Finding("API keys", False if powerful else None, what, f"run `brokergw keys rotate {key.key_id}`")


def is_loopback(host: str) -> bool:
    """Tell whether only this machine can reach a host."""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _files(settings: Settings) -> Iterator[Finding]:
    secret = [Path(settings.tls_private_key)] if settings.tls_private_key else []
    if settings.store_url.startswith("sqlite:///"):
        secret.append(Path(settings.store_url.removeprefix("sqlite:///")))
    for path in secret:
        if path.exists() and path.stat().st_mode & _OTHERS:
            yield Finding("files", False, f"{path} can be read by others", f"chmod 600 {path}")
    folder = settings.data_dir
    if folder.exists() and folder.stat().st_mode & _EVERYBODY_ELSE & 0o002:
        yield Finding("files", False, f"{folder} can be written by everybody", f"chmod 700 {folder}")


def _surroundings(settings: Settings) -> Iterator[Finding]:
    for name in telltales():
        advice = f"unset {name}; `brokergw serve` takes it out of its own environment"
        yield Finding("environment", False, f"{name} makes libraries write down what they handle", advice)
    if os.environ.get(CIPHERS) and settings.tls_version_min == "1.2":
        yield Finding("environment", None, f"{CIPHERS} chooses other ciphers than gRPC does", f"unset {CIPHERS}")
    if settings.log_level == "DEBUG":
        yield Finding("logs", None, "the log is at DEBUG", "secrets stay out of it, but it is long and tells much")
    if settings.chaos:
        yield Finding("chaos", False, "this gateway is told to crash on purpose", "unset BROKERGW_CHAOS")


_BROKER_ADDRESSES: Final = (
    "alpaca_paper_url",
    "alpaca_live_url",
    "alpaca_data_url",
    "binance_paper_url",
    "binance_live_url",
    "binance_futures_paper_url",
    "binance_futures_live_url",
    "ctrader_paper_url",
    "ctrader_live_url",
    "schwab_url",
    "schwab_data_url",
)


def _addresses(settings: Settings) -> Iterator[Finding]:
    names = list(_BROKER_ADDRESSES)
    if settings.ibkr_access_code is not None:
        names.append("ibkr_gateway_url")
    for name in names:
        yield from _http("broker address", f"BROKERGW_{name.upper()}", getattr(settings, name), wrong=True)
    if settings.otlp_endpoint:
        yield from _http("traces", "OTEL_EXPORTER_OTLP_ENDPOINT", settings.otlp_endpoint, wrong=False)
    for name, address in (("listener", settings.listen), ("metrics", settings.metrics_listen)):
        try:
            host = split_address(address)[0] if address else "localhost"
        except ValueError:
            continue
        if is_loopback(host):
            continue
        if name == "metrics":
            yield Finding(name, None, f"{address} asks for no credential", "let the collector alone reach it")
        elif settings.reflection:
            yield Finding(name, None, "reflection is on", "set BROKERGW_REFLECTION=false where nobody uses grpcurl")


def _connections(settings: Settings) -> Iterator[Finding]:
    possible, wanted = possible_files(), wanted_files(settings)
    if possible < wanted:
        what = f"this process may open {possible} files, and clients alone could use them up"
        yield Finding("connections", False, what, f"allow {wanted}, or lower BROKERGW_CLIENT_CONNECTIONS_MAX")
    if settings.address_client_connections_max == 0:
        advice = "only do this behind a proxy, which then has a limit of its own"
        yield Finding("connections", None, "one address may have any number of network connections", advice)


def _http(area: str, name: str, url: str, *, wrong: bool) -> Iterator[Finding]:
    parts = urlsplit(url)
    if parts.scheme in {"http", "ws"}:
        here = is_loopback(parts.hostname or "")
        what = f"{name} is plain HTTP" + (" on this machine" if here else "")
        yield Finding(area, None if here or not wrong else False, what, "use https")


def _alerts(settings: Settings) -> Iterator[Finding]:
    if settings.alert_webhook_url is not None:
        yield from _http(
            "alerts", "BROKERGW_ALERT_WEBHOOK_URL", settings.alert_webhook_url.get_secret_value(), wrong=False
        )
    if settings.alert_email_server and settings.alert_email_security is MailSecurity.NONE:
        password = bool(settings.alert_email_user)
        what = "mail goes out in plaintext" + (", with its password" if password else "")
        yield Finding("alerts", False if password else None, what, "set BROKERGW_ALERT_EMAIL_SECURITY=starttls")


def _audit(settings: Settings) -> Iterator[Finding]:
    if any((settings.data_dir / "audit").glob("checkpoints-*.jsonl")):
        yield Finding("audit", True, "checkpoints stand outside the database")
    else:
        advice = "they come with the first audited change; keep copies apart from the database (docs/audit.md)"
        yield Finding("audit", None, "no checkpoints stand outside the database yet", advice)
