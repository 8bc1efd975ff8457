"""Authlib, an OAuth client of others, walks the simulator's authorization server and meets each of its refusals."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest
import requests
from authlib.integrations.base_client import OAuthError
from authlib.integrations.requests_client import OAuth2Session

from brokergw.sim.oauth import MANNERS, Client
from tests.fixtures.oauth_world import APPLICATION, BASE, BrokerSide, broker_side

CALLBACK = f"{BASE}/oauth/callback/alpaca"
VERIFIER = "v" * 30 + "-._~" + "7" * 30


@pytest.fixture
def side() -> Iterator[BrokerSide]:
    """A server that keeps to the standard in everything."""
    with broker_side(MANNERS["standard"]) as opened:
        yield opened


def client_of(side: BrokerSide, **changes: Any) -> OAuth2Session:
    """Open authlib's client of the registered application."""
    settings: dict[str, Any] = {
        "client_id": APPLICATION.client_id,
        "client_secret": APPLICATION.client_secret,
        "redirect_uri": CALLBACK,
        "scope": "trading data",
        "code_challenge_method": "S256",
        "token_endpoint_auth_method": "client_secret_basic",
    }
    return OAuth2Session(**settings | changes)


def agree(side: BrokerSide, client: OAuth2Session, **more: Any) -> str:
    """Go to the authorization page and agree: give the address that one is sent back to."""
    url, _ = client.create_authorization_url(
        side.sim.url + side.server.manners.authorize_path, **{"code_verifier": VERIFIER, **more}
    )
    reply = requests.get(url, allow_redirects=False, timeout=10)
    assert reply.status_code == 302, reply.text
    return reply.headers["location"]


def fetch(side: BrokerSide, client: OAuth2Session, address: str, **more: Any) -> dict[str, Any]:
    """Exchange the code of a callback."""
    url = side.sim.url + side.server.manners.token_path
    token: dict[str, Any] = client.fetch_token(
        url, authorization_response=address, **{"code_verifier": VERIFIER, **more}
    )
    return token


def refresh(side: BrokerSide, client: OAuth2Session, token: str) -> dict[str, Any]:
    """Exchange a refresh token."""
    fresh: dict[str, Any] = client.refresh_token(side.sim.url + side.server.manners.token_path, refresh_token=token)
    return fresh


def refused(why: str) -> Any:
    """Expect an error of OAuth."""
    return pytest.raises(OAuthError, match=f"^{why}:")


def account(side: BrokerSide, token: str) -> int:
    """Ask the broker's API with a token, and give the status."""
    headers = {"Authorization": f"Bearer {token}"}
    return requests.get(f"{side.sim.url}/v2/account", headers=headers, timeout=10).status_code


@pytest.mark.parametrize("method", ["client_secret_basic", "client_secret_post"])
def test_the_whole_way(side: BrokerSide, method: str) -> None:
    """Authorization with PKCE, exchange, use, refresh with rotation, and the end of the old pair."""
    client = client_of(side, token_endpoint_auth_method=method)
    token = fetch(side, client, agree(side, client))
    assert token["token_type"] == "bearer"
    assert token["expires_in"] == 3_600
    assert account(side, token["access_token"]) == 200
    fresh = refresh(side, client, token["refresh_token"])
    assert account(side, fresh["access_token"]) == 200
    assert account(side, token["access_token"]) == 401
    assert fresh["refresh_token"] != token["refresh_token"]


def test_the_state_and_the_issuer_come_back(side: BrokerSide) -> None:
    """The callback has the very state, and says who has answered."""
    address = agree(side, client_of(side), state="a state / of ours")
    told = dict(parse_qsl(urlsplit(address).query))
    assert (told["state"], told["iss"]) == ("a state / of ours", "https://sim.test")


@pytest.mark.parametrize(
    "decision", ["access_denied", "server_error", "temporarily_unavailable", "invalid_scope", "unauthorized_client"]
)
def test_what_a_person_or_server_decides_comes_back(side: BrokerSide, decision: str) -> None:
    """Each error of the authorization endpoint comes back as its own, with the state and without a code."""
    side.server.decision = decision
    told = dict(parse_qsl(urlsplit(agree(side, client_of(side), state="ours")).query))
    assert (told["error"], told["state"]) == (decision, "ours")
    assert "code" not in told


def test_another_response_type_is_refused(side: BrokerSide) -> None:
    """Only codes are given."""
    client = client_of(side, response_type="token")
    assert "error=unsupported_response_type" in agree(side, client)


@pytest.mark.parametrize(
    "change", [{"redirect_uri": CALLBACK + "/"}, {"redirect_uri": "https://attacker.test/"}, {"client_id": "nobody"}]
)
def test_nobody_is_sent_to_an_address_that_is_not_registered(side: BrokerSide, change: dict[str, str]) -> None:
    """An address that differs in a slash, a foreign one, or an unknown client: a page, and no redirect."""
    url, _ = client_of(side, **change).create_authorization_url(
        side.sim.url + side.server.manners.authorize_path, code_verifier=VERIFIER
    )
    reply = requests.get(url, allow_redirects=False, timeout=10)
    assert reply.status_code == 400
    assert "location" not in reply.headers


def test_pkce_is_required_and_not_plain(side: BrokerSide) -> None:
    """Without a challenge, or with a plain one, there is no code."""
    assert "error=invalid_request" in agree(side, client_of(side, code_challenge_method=None), code_verifier=None)
    plain = {"code_challenge": VERIFIER, "code_challenge_method": "plain", "code_verifier": None}
    assert "error=invalid_request" in agree(side, client_of(side, code_challenge_method=None), **plain)


@pytest.mark.parametrize("verifier", ["w" * 64, "", VERIFIER[:-1]])
def test_another_verifier_is_refused(side: BrokerSide, verifier: str) -> None:
    """A wrong verifier, none, and one that is cut."""
    client = client_of(side)
    with refused("invalid_grant"):
        fetch(side, client, agree(side, client), code_verifier=verifier or None)


def test_a_verifier_without_a_challenge_is_refused() -> None:
    """Who takes the challenge out on the way does not get through with a verifier: no downgrade."""
    with broker_side(replace(MANNERS["standard"], pkce="known")) as side:
        client = client_of(side, code_challenge_method=None)
        address = agree(side, client, code_verifier=None)
        with refused("invalid_grant"):
            fetch(side, client, address)


def test_a_code_is_good_once_and_its_tokens_end_with_the_second_use(side: BrokerSide) -> None:
    """A code that comes again is refused, and what it had given is revoked."""
    client = client_of(side)
    address = agree(side, client)
    token = fetch(side, client, address)
    with refused("invalid_grant"):
        fetch(side, client_of(side, state=None), address)
    assert account(side, token["access_token"]) == 401


@pytest.mark.parametrize(("seconds", "good"), [(590, True), (600, False), (601, False)])
def test_a_code_ends(side: BrokerSide, seconds: float, *, good: bool) -> None:
    """Within its ten minutes it is taken, and then no more."""
    client = client_of(side)
    address = agree(side, client)
    side.server.advance(seconds)
    if good:
        assert fetch(side, client, address)["access_token"]
    else:
        with refused("invalid_grant"):
            fetch(side, client, address)


def test_a_code_belongs_to_its_address(side: BrokerSide) -> None:
    """The exchange must name the address that the code was sent to."""
    client = client_of(side)
    address = agree(side, client)
    with refused("invalid_grant"):
        fetch(side, client, address, redirect_uri=CALLBACK + "x")


@pytest.mark.parametrize("change", [{"client_secret": "wrong"}, {"client_id": "nobody"}])
def test_who_is_not_the_client_is_refused(side: BrokerSide, change: dict[str, str]) -> None:
    """A wrong secret and an unknown client."""
    address = agree(side, client_of(side))
    with refused("invalid_client"):
        fetch(side, client_of(side, **change), address)


def test_another_clients_code_is_refused(side: BrokerSide) -> None:
    """A code is good for the client that it was given to."""
    other = Client(client_id="app-2", client_secret="another", redirect_uris=(CALLBACK,), account="PKSIMULATOR")
    side.server._clients["app-2"] = other  # type: ignore[index]
    address = agree(side, client_of(side))
    with refused("invalid_grant"):
        fetch(side, client_of(side, client_id="app-2", client_secret="another"), address)


def test_a_used_refresh_token_ends_its_family(side: BrokerSide) -> None:
    """The old token again is refused, and with it the new one dies."""
    client = client_of(side)
    token = fetch(side, client, agree(side, client))
    fresh = refresh(side, client, token["refresh_token"])
    with refused("invalid_grant"):
        refresh(side, client, token["refresh_token"])
    with refused("invalid_grant"):
        refresh(side, client, fresh["refresh_token"])
    assert account(side, fresh["access_token"]) == 401


def test_more_than_was_granted_is_refused(side: BrokerSide) -> None:
    """A refresh cannot widen the scope."""
    client = client_of(side, scope="trading")
    token = fetch(side, client, agree(side, client))
    client.scope = "trading withdraw"
    with refused("invalid_scope"):
        refresh(side, client, token["refresh_token"])


def test_another_grant_type_is_refused(side: BrokerSide) -> None:
    """No passwords."""
    url = side.sim.url + side.server.manners.token_path
    with refused("unsupported_grant_type"):
        client_of(side).fetch_token(url, username="me", password="mine", grant_type="password")


@pytest.mark.parametrize(("days", "good"), [(6.99, True), (7, False), (7.01, False)])
def test_schwab_ends_a_login_after_seven_days(days: float, *, good: bool) -> None:
    """However often it is refreshed, and counted from the login."""
    with broker_side(MANNERS["schwab"]) as side:
        client = client_of(side)
        token = fetch(side, client, agree(side, client))
        side.server.advance(3 * 86_400)
        token = refresh(side, client, token["refresh_token"])
        side.server.advance((days - 3) * 86_400)
        if good:
            assert refresh(side, client, token["refresh_token"])["access_token"]
        else:
            with refused("unsupported_token_type"):
                refresh(side, client, token["refresh_token"])


def revoke(side: BrokerSide, client: OAuth2Session, token: str, **more: Any) -> requests.Response:
    """Have a token ended."""
    reply: requests.Response = client.revoke_token(side.sim.url + side.server.manners.revoke_path, token=token, **more)
    return reply


@pytest.mark.parametrize("hint", ["refresh_token", "access_token", "something else", None])
def test_a_revoked_refresh_token_ends_its_login(side: BrokerSide, hint: str | None) -> None:
    """Whatever the hint says it is: no token of that login works any more."""
    client = client_of(side)
    token = fetch(side, client, agree(side, client))
    assert revoke(side, client, token["refresh_token"], token_type_hint=hint).status_code == 200
    assert account(side, token["access_token"]) == 401
    with refused("invalid_grant"):
        refresh(side, client, token["refresh_token"])


def test_a_revoked_access_token_leaves_the_refresh_token(side: BrokerSide) -> None:
    """The one ends, and with the other there is a new one."""
    client = client_of(side)
    token = fetch(side, client, agree(side, client))
    assert revoke(side, client, token["access_token"]).status_code == 200
    assert account(side, token["access_token"]) == 401
    assert account(side, refresh(side, client, token["refresh_token"])["access_token"]) == 200


def test_what_ended_already_or_never_was_is_no_error(side: BrokerSide) -> None:
    """The same token again, and one that nobody gave, are answered as if they had been revoked now."""
    client = client_of(side)
    token = fetch(side, client, agree(side, client))
    for each in (token["refresh_token"], token["refresh_token"], token["access_token"], "never given"):
        assert revoke(side, client, each).status_code == 200


@pytest.mark.parametrize("change", [{"client_secret": "wrong"}, {"client_id": "nobody"}])
def test_who_is_not_the_client_revokes_nothing(side: BrokerSide, change: dict[str, str]) -> None:
    """A wrong secret and an unknown client are refused, and the token lives."""
    client = client_of(side)
    token = fetch(side, client, agree(side, client))
    reply = revoke(side, client_of(side, **change), token["refresh_token"])
    assert (reply.status_code, reply.json()["error"]) == (401, "invalid_client")
    assert reply.headers["WWW-Authenticate"].startswith("Basic")
    assert account(side, token["access_token"]) == 200


def test_another_clients_token_is_not_revoked(side: BrokerSide) -> None:
    """A token ends for the client alone that it was given to."""
    other = Client(client_id="app-2", client_secret="another", redirect_uris=(CALLBACK,), account="PKSIMULATOR")
    side.server._clients["app-2"] = other  # type: ignore[index]
    client = client_of(side)
    token = fetch(side, client, agree(side, client))
    reply = revoke(side, client_of(side, client_id="app-2", client_secret="another"), token["refresh_token"])
    assert (reply.status_code, reply.json()["error"]) == (400, "invalid_grant")
    assert account(side, token["access_token"]) == 200


def test_a_kind_that_is_not_revoked_is_refused() -> None:
    """A server that ends refresh tokens only says so of an access token, which lives."""
    with broker_side(replace(MANNERS["standard"], revokes=("refresh_token",))) as side:
        client = client_of(side)
        token = fetch(side, client, agree(side, client))
        reply = revoke(side, client, token["access_token"])
        assert (reply.status_code, reply.json()["error"]) == (400, "unsupported_token_type")
        assert account(side, token["access_token"]) == 200


def test_a_revocation_names_a_token_in_a_form(side: BrokerSide) -> None:
    """Without a token, and in another way than a POST, it is no revocation."""
    url = side.sim.url + side.server.manners.revoke_path
    reply = revoke(side, client_of(side), "")
    assert (reply.status_code, reply.json()["error"]) == (400, "invalid_request")
    assert requests.get(url, params={"token": "t"}, timeout=10).status_code == 405


@pytest.mark.parametrize(("seconds", "good"), [(29, True), (30, False), (31, False)])
def test_a_repeat_is_forgiven_for_a_while(seconds: float, *, good: bool) -> None:
    """Where a server gives a grace, the token of before brings the same pair again, and then ends its family."""
    with broker_side(replace(MANNERS["standard"], reuse_grace_s=30)) as side:
        client = client_of(side)
        token = fetch(side, client, agree(side, client))
        fresh = refresh(side, client, token["refresh_token"])
        side.server.advance(seconds)
        if good:
            again = refresh(side, client, token["refresh_token"])
            assert again["access_token"] == fresh["access_token"]
            assert again["refresh_token"] == fresh["refresh_token"]
        else:
            with refused("invalid_grant"):
                refresh(side, client, token["refresh_token"])
            assert account(side, fresh["access_token"]) == 401
