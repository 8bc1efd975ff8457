"""What a log line may show."""

import json
import logging

import pytest
import structlog

from brokergw.app.logs import configure_logs
from brokergw.app.redaction import redact
from brokergw.desk.identity.key_form import mint_key


@pytest.mark.parametrize("name", ["api_key", "secret", "authorization", "password", "refresh_token", "credentials_key"])
def test_what_is_named_like_a_secret_is_masked(name: str) -> None:
    """The value does not matter, the name does."""
    assert redact(None, "info", {"event": "x", name: "value"}) == {"event": "x", name: "***"}


def test_an_api_key_is_masked_wherever_it_stands() -> None:
    """Also in the middle of a sentence of somebody else's library."""
    _, key = mint_key()
    event = redact(None, "info", {"event": f"refused {key} again", "header": f"Bearer {key}"})
    assert key not in json.dumps(dict(event))


def test_ids_of_keys_are_shown() -> None:
    """An id is what an operator looks for."""
    assert redact(None, "info", {"event": "x", "key_id": "abc"})["key_id"] == "abc"


def test_our_own_and_others_events_are_json_lines(capsys: pytest.CaptureFixture[str]) -> None:
    """Both go through one pipeline, level and time included, secrets out."""
    root = logging.getLogger()
    handlers, level = list(root.handlers), root.level
    try:
        configure_logs("INFO")
        structlog.get_logger("ours").info("hello", secret="s3cret")
        logging.getLogger("theirs").warning("world")
        lines = [json.loads(line) for line in capsys.readouterr().err.splitlines()]
    finally:
        root.handlers[:] = handlers
        root.setLevel(level)
        structlog.reset_defaults()
    assert [(line["event"], line["level"], line["logger"]) for line in lines] == [
        ("hello", "info", "ours"),
        ("world", "warning", "theirs"),
    ]
    assert lines[0]["secret"] == "***"
    assert all("timestamp" in line for line in lines)
