"""Alerts over HTTP, against a server on a real socket."""

import json
from dataclasses import replace

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.hmac import HMAC

from brokergw.app.clock import SystemClock
from brokergw.desk.alerts.delivery import Alerts
from brokergw.model.alerts import Alert, AlertKind, Severity
from brokergw.ports.alerts import AlertMessage, AlertNotDelivered
from brokergw.transport.webhook import Webhook
from tests.fixtures.memory_alerts import MemoryOutbox
from tests.fixtures.patience import until
from tests.fixtures.receivers import Posted, WebReceiver, web_receiver

SECRET = "a secret of the receiver's"
NOW_NS = 1_800_000_000_250_000_000
MESSAGE = AlertMessage(
    alert_id="alt_1",
    alert=Alert(
        kind=AlertKind.HALTED,
        severity=Severity.CRITICAL,
        subject="USER/alice",
        message="trading is halted: 100 €",
        time_ns=NOW_NS,
        user_id="alice",
        facts=(("loss", "1000.5"),),
    ),
)


def webhook(receiver: WebReceiver) -> Webhook:
    """Open a webhook to a receiver."""
    return Webhook(receiver.url, SECRET, lambda: NOW_NS)


def verify(posted: Posted, secret: str = SECRET) -> None:
    """Check a request's signature as a receiver would; raises InvalidSignature."""
    mac = HMAC(secret.encode(), hashes.SHA256())
    mac.update(posted.headers["brokergw-timestamp"].encode() + b"." + posted.body)
    version, _, digits = posted.headers["brokergw-signature"].partition("=")
    assert version == "v1"
    mac.verify(bytes.fromhex(digits))


async def test_an_alert_arrives_whole_and_signed() -> None:
    """Body, id and timestamp are there, and another implementation of HMAC finds the signature right."""
    async with web_receiver() as receiver:
        channel = webhook(receiver)
        await channel.deliver(MESSAGE)
        await channel.close()
    [posted] = receiver.posted
    verify(posted)
    assert posted.path == "/alerts?key=hush"
    assert posted.headers["brokergw-alert-id"] == "alt_1"
    assert posted.headers["brokergw-timestamp"] == "1800000000"
    assert json.loads(posted.body) == {
        "alert_id": "alt_1",
        "kind": "HALTED",
        "severity": "CRITICAL",
        "subject": "USER/alice",
        "message": "trading is halted: 100 €",
        "time": "2027-01-15T08:00:00.250+00:00",
        "user_id": "alice",
        "facts": {"loss": "1000.5"},
        "count": 1,
    }


@pytest.mark.parametrize("spoil", ["body", "timestamp", "secret"])
async def test_a_signature_covers_body_and_time(spoil: str) -> None:
    """A request with another body or timestamp, or checked with another secret, does not verify."""
    async with web_receiver() as receiver:
        channel = webhook(receiver)
        await channel.deliver(MESSAGE)
        await channel.close()
    [posted] = receiver.posted
    if spoil == "body":
        posted = replace(posted, body=posted.body.replace(b"1000.5", b"0"))
    if spoil == "timestamp":
        posted = replace(posted, headers=posted.headers | {"brokergw-timestamp": "1800000001"})
    with pytest.raises(Exception, match="did not match"):
        verify(posted, "another" if spoil == "secret" else SECRET)


@pytest.mark.parametrize("status", [302, 400, 401, 410, 500, 503])
async def test_only_a_2xx_answer_is_a_delivery_and_no_redirect_is_followed(status: int) -> None:
    """Any other answer is a failure, whose words name neither address nor secret."""
    async with web_receiver([status]) as receiver:
        channel = webhook(receiver)
        with pytest.raises(AlertNotDelivered) as caught:
            await channel.deliver(MESSAGE)
        await channel.close()
    assert len(receiver.posted) == 1
    assert "hush" not in str(caught.value)


async def test_a_receiver_that_is_not_there_is_a_failure_without_its_address() -> None:
    """A refused connection is a failure; the address, which may hold a key, is not told."""
    async with web_receiver() as receiver:
        pass
    channel = webhook(receiver)
    with pytest.raises(AlertNotDelivered) as caught:
        await channel.deliver(MESSAGE)
    await channel.close()
    assert "hush" not in str(caught.value)


@pytest.mark.parametrize("url", ["ftp://host/x", "host/path", "https://", ""])
def test_an_address_that_is_none_is_refused_at_once(url: str) -> None:
    """Only absolute HTTP addresses are taken."""
    with pytest.raises(ValueError, match="https://host/path"):
        Webhook(url, SECRET, lambda: NOW_NS)


async def test_a_receiver_that_fails_three_times_has_the_alert_within_two_seconds() -> None:
    """Raised at a real receiver that answers 503, 503, 500 and then 200: it has it in less than two seconds."""
    clock = SystemClock()
    async with web_receiver([503, 503, 500, 200]) as receiver:
        alerts = Alerts([webhook(receiver)], outbox := MemoryOutbox(), clock)
        began = clock.monotonic()
        alerts.notify(MESSAGE.alert)
        await until(_count(receiver), lambda count: count == 4)
        took = clock.monotonic() - began
        await alerts.stop()
    assert took < 2
    assert len({posted.headers["brokergw-alert-id"] for posted in receiver.posted}) == 1
    assert not outbox.rows


def _count(receiver: WebReceiver):  # type: ignore[no-untyped-def] # noqa: ANN202 - a question for `until`
    async def ask() -> int:
        return len(receiver.posted)

    return ask
