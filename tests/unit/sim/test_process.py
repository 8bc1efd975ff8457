"""The simulator as a program of its own."""

import json
import urllib.request
from urllib.parse import parse_qs, urlsplit

import httpx
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


def test_a_schwab_process_serves_its_accounts() -> None:
    """`python -m brokergw.sim schwab` takes account numbers with their tokens, and an application that may log in."""
    application = "app:secret:https://127.0.0.1"
    with sim_in_process("--key", "11112222:I0.one", "--oauth-client", application, dialect="schwab") as sim:
        request = urllib.request.Request(  # noqa: S310 - loopback
            f"{sim.url}/trader/v1/accounts/accountNumbers", headers={"Authorization": "Bearer I0.one"}
        )
        with urllib.request.urlopen(request, timeout=5) as answer:  # noqa: S310 - loopback
            assert [row["accountNumber"] for row in json.load(answer)] == ["11112222"]
        assert sim.control("GET", "state")["dialect"] == "schwab"


@pytest.mark.parametrize(("given", "life_s"), [((), 2_628_000), (("--token-life", "20"), 20)])
def test_a_ctrader_process_gives_out_tokens(given: tuple[str, ...], life_s: int) -> None:
    """An application may log in there, too, and its tokens live as long as cTrader's, or as long as one likes."""
    application = "7000_simulator:simulator-app-secret:https://127.0.0.1"
    with sim_in_process("--oauth-client", application, *given, dialect="ctrader") as sim:
        page = httpx.get(
            f"{sim.url}/my/settings/openapi/grantingaccess/",
            params={
                "client_id": "7000_simulator",
                "redirect_uri": "https://127.0.0.1",
                "scope": "trading",
                "response_type": "code",
            },
        )
        code = parse_qs(urlsplit(page.headers["Location"]).query)["code"][0]
        tokens = httpx.get(
            f"{sim.url}/apps/token",
            params={
                "grant_type": "authorization_code",
                "code": code,
                "redirect_uri": "https://127.0.0.1",
                "client_id": "7000_simulator",
                "client_secret": "simulator-app-secret",
            },
        )
        assert tokens.json()["expiresIn"] == life_s


def test_a_malformed_application_ends_the_program_with_words(capsys: pytest.CaptureFixture[str]) -> None:
    """Exit code 2 and one line that says what is wrong."""
    assert main(["schwab", "--oauth-client", "app:secret"]) == 2
    assert "REDIRECT_URI" in capsys.readouterr().err


def test_a_malformed_key_ends_the_program_with_words(capsys: pytest.CaptureFixture[str]) -> None:
    """Exit code 2 and one line that says what is wrong."""
    assert main(["alpaca", "--key", "nosecret"]) == 2
    assert "KEY_ID:SECRET" in capsys.readouterr().err


@pytest.mark.parametrize("arguments", [("--key", "a:b"), ("--rate-limit", "5"), ("--account", "no account")])
def test_what_is_not_for_a_dialect_is_refused(arguments: tuple[str, str], capsys: pytest.CaptureFixture[str]) -> None:
    """The simulated gateway has a person and a fixed pace, and no keys; what makes no sense ends with words."""
    assert main(["ibkr", *arguments]) == 2
    assert capsys.readouterr().err.startswith("brokergw.sim: ")
