"""The gateway's own secrets: from the environment, or made once and kept in files that only the owner can read."""

import base64
import binascii
import hashlib
import hmac
import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from pydantic import SecretStr

from brokergw.app.settings import Settings

_KEY_BYTES: Final = 32


class SecretUnusable(ValueError):
    """A configured secret is not what it must be; the message never shows it."""


@dataclass(frozen=True, slots=True)
class Secrets:
    """32 bytes each; prints as stars."""

    credentials_key: bytes = field(repr=False)
    api_key_pepper: bytes = field(repr=False)
    cursor_key: bytes = field(repr=False)


def load_secrets(settings: Settings) -> Secrets:
    """Read the secrets, making those that are neither configured nor on disk; raises SecretUnusable."""
    signing = _secret(settings.signing_key, "BROKERGW_SIGNING_KEY", settings.data_dir / "signing.key")
    return Secrets(
        credentials_key=_secret(
            settings.credentials_encryption_key,
            "CREDENTIALS_ENCRYPTION_KEY",
            settings.data_dir / "credentials.key",
        ),
        api_key_pepper=_derived(signing, b"api keys"),
        cursor_key=_derived(signing, b"cursors"),
    )


def _secret(configured: SecretStr | None, name: str, path: Path) -> bytes:
    if configured is not None:
        return _decoded(configured.get_secret_value(), name)
    if path.exists():
        return _decoded(path.read_text(encoding="ascii"), str(path))
    return _made(path)


def _made(path: Path) -> bytes:
    secret = os.urandom(_KEY_BYTES)
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        # Another process was faster; there must be one secret only.
        return _decoded(path.read_text(encoding="ascii"), str(path))
    with os.fdopen(descriptor, "wb") as file:
        file.write(base64.b64encode(secret))
    return secret


def _decoded(text: str, name: str) -> bytes:
    try:
        secret = base64.b64decode(text.strip(), validate=True)
    except (binascii.Error, ValueError) as error:
        raise SecretUnusable(f"{name} must be base64") from error
    if len(secret) != _KEY_BYTES:
        raise SecretUnusable(f"{name} must be {_KEY_BYTES} bytes in base64")
    return secret


def _derived(secret: bytes, purpose: bytes) -> bytes:
    """Give each use a key of its own, so that one leaking tells nothing of the others."""
    return hmac.new(secret, b"brokergw " + purpose, hashlib.sha256).digest()
