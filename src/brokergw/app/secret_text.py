"""A secret as it is written down: 32 bytes in base64."""

import base64
import binascii
from typing import Final

from brokergw.ports.secrecy import KNOWN

KEY_BYTES: Final = 32


class SecretUnusable(ValueError):
    """A configured secret is not what it must be; the message never shows it."""


def decoded_key(text: str, name: str) -> bytes:
    """Read a key, which the log knows from here on; raises SecretUnusable that names the place and the rule."""
    KNOWN.keep([text.strip()])
    try:
        secret = base64.b64decode(text.strip(), validate=True)
        KNOWN.keep([secret.hex(), base64.urlsafe_b64encode(secret).decode()])
    except (binascii.Error, ValueError):
        # The cause would show what it failed at.
        raise SecretUnusable(f"{name} must be base64") from None
    if len(secret) != KEY_BYTES:
        raise SecretUnusable(f"{name} must be {KEY_BYTES} bytes in base64")
    return secret
