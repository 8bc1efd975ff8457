"""The last defence: by name, by shape, by what the process knows."""

import base64
import gc
import json
from urllib.parse import quote

import pytest

from brokergw.app.redaction import masked, redact
from brokergw.ports.broker import Credentials
from brokergw.ports.secrecy import LENGTH_MIN, KnownSecrets

SECRET = "xK7pQ2vLm9Rt4WzB8cN3"


@pytest.mark.parametrize(
    "text",
    [
        "bgw_abcdefghij_abcdefghijklmnopqrstuvwxyz23456789abcdef",
        "bgw_abcdefghij_abcdefgh",
        f"Authorization: Bearer {SECRET}",
        f"Basic {SECRET}",
        f"eyJhbGciOiJFUzI1NiJ9.{SECRET}.{SECRET}",
        f"-----BEGIN EC PRIVATE KEY-----\n{SECRET}\n-----END EC PRIVATE KEY-----",
        f"-----BEGIN PRIVATE KEY-----\n{SECRET}",
        f"postgresql://gateway:{SECRET}@db:5432/name",
        f"otpauth://totp/brokergw?secret={SECRET}",
        "JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP",
        f"{base64.b64encode(bytes(range(32))).decode()}",
        f"https://broker/callback?client_secret={SECRET}&x=1",
        json.dumps({"refresh_token": SECRET}),
        repr({"access_token": SECRET}),
        repr([("password", SECRET)]),
        f"APCA-API-SECRET-KEY: {SECRET}",
        f"set-cookie: session={SECRET}",
    ],
)
def test_what_has_the_shape_of_a_secret_is_masked(text: str) -> None:
    """Alone or in a sentence, nothing of it is left but what it is called."""
    told = masked(f"said {text} and went on")
    assert "***" in told
    assert told.startswith("said ")
    for piece in (SECRET[:8], SECRET[-8:], "abcdefgh_", "PEHPK3PX", "AAECAwQF"):
        assert piece not in told


@pytest.mark.parametrize(
    "text",
    [
        "order ord_01j9x8 was filled at 187.50 in 12 ms",
        "traceback in /opt/brokergw/desk/submit.py line 12",
        "key_id=abcdefghij",
        "sha256 of the request: 4a1d",
    ],
)
def test_what_is_no_secret_stays(text: str) -> None:
    """A log that says nothing helps nobody."""
    assert masked(text) == text


def test_fields_are_masked_however_deep_they_lie() -> None:
    """Names count at every depth; keys of mappings and bytes are texts too."""
    event = redact(None, "info", {"event": "x", "a": [{"b": {"password": "short"}}, f"Bearer {SECRET}"], "n": 1})
    assert event == {"event": "x", "a": [{"b": {"password": "***"}}, "Bearer ***"], "n": 1}
    assert SECRET not in str(redact(None, "info", {"event": {"deep": f"Bearer {SECRET}".encode()}}))
    bottomless: list[object] = []
    bottomless.append(bottomless)
    assert "***" in str(redact(None, "info", {"event": bottomless}))


def test_what_a_broker_knows_is_masked_in_every_writing() -> None:
    """While credentials live their values are known, also encoded and in pieces; afterwards they are words again."""
    secret = "correct/horse battery+staple 77"
    held = Credentials(password=secret, key="PK7Q2XV9LM3R")
    data = secret.encode()
    for form in (
        secret,
        data.hex(),
        quote(secret, safe=""),
        base64.b64encode(data).decode(),
        base64.urlsafe_b64encode(data).decode(),
        base64.b64encode(b"user:" + data).decode(),
        "cut off: PK7Q2XV9…",
    ):
        assert "***" in masked(f"({form})"), form
    del held
    gc.collect()
    assert masked(f"({secret})") == f"({secret})"


def test_a_value_is_known_from_eight_characters_on() -> None:
    """At eight it is masked; at seven it would be found everywhere, so it is not looked for."""
    known = KnownSecrets()
    known.keep(["a1b2c3d", "z9y8x7w6"])
    assert LENGTH_MIN == 8
    assert known.masked("a1b2c3d z9y8x7w6 z9y8x7w6!") == "a1b2c3d *** ***!"
    assert known.masked("z9y8x7w") == "z9y8x7w"


def test_nobody_blots_out_the_log_with_common_words() -> None:
    """A password that is made of our own words hides itself alone, as a whole."""
    known = KnownSecrets()
    known.keep(["connection failed"])
    assert known.masked("the connection broke") == "the connection broke"
    assert known.masked("connection failed!") == "***!"


def test_many_values_are_found_as_well_as_few() -> None:
    """Beyond a few hundred pieces the text is looked through instead of the values."""
    known = KnownSecrets()
    values = [f"{number:04d}-abcdefgh-{number:04d}" for number in range(500)]
    known.keep(values)
    assert known.masked(f"a {values[0]} b {values[499]} c") == "a *** b *** c"
