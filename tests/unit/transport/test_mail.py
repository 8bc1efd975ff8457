"""Alerts by e-mail, against a mail server on a real socket."""

import base64
import email
import ssl
from email.policy import default
from pathlib import Path
from typing import Any

import pytest

from brokergw.app.clock import SystemClock
from brokergw.model.alerts import Alert, AlertKind, Severity
from brokergw.ports.alerts import AlertMessage, AlertNotDelivered
from brokergw.transport.mail import Mail, MailSecurity, MailSettings
from tests.fixtures.certificates import Authority
from tests.fixtures.receivers import MailReceiver, mail_receiver

MESSAGE = AlertMessage(
    alert_id="alt_1",
    alert=Alert(
        kind=AlertKind.LIMIT_REACHED,
        severity=Severity.CRITICAL,
        subject="alice\r\nBcc: thief@example.test",
        message="the daily loss of 1000 € is reached\nBcc: thief@example.test",
        time_ns=1_800_000_000_000_000_000,
        user_id="alice",
        facts=(("loss", "1000"),),
    ),
    count=3,
)


def mailer(receiver: MailReceiver, security: MailSecurity, trusted: ssl.SSLContext | None = None, **more: Any) -> Mail:
    """Open a mailer to a receiver."""
    settings = MailSettings(
        host="localhost",
        port=receiver.port,
        security=security,
        sender="brokergw@example.test",
        recipients=("risk@example.test", "desk@example.test"),
        **more,
    )
    return Mail(settings, trusted)


@pytest.fixture
def tls(tmp_path: Path) -> tuple[ssl.SSLContext, ssl.SSLContext]:
    """Give a server's TLS for localhost, and a client's that trusts it."""
    authority = Authority("mail authority")
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(*authority.leaf().write(tmp_path))
    client = ssl.create_default_context(cadata=authority.pem.decode())
    return server, client


def read(sent: bytes) -> Any:
    """Parse a mail."""
    return email.message_from_bytes(sent.removesuffix(b".\r\n"), policy=default)


async def test_a_mail_says_everything_and_carries_no_header_of_anybodys_choice() -> None:
    """Subject, facts and count are there; line breaks in texts make no headers; its Message-ID is the alert's."""
    async with mail_receiver() as receiver:
        channel = mailer(receiver, MailSecurity.NONE)
        began = SystemClock().monotonic()
        await channel.deliver(MESSAGE)
        assert SystemClock().monotonic() - began < 2
        await channel.close()
    mail = read(receiver.mails[0])
    assert mail["Bcc"] is None
    assert mail["Message-ID"] == "<alt_1@brokergw>"
    assert mail["To"] == "risk@example.test, desk@example.test"
    assert mail["Subject"].startswith("[brokergw] CRITICAL LIMIT_REACHED: alice")
    body = mail.get_content()
    assert "1000 € is reached" in body
    assert "loss: 1000" in body
    assert "raised 3 times" in body


async def test_starttls_is_used_before_anything_is_told(tls: tuple[ssl.SSLContext, ssl.SSLContext]) -> None:
    """Login and mail come over the encrypted connection."""
    server, client = tls
    async with mail_receiver(starttls=server) as receiver:
        channel = mailer(receiver, MailSecurity.STARTTLS, client, user="u", password="p")
        await channel.deliver(MESSAGE)
        await channel.close()
    assert receiver.encrypted == [True]
    assert base64.b64decode(receiver.logins[0]) == b"\0u\0p"


async def test_tls_from_the_first_byte(tls: tuple[ssl.SSLContext, ssl.SSLContext]) -> None:
    """A server that speaks TLS alone gets its mail."""
    server, client = tls
    async with mail_receiver(tls=server) as receiver:
        channel = mailer(receiver, MailSecurity.TLS, client)
        await channel.deliver(MESSAGE)
        await channel.close()
    assert receiver.encrypted == [True]


async def test_a_server_without_starttls_gets_nothing() -> None:
    """Where encryption was asked for and is not offered, neither password nor mail is told."""
    async with mail_receiver() as receiver:
        channel = mailer(receiver, MailSecurity.STARTTLS, user="u", password="p")
        with pytest.raises(AlertNotDelivered):
            await channel.deliver(MESSAGE)
        await channel.close()
    assert not receiver.logins
    assert not receiver.mails


async def test_a_certificate_of_nobody_known_gets_nothing(tls: tuple[ssl.SSLContext, ssl.SSLContext]) -> None:
    """A server whose certificate does not verify gets no mail."""
    async with mail_receiver(starttls=tls[0]) as receiver:
        channel = mailer(receiver, MailSecurity.STARTTLS)
        with pytest.raises(AlertNotDelivered):
            await channel.deliver(MESSAGE)
        await channel.close()
    assert not receiver.mails


async def test_a_refused_recipient_is_no_delivery() -> None:
    """When one of two recipients is refused the message is to be tried again."""
    async with mail_receiver(refuses=frozenset({"desk@example.test"})) as receiver:
        channel = mailer(receiver, MailSecurity.NONE)
        with pytest.raises(AlertNotDelivered, match="1 of 2"):
            await channel.deliver(MESSAGE)
        await channel.close()


async def test_a_server_that_is_not_there_is_a_failure() -> None:
    """A refused connection is a failure and nothing worse."""
    async with mail_receiver() as receiver:
        pass
    channel = mailer(receiver, MailSecurity.NONE)
    with pytest.raises(AlertNotDelivered):
        await channel.deliver(MESSAGE)
    await channel.close()
