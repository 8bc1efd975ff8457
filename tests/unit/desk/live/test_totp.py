from collections.abc import Callable

import pyotp
import pytest
from hypothesis import given
from hypothesis import strategies as st

from brokergw.desk.live import totp
from tests.fixtures.clock import START_NS

SECRET = "JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP"
PRESENT = START_NS // totp.STEP_NS
FULL_WIDTH = {ord(str(digit)): chr(0xFF10 + digit) for digit in range(10)}
ARABIC = {ord(str(digit)): chr(0x0660 + digit) for digit in range(10)}


def code_at(step: int) -> str:
    """Give the code of a time step."""
    return pyotp.TOTP(SECRET).generate_otp(step)


# RFC 6238, appendix B, SHA-1; the last six of its eight digits.
@pytest.mark.parametrize(
    ("seconds", "code"),
    [
        (59, "287082"),
        (1111111109, "081804"),
        (1111111111, "050471"),
        (1234567890, "005924"),
        (2000000000, "279037"),
        (20000000000, "353130"),
    ],
)
def test_codes_are_those_of_the_standard(seconds: int, code: str) -> None:
    """The published vectors are recognised at their own step."""
    secret = "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ"
    assert totp.step_of(secret, code, seconds * 1_000_000_000) == seconds // 30


@pytest.mark.parametrize(("away", "taken"), [(-2, False), (-1, True), (0, True), (1, True), (2, False)])
@pytest.mark.parametrize("into_the_step_ns", [0, totp.STEP_NS - 1])
def test_one_step_of_skew_is_taken_and_two_are_not(away: int, into_the_step_ns: int, *, taken: bool) -> None:
    """A code counts one step early or late, at both edges of the present step, and never two."""
    now = PRESENT * totp.STEP_NS + into_the_step_ns
    assert totp.step_of(SECRET, code_at(PRESENT + away), now) == (PRESENT + away if taken else None)


SPOILT: dict[str, Callable[[str], str]] = {
    "leading blank": lambda code: f" {code}",
    "trailing blank": lambda code: f"{code} ",
    "trailing newline": lambda code: f"{code}\n",
    "trailing zero byte": lambda code: f"{code}\x00",
    "blank within": lambda code: f"{code[:3]} {code[3:]}",
    "five digits": lambda code: code[:5],
    "seven digits": lambda code: f"0{code}",
    "a sign": lambda code: f"+{code[1:]}",
    "full-width digits": lambda code: code.translate(FULL_WIDTH),
    "Arabic digits": lambda code: code.translate(ARABIC),
    "nothing": lambda _: "",
    "superscript": lambda _: "12345²",
    "underscore": lambda _: "1_2345",
}


@pytest.mark.parametrize("how", SPOILT)
def test_only_six_ascii_digits_are_a_code(how: str) -> None:
    """Blanks, other scripts' digits and other lengths are no code, even around the right one."""
    text = SPOILT[how](code_at(PRESENT))
    assert not totp.is_code(text)
    with pytest.raises(ValueError, match="six ASCII digits"):
        totp.step_of(SECRET, text, START_NS)


@given(st.text(max_size=8))
def test_whatever_is_no_six_ascii_digits_is_refused(text: str) -> None:
    """No text is a code but those of six characters from 0 to 9."""
    assert totp.is_code(text) == (len(text) == 6 and set(text) <= set("0123456789"))


@given(st.from_regex(r"[0-9]{6}", fullmatch=True), st.integers(min_value=0, max_value=2**33))
def test_a_code_is_found_at_the_steps_whose_code_it_is_and_nowhere_else(code: str, seconds: int) -> None:
    """What is recognised is exactly the standard's code of one of three steps."""
    present = seconds // 30
    expected = [step for step in range(max(0, present - 1), present + 2) if code_at(step) == code]
    assert totp.step_of(SECRET, code, seconds * 1_000_000_000) == (expected[-1] if expected else None)


def test_secrets_are_long_and_never_the_same() -> None:
    """A secret has 160 bits, and no two are alike."""
    made = {totp.new_secret() for _ in range(100)}
    assert len(made) == 100
    assert {len(pyotp.TOTP(secret).byte_secret()) for secret in made} == {20}


def test_the_uri_is_what_apps_read() -> None:
    """The enrolment's URI names issuer, user and secret."""
    assert totp.enrolment_uri(SECRET, "ann@example", "brokergw") == (
        f"otpauth://totp/brokergw:ann%40example?secret={SECRET}&issuer=brokergw"
    )
