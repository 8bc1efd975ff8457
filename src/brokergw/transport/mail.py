"""Alerts as e-mail, over SMTP with TLS."""

import asyncio
import smtplib
import ssl
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime
from email.message import EmailMessage
from email.utils import format_datetime
from enum import StrEnum, unique
from typing import Final

from brokergw.ports.alerts import AlertMessage, AlertNotDelivered

_NS: Final = 1_000_000_000
_TIMEOUT_S: Final = 5.0
_SUBJECT_MAX: Final = 150


@unique
class MailSecurity(StrEnum):
    """How the connection to the mail server is protected: raised to TLS, TLS from its first byte, or not at all."""

    STARTTLS = "starttls"
    TLS = "tls"
    NONE = "none"


@dataclass(frozen=True, slots=True, kw_only=True)
class MailSettings:
    """Where mail goes, and as whom. `user` empty logs nobody in."""

    host: str
    port: int
    security: MailSecurity
    sender: str
    recipients: Sequence[str]
    user: str = ""
    password: str = ""


class Mail:
    """Implements `ports.alerts.AlertChannel`. Each message is one connection, in a thread of its own."""

    name: Final = "email"

    def __init__(self, settings: MailSettings, tls: ssl.SSLContext | None = None) -> None:
        self._settings = settings
        self._tls = tls or ssl.create_default_context()
        self._threads = ThreadPoolExecutor(2, thread_name_prefix="alert-mail")

    async def deliver(self, message: AlertMessage) -> None:
        """Send once; raises AlertNotDelivered unless the server took it for every recipient."""
        loop = asyncio.get_running_loop()
        try:
            refused = await loop.run_in_executor(self._threads, self._send, message)
        except (smtplib.SMTPException, OSError) as error:
            raise AlertNotDelivered(f"the mail server did not take it ({type(error).__name__})") from None
        if refused:
            raise AlertNotDelivered(f"the mail server refused {refused} of {len(self._settings.recipients)} recipients")

    async def close(self) -> None:
        """End the threads; what one of them sends may still arrive."""
        self._threads.shutdown(wait=False, cancel_futures=True)

    def _send(self, message: AlertMessage) -> int:
        settings = self._settings
        with self._connect() as server:
            if settings.security is MailSecurity.STARTTLS:
                server.starttls(context=self._tls)
            if settings.user:
                server.login(settings.user, settings.password)
            return len(server.send_message(as_mail(message, settings)))

    def _connect(self) -> smtplib.SMTP:
        settings = self._settings
        if settings.security is MailSecurity.TLS:
            return smtplib.SMTP_SSL(settings.host, settings.port, timeout=_TIMEOUT_S, context=self._tls)
        return smtplib.SMTP(settings.host, settings.port, timeout=_TIMEOUT_S)


def as_mail(message: AlertMessage, settings: MailSettings) -> EmailMessage:
    """Write a message as a mail; its Message-ID stays the same however often it is sent."""
    alert = message.alert
    mail = EmailMessage()
    mail["From"] = settings.sender
    mail["To"] = ", ".join(settings.recipients)
    subject = f"[brokergw] {alert.severity.value} {alert.kind.value}: {alert.subject}"
    mail["Subject"] = _one_line(subject)[:_SUBJECT_MAX]
    mail["Date"] = format_datetime(datetime.fromtimestamp(alert.time_ns // _NS, UTC))
    mail["Message-ID"] = f"<{message.alert_id}@brokergw>"
    lines = [
        alert.message,
        "",
        f"kind: {alert.kind.value}",
        f"severity: {alert.severity.value}",
        f"subject: {alert.subject}",
        f"time: {datetime.fromtimestamp(alert.time_ns // _NS, UTC).isoformat()}",
        *([f"user: {alert.user_id}"] if alert.user_id else []),
        *(f"{name}: {value}" for name, value in alert.facts),
        *([f"raised {message.count} times within a minute"] if message.count > 1 else []),
        f"alert: {message.alert_id}",
    ]
    mail.set_content("\n".join(map(_one_line, lines)))
    return mail


def _one_line(text: str) -> str:
    return " ".join(text.split())
