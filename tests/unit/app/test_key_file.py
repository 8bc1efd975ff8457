import base64
import os
from pathlib import Path
from typing import Final

import pytest
from pydantic import SecretStr, ValidationError

from brokergw.app.key_file import KeyFile
from brokergw.app.secret_text import SecretUnusable
from brokergw.app.secrets import load_secrets
from brokergw.app.settings import Settings
from brokergw.store.vault.ring import key_id_of

OLD, NEW = (bytes([number]) * 32 for number in (1, 2))
TEXTS: Final = {key: base64.b64encode(key).decode() for key in (OLD, NEW)}


def test_keys_stand_one_a_line(tmp_path: Path) -> None:
    """The first key seals; empty lines and remarks are none."""
    path = tmp_path / "keys"
    path.write_text(f"# since November\n{TEXTS[NEW]}  # new\n\n{TEXTS[OLD]}\n")
    settings = Settings(data_dir=tmp_path, credentials_key_file=path)
    assert load_secrets(settings).credentials_keys.ids == (key_id_of(NEW), key_id_of(OLD))


def test_keys_stand_between_commas(tmp_path: Path) -> None:
    """From the environment too there may be several, the first of which seals."""
    both = SecretStr(f"{TEXTS[NEW]},{TEXTS[OLD]}")
    settings = Settings(data_dir=tmp_path, credentials_encryption_key=both)
    assert load_secrets(settings).credentials_keys.ids == (key_id_of(NEW), key_id_of(OLD))


def test_keys_have_one_place(tmp_path: Path) -> None:
    """Where both the environment and a file are named, nobody knows which is meant."""
    with pytest.raises(ValidationError, match="exclude each other"):
        Settings(credentials_encryption_key=SecretStr(TEXTS[OLD]), credentials_key_file=tmp_path / "keys")


@pytest.mark.parametrize("text", ["", "# nothing\n", f"{TEXTS[OLD]}\n{TEXTS[OLD]}\n", "bm8ga2V5\n", "no base64!\n"])
def test_a_file_without_a_ring_is_refused(tmp_path: Path, text: str) -> None:
    """A file without keys, with one twice or with something else in it is refused in words that show none."""
    path = tmp_path / "keys"
    path.write_text(text)
    with pytest.raises(SecretUnusable) as refused:
        load_secrets(Settings(data_dir=tmp_path, credentials_key_file=path))
    assert TEXTS[OLD] not in str(refused.value)


def test_a_named_file_is_not_made(tmp_path: Path) -> None:
    """A file that is named and not there is a mistake: a key made in its place would open nothing."""
    with pytest.raises(FileNotFoundError):
        load_secrets(Settings(data_dir=tmp_path, credentials_key_file=tmp_path / "elsewhere"))


def test_a_changed_file_is_read_again(tmp_path: Path) -> None:
    """A ring takes over what has been written into its file since, and only then."""
    path = tmp_path / "keys"
    path.write_text(TEXTS[OLD])
    ring = load_secrets(Settings(data_dir=tmp_path, credentials_key_file=path)).credentials_keys
    assert not ring.refresh()
    path.write_text(f"{TEXTS[NEW]}\n{TEXTS[OLD]}\n")
    assert ring.refresh()
    assert ring.ids == (key_id_of(NEW), key_id_of(OLD))


@pytest.mark.parametrize("text", ["half a k", ""])
def test_an_unusable_file_leaves_the_keys_as_they_are(tmp_path: Path, text: str) -> None:
    """While a file is half written, empty or gone, the keys that were read last stay in use."""
    path = tmp_path / "keys"
    path.write_text(TEXTS[OLD])
    file = KeyFile(path)
    assert file.read() == [OLD]
    path.write_text(text)
    assert not file.reread()
    path.unlink()
    assert file.reread() is None
    path.write_text(TEXTS[NEW])
    os.utime(path, ns=(1, 1))
    assert file.reread() == [NEW]
