import copy
import logging
import pickle
import traceback
from typing import Final

import pytest

from brokergw.ports.broker import Credentials

SECRET: Final = "never-to-be-seen"


def test_fields_are_read_by_name() -> None:
    """A field is read by its name, the two of an API key also as attributes; a missing one is told by name."""
    credentials = Credentials(key="PK123456", secret=SECRET, access_token="token")
    assert (credentials.key, credentials.secret, credentials["access_token"]) == ("PK123456", SECRET, "token")
    assert list(credentials) == ["key", "secret", "access_token"]
    with pytest.raises(KeyError, match="refresh_token"):
        credentials["refresh_token"]
    assert credentials == Credentials(access_token="token", secret=SECRET, key="PK123456")
    assert credentials != Credentials(key="PK123456")
    assert len({credentials, Credentials(access_token="token", secret=SECRET, key="PK123456")}) == 1


def test_nothing_of_them_is_printed(caplog: pytest.LogCaptureFixture) -> None:
    """repr, str, format, a log line and a traceback show stars."""
    credentials = Credentials(key=SECRET, secret=SECRET)
    logging.getLogger().error("with %s and %r", credentials, {"in": [credentials]})
    told = "".join(traceback.format_exception(ValueError(credentials)))
    shown = f"{credentials} {credentials!r} {credentials:}" + caplog.text + told
    assert SECRET not in shown
    assert "Credentials(***)" in shown


def test_they_cannot_be_changed_or_written_down() -> None:
    """No attribute can be set, no field replaced, and neither pickle nor copy takes them anywhere."""
    credentials = Credentials(key="k", secret=SECRET)
    with pytest.raises(AttributeError):
        credentials.key = "other"  # type: ignore[misc]
    with pytest.raises(TypeError):
        credentials["key"] = "other"  # type: ignore[index]
    for act in (pickle.dumps, copy.deepcopy):
        with pytest.raises(TypeError, match="not to be written down"):
            act(credentials)


@pytest.mark.parametrize(
    ("key", "shown"), [("", ""), ("1234567", ""), ("12345678", "5678"), ("PKTEST0123456789", "6789")]
)
def test_four_characters_of_a_key_are_shown_where_they_are_half_of_it_at_most(key: str, shown: str) -> None:
    """A key of seven characters shows none of them, one of eight the last four; without a key there is nothing."""
    assert Credentials(key=key).key_last_four == shown
    assert Credentials(access_token="0123456789").key_last_four == ""
