import pytest
from brokerapi.v1 import brokers_pb2, connections_pb2, oauth_pb2, trading_pb2

from tests.fixtures.command_line import CommandLine
from tests.fixtures.fake_gateway import FakeGateway

SECRET = "the-secret-of-the-broker"
PAPER = ("connections", "create", "--broker", "alpaca", "--environment", "paper")
CREATE = (*PAPER, "--key", "PK1234")
MADE = connections_pb2.Connection(connection_id="con_1", broker="alpaca", has_key=True, key_last_four="1234")


@pytest.fixture(autouse=True)
def _answers(fake_gateway: FakeGateway) -> None:
    fake_gateway.answers["CreateConnection"] = connections_pb2.CreateConnectionResponse(connection=MADE)
    fake_gateway.answers["ListConnections"] = connections_pb2.ListConnectionsResponse(connections=[MADE])
    fake_gateway.answers["RevokeConnection"] = connections_pb2.RevokeConnectionResponse(connection=MADE)


async def test_the_secret_comes_from_a_pipe(fake_gateway: FakeGateway, command: CommandLine) -> None:
    """--secret-stdin reads one line."""
    typed = await command(*CREATE, "--secret-stdin", stdin=f"{SECRET}\n")

    assert typed.status == 0
    assert fake_gateway.calls[0].request.api_key.secret == SECRET
    assert SECRET not in typed.out + typed.err


async def test_the_secret_comes_from_the_environment(fake_gateway: FakeGateway, command: CommandLine) -> None:
    """--secret-env names the variable, and the command line holds its name only."""
    typed = await command(*CREATE, "--secret-env", "ALPACA_SECRET", ALPACA_SECRET=SECRET)

    assert typed.status == 0
    request = fake_gateway.calls[0].request
    assert (request.api_key.key, request.api_key.secret) == ("PK1234", SECRET)
    assert (request.broker, request.environment) == ("alpaca", trading_pb2.ENVIRONMENT_PAPER)


async def test_the_secret_is_asked_for_unseen(fake_gateway: FakeGateway, command: CommandLine) -> None:
    """Without a source the person is asked, and the answer is not echoed."""
    typed = await command(*CREATE, stdin=f"{SECRET}\n")

    assert fake_gateway.calls[0].request.api_key.secret == SECRET
    assert SECRET not in typed.out + typed.err


async def test_there_is_no_option_for_the_secret_itself(fake_gateway: FakeGateway, command: CommandLine) -> None:
    """A secret in argv would be readable by other users, so it cannot be typed there."""
    typed = await command(*CREATE, "--secret", SECRET)

    assert typed.status == 2
    assert fake_gateway.calls == []


@pytest.mark.parametrize(
    "words", [("--secret-env", "NOT_SET_ANYWHERE"), ("--secret-env", "A", "--secret-stdin"), ("--secret-stdin",)]
)
async def test_a_missing_secret_is_told_before_anything_is_sent(
    fake_gateway: FakeGateway, command: CommandLine, words: tuple[str, ...]
) -> None:
    """An empty source, or two, is a wrong command line."""
    typed = await command(*CREATE, *words, stdin="")

    assert typed.status == 2
    assert fake_gateway.calls == []


async def test_what_the_broker_wants_is_asked_for(fake_gateway: FakeGateway, command: CommandLine) -> None:
    """Without --key a broker of keys makes the verb ask for both halves, and only the secret is hidden."""
    alpaca = brokers_pb2.Broker(broker="alpaca", authentication="API_KEY_SECRET")
    fake_gateway.answers["GetBroker"] = brokers_pb2.GetBrokerResponse(broker=alpaca)

    typed = await command(*PAPER, stdin=f"PK1234\n{SECRET}\n")

    assert typed.status == 0
    (call,) = fake_gateway.seen("CreateConnection")
    assert (call.request.api_key.key, call.request.api_key.secret) == ("PK1234", SECRET)
    assert SECRET not in typed.out + typed.err


async def test_a_broker_without_keys_needs_no_secret(fake_gateway: FakeGateway, command: CommandLine) -> None:
    """The mock broker takes anybody, so nothing is asked."""
    mock = brokers_pb2.Broker(broker="mock", authentication="NONE")
    fake_gateway.answers["GetBroker"] = brokers_pb2.GetBrokerResponse(broker=mock)

    assert (await command("connections", "create", "--broker", "mock", "--environment", "mock")).status == 0
    (call,) = fake_gateway.seen("CreateConnection")
    assert not call.request.HasField("api_key")


async def test_a_pipe_for_the_secret_alone_needs_the_key_beside_it(
    fake_gateway: FakeGateway, command: CommandLine
) -> None:
    """The secret's line is never taken for the key id."""
    assert (await command(*PAPER, "--secret-stdin", stdin=f"{SECRET}\n")).status == 2
    assert fake_gateway.calls == []


@pytest.mark.parametrize(("authenticated", "status"), [(True, 0), (False, 3)])
async def test_a_test_tells_whether_the_broker_takes_the_credentials(
    fake_gateway: FakeGateway, command: CommandLine, *, authenticated: bool, status: int
) -> None:
    """A refusal by the broker is status 3 with its reason."""
    fake_gateway.answers["TestConnection"] = connections_pb2.TestConnectionResponse(
        connection=MADE, authenticated=authenticated, reason="" if authenticated else "BROKER_CREDENTIALS_REFUSED"
    )

    typed = await command("connections", "test", "con_1")

    assert typed.status == status
    assert ("BROKER_CREDENTIALS_REFUSED" in typed.out) is not authenticated


async def test_connections_are_listed_with_four_characters_of_their_key(command: CommandLine) -> None:
    """The table shows which key it is, and no more."""
    assert "…1234" in (await command("connections", "list")).out


async def test_a_revocation_asks_first(fake_gateway: FakeGateway, command: CommandLine) -> None:
    """A no sends nothing; --yes does not ask."""
    assert (await command("connections", "revoke", "con_1", stdin="n\n")).status == 130
    assert fake_gateway.calls == []
    assert (await command("connections", "revoke", "con_1", "--yes")).status == 0
    assert fake_gateway.calls[0].request.connection_id == "con_1"


CARD = connections_pb2.Connection(
    connection_id="con_1",
    broker="alpaca",
    label="[main]",
    health=connections_pb2.CONNECTION_HEALTH_HEALTHY,
    freshness=connections_pb2.CONNECTION_FRESHNESS_FRESH,
    permissions=[
        connections_pb2.Permission(
            tier=connections_pb2.PERMISSION_TIER_READ_ONLY, state=connections_pb2.PERMISSION_STATE_GRANTED
        ),
        connections_pb2.Permission(
            tier=connections_pb2.PERMISSION_TIER_PAPER,
            state=connections_pb2.PERMISSION_STATE_BLOCKED,
            detail="a drill [red]",
        ),
    ],
    scopes=[connections_pb2.READ_SCOPE_ORDERS],
    warnings=[connections_pb2.ConnectionWarning(message="Trading is halted [bold].")],
)


async def test_a_card_tells_everything_and_offers_no_order(fake_gateway: FakeGateway, command: CommandLine) -> None:
    """What others wrote is shown as they wrote it, whatever it looks like."""
    fake_gateway.answers["GetConnection"] = connections_pb2.GetConnectionResponse(connection=CARD)
    shown = (await command("connections", "show", "con_1")).out
    for words in ("[main]", "HEALTHY", "FRESH", "GRANTED", "BLOCKED a drill [red]", "Trading is halted [bold]."):
        assert words in shown
    assert "submit" not in shown


async def test_a_change_takes_its_secret_from_a_pipe(fake_gateway: FakeGateway, command: CommandLine) -> None:
    """New credentials come as those of a new connection do; a label needs none."""
    fake_gateway.answers["UpdateConnection"] = connections_pb2.UpdateConnectionResponse(connection=CARD)
    typed = await command("connections", "update", "con_1", "--key", "PK9", "--secret-stdin", stdin=f"{SECRET}\n")
    assert typed.status == 0
    assert SECRET not in typed.out + typed.err
    assert (await command("connections", "update", "con_1", "--label", "")).status == 0
    first, second = (call.request for call in fake_gateway.seen("UpdateConnection"))
    assert (first.api_key.key, first.api_key.secret) == ("PK9", SECRET)
    assert (second.label, second.HasField("label"), second.HasField("api_key")) == ("", True, False)


@pytest.mark.parametrize("words", [(), ("--secret-stdin",), ("--secret-env", "A")])
async def test_a_change_of_nothing_is_a_wrong_command_line(
    fake_gateway: FakeGateway, command: CommandLine, words: tuple[str, ...]
) -> None:
    """Without a key or a label nothing is sent."""
    assert (await command("connections", "update", "con_1", *words, stdin="x\n")).status == 2
    assert fake_gateway.calls == []


async def test_connections_are_followed(fake_gateway: FakeGateway, command: CommandLine) -> None:
    """Each is a line, first all of them and then those that change; as JSON a message each."""
    messages = [
        connections_pb2.WatchConnectionsResponse(snapshot_item=CARD),
        connections_pb2.WatchConnectionsResponse(snapshot_complete=connections_pb2.ConnectionsShown(count=1)),
        connections_pb2.WatchConnectionsResponse(changed=CARD),
    ]
    fake_gateway.script("WatchConnections", messages, messages)
    told = await command("connections", "watch", "--count", "2")
    assert told.out.count("con_1") == 2
    assert "Trading is halted [bold]." in told.out
    lines = (await command("connections", "watch", "--count", "2", "--json")).lines
    assert [list(each) for each in lines] == [["snapshot_item"], ["changed"]]


async def test_an_empty_view_explains_itself(fake_gateway: FakeGateway, command: CommandLine) -> None:
    """Where there is nothing to show, the gateway's own advice is told."""
    fake_gateway.answers["ListConnections"] = connections_pb2.ListConnectionsResponse(hint="Connect one.")
    assert "Connect one." in (await command("connections", "list")).err


BEGUN = oauth_pb2.BeginOAuthResponse(
    start_url="https://gw.test/oauth/start/alpaca?state=S", authorization_url="https://broker.test/a", state="S" * 43
)
AUTHORIZE = ("connections", "authorize", "--broker", "alpaca", "--environment", "paper", "--client-id", "app-1")
CAME_TO = "https://gw.test/oauth/callback/alpaca?code=C0.x%40&session=1&iss=https%3A%2F%2Fbroker.test"


async def test_an_authorization_is_completed_with_the_address(fake_gateway: FakeGateway, command: CommandLine) -> None:
    """The address that the broker sent the browser to is taken apart, decoded once, and handed in."""
    fake_gateway.answers["BeginOAuth"] = BEGUN
    fake_gateway.answers["CompleteOAuth"] = connections_pb2.CompleteOAuthResponse(connection=MADE)
    typed = await command(*AUTHORIZE, "--secret-env", "APP", APP=SECRET, stdin=f"{CAME_TO}\n")

    assert typed.status == 0, typed.err
    (begin,) = fake_gateway.seen("BeginOAuth")
    assert begin.request.application.client_secret == SECRET
    assert begin.request.environment == trading_pb2.ENVIRONMENT_PAPER
    (complete,) = fake_gateway.seen("CompleteOAuth")
    request = complete.request
    assert (request.broker, request.state, request.code) == ("alpaca", "S" * 43, "C0.x@")
    assert request.issuer == "https://broker.test"
    assert SECRET not in typed.out + typed.err


async def test_an_authorization_that_the_page_took_is_found(fake_gateway: FakeGateway, command: CommandLine) -> None:
    """After Enter the connection that was not there before is shown; without one the status says so."""
    fake_gateway.answers["BeginOAuth"] = BEGUN
    typed = await command(*AUTHORIZE, "--secret-env", "APP", APP=SECRET, stdin="\n")

    assert typed.status == 3
    assert fake_gateway.seen("CompleteOAuth") == []


@pytest.mark.parametrize("words", [(), ("--broker", "alpaca", "--connection", "con_1")])
async def test_what_to_authorize_is_said_once(
    fake_gateway: FakeGateway, command: CommandLine, words: tuple[str, ...]
) -> None:
    """Neither a broker nor a connection, or both: nothing is asked."""
    typed = await command("connections", "authorize", *words)

    assert typed.status == 2
    assert fake_gateway.calls == []


async def test_another_address_is_no_callback(fake_gateway: FakeGateway, command: CommandLine) -> None:
    """An address of something else is not handed in."""
    fake_gateway.answers["BeginOAuth"] = BEGUN
    typed = await command(*AUTHORIZE, "--secret-env", "APP", APP=SECRET, stdin="https://gw.test/else?code=1\n")

    assert typed.status == 2
    assert fake_gateway.seen("CompleteOAuth") == []
