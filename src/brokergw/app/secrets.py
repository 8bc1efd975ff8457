"""The gateway's own secrets: from the environment, or made once and kept in files that only the owner can read."""

import base64
import hashlib
import hmac
import os
from dataclasses import dataclass, field
from pathlib import Path

from pydantic import SecretStr

from brokergw.app.key_file import KeyFile
from brokergw.app.secret_text import KEY_BYTES, SecretUnusable, decoded_key
from brokergw.app.settings import Settings
from brokergw.store.vault.ring import KeyRing


@dataclass(frozen=True, slots=True)
class Secrets:
    """The ring of keys that seal credentials, and 32 bytes for each other use; prints as stars."""

    credentials_keys: KeyRing
    api_key_pepper: bytes = field(repr=False)
    cursor_key: bytes = field(repr=False)
    audit_key: bytes = field(repr=False)


def load_secrets(settings: Settings) -> Secrets:
    """Read the secrets, making those that are neither configured nor on disk; raises SecretUnusable, and OSError."""
    signing = _secret(settings.signing_key, "BROKERGW_SIGNING_KEY", settings.data_dir / "signing.key")
    return Secrets(
        credentials_keys=_ring(settings),
        api_key_pepper=_derived(signing, b"api keys"),
        cursor_key=_derived(signing, b"cursors"),
        audit_key=_derived(signing, b"audit log"),
    )


def credentials_key_file(settings: Settings) -> Path:
    """Tell where the keys that seal credentials are, unless the environment holds them."""
    return settings.credentials_key_file or settings.data_dir / "credentials.key"


def _ring(settings: Settings) -> KeyRing:
    """Gather the keys that seal credentials, the first of which is made where there is none."""
    configured, name = settings.credentials_encryption_key, "CREDENTIALS_ENCRYPTION_KEY"
    try:
        if configured is not None:
            return KeyRing([decoded_key(each, name) for each in configured.get_secret_value().split(",")])
        path = credentials_key_file(settings)
        if not path.exists() and settings.credentials_key_file is None:
            _made(path)
        file = KeyFile(path)
        return KeyRing(file.read(), file.reread)
    except SecretUnusable:
        raise
    except ValueError as error:
        raise SecretUnusable(f"the keys that seal credentials cannot be used: {error}") from None


def _secret(configured: SecretStr | None, name: str, path: Path) -> bytes:
    if configured is not None:
        return decoded_key(configured.get_secret_value(), name)
    if path.exists():
        return decoded_key(path.read_text(encoding="ascii"), str(path))
    return _made(path)


def _made(path: Path) -> bytes:
    secret = os.urandom(KEY_BYTES)
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        # Another process was faster; there must be one secret only.
        return decoded_key(path.read_text(encoding="ascii"), str(path))
    with os.fdopen(descriptor, "wb") as file:
        file.write(base64.b64encode(secret))
    return secret


def _derived(secret: bytes, purpose: bytes) -> bytes:
    """Give each use a key of its own, so that one leaking tells nothing of the others."""
    return hmac.new(secret, b"brokergw " + purpose, hashlib.sha256).digest()
