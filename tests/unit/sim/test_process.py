"""The simulator as a program of its own."""

import json
import urllib.request

import pytest

from brokergw.sim.__main__ import main
from tests.fixtures.sim import sim_in_process


def test_a_process_prints_its_urls_and_ends_on_sigterm() -> None:
    """`python -m brokergw.sim alpaca --print-url` says where it listens, serves, and exits with 0 when terminated."""
    with sim_in_process("--key", "PKONE:one", "--rate-limit", "200") as sim:
        assert sim.stream_url == sim.url.replace("http", "ws") + "/stream"
        request = urllib.request.Request(  # noqa: S310 - loopback
            f"{sim.url}/v2/account", headers={"APCA-API-KEY-ID": "PKONE", "APCA-API-SECRET-KEY": "one"}
        )
        with urllib.request.urlopen(request, timeout=5) as answer:  # noqa: S310 - loopback
            assert answer.headers["X-RateLimit-Remaining"] == "199"
            assert json.load(answer)["cash"] == "100000"
        assert sim.control("GET", "state")["ticking"] is True


def test_a_malformed_key_ends_the_program_with_words(capsys: pytest.CaptureFixture[str]) -> None:
    """Exit code 2 and one line that says what is wrong."""
    assert main(["alpaca", "--key", "nosecret"]) == 2
    assert "KEY_ID:SECRET" in capsys.readouterr().err


@pytest.mark.parametrize("arguments", [("--key", "a:b"), ("--rate-limit", "5"), ("--account", "no account")])
def test_what_is_not_for_a_dialect_is_refused(arguments: tuple[str, str], capsys: pytest.CaptureFixture[str]) -> None:
    """The simulated gateway has a person and a fixed pace, and no keys; what makes no sense ends with words."""
    assert main(["ibkr", *arguments]) == 2
    assert capsys.readouterr().err.startswith("brokergw.sim: ")
