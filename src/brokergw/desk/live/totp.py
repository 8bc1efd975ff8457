"""Codes of authenticators: RFC 6238 with SHA-1, six digits and thirty seconds, as every authenticator app has them."""

import re
from typing import Final

import pyotp

STEP_NS: Final = 30_000_000_000
_SKEW_STEPS: Final = 1
_SECRET_LENGTH: Final = 32
"""Base32 characters: 160 bits, as RFC 4226 recommends."""

_FORM: Final = re.compile(r"[0-9]{6}", re.ASCII)


def is_code(text: str) -> bool:
    """Tell whether a text is six ASCII digits and nothing else: no blanks, no digits of other scripts."""
    return _FORM.fullmatch(text) is not None


def new_secret() -> str:
    """Make a secret from the operating system's randomness."""
    return pyotp.random_base32(_SECRET_LENGTH)


def enrolment_uri(secret: str, user_id: str, issuer: str) -> str:
    """Give the `otpauth` URI that authenticator apps read; it holds the secret."""
    return pyotp.TOTP(secret).provisioning_uri(name=user_id, issuer_name=issuer)


def step_of(secret: str, code: str, now_ns: int) -> int | None:
    """Give the time step whose code this is, at most one away from the present one; None for a wrong code.

    The latest such step, should one code belong to two. Raises ValueError for what is no code at all.
    """
    if not is_code(code):
        raise ValueError("a code is six ASCII digits")
    present = now_ns // STEP_NS
    generator = pyotp.TOTP(secret)
    # Every step is compared, whatever the first ones say, so that the time taken tells nothing.
    matching = [
        step
        for step in range(max(0, present - _SKEW_STEPS), present + _SKEW_STEPS + 1)
        if pyotp.utils.strings_equal(code, generator.generate_otp(step))
    ]
    return matching[-1] if matching else None
