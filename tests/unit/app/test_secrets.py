"""The gateway's own secrets."""

import base64
import stat
from pathlib import Path

import pytest
from pydantic import SecretStr

from brokergw.app.secret_text import SecretUnusable
from brokergw.app.secrets import load_secrets
from brokergw.app.settings import Settings
from brokergw.store.vault.ring import key_id_of

KEY = base64.b64encode(bytes(range(32))).decode()


def test_secrets_are_made_once_and_kept_for_the_owner_only(tmp_path: Path) -> None:
    """A second start reads what the first one made; nobody else can."""
    settings = Settings(data_dir=tmp_path / "new")
    first = load_secrets(settings)
    again = load_secrets(settings)
    assert again.credentials_keys.ids == first.credentials_keys.ids
    assert (again.api_key_pepper, again.cursor_key) == (first.api_key_pepper, first.cursor_key)
    for name in ("credentials.key", "signing.key"):
        assert stat.S_IMODE((tmp_path / "new" / name).stat().st_mode) == 0o600


def test_each_use_has_a_key_of_its_own(tmp_path: Path) -> None:
    """One that leaks tells nothing of the others."""
    secrets = load_secrets(Settings(data_dir=tmp_path))
    assert secrets.api_key_pepper != secrets.cursor_key
    assert secrets.credentials_keys.primary.key_id not in {
        key_id_of(secrets.api_key_pepper),
        key_id_of(secrets.cursor_key),
    }


def test_configured_secrets_leave_no_file(tmp_path: Path) -> None:
    """What comes from the environment is not written down."""
    settings = Settings(data_dir=tmp_path, credentials_encryption_key=SecretStr(KEY), signing_key=SecretStr(KEY))
    assert load_secrets(settings).credentials_keys.ids == (key_id_of(bytes(range(32))),)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("bad", ["no base64!", base64.b64encode(b"short").decode()])
def test_an_unusable_secret_is_named_and_not_shown(tmp_path: Path, bad: str) -> None:
    """The sentence tells which variable and the rule."""
    settings = Settings(data_dir=tmp_path, credentials_encryption_key=SecretStr(bad))
    with pytest.raises(SecretUnusable, match="CREDENTIALS_ENCRYPTION_KEY must be") as caught:
        load_secrets(settings)
    assert bad not in str(caught.value)


def test_secrets_print_as_stars(tmp_path: Path) -> None:
    """Neither the settings nor the loaded secrets show anything in a repr."""
    settings = Settings(data_dir=tmp_path, signing_key=SecretStr(KEY))
    assert KEY not in repr(settings)
    assert "\\x" not in repr(load_secrets(settings))
