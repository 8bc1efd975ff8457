"""What adapters are told when a session opens: addresses once, the pace at every request."""

from dataclasses import replace

from brokergw.desk.sessions import Sessions
from brokergw.model.account import Environment
from brokergw.model.broker_config import BrokerConfig
from brokergw.ports.broker import BrokerLink, Credentials, Pace
from tests.fixtures.clock import FakeClock
from tests.fixtures.scripted_broker import Bench, ScriptedBroker, one_connection

CONFIG = BrokerConfig(
    broker="scripted",
    paper_url="https://paper.example",
    live_url="https://live.example",
    data_url="https://data.example",
    requests_per_minute=100,
)


def a_link(sessions: Sessions, environment: Environment) -> BrokerLink:
    return sessions.link("scripted", environment, Credentials(key="key", secret="secret"), "con_1", "acc_1")


def test_a_link_has_the_platforms_addresses_of_its_environment(clock: FakeClock) -> None:
    """Paper connections never get the live address, nor live ones the paper one."""
    sessions = Sessions(one_connection(), {"scripted": ScriptedBroker()}, clock, lambda _: CONFIG)
    urls = {where: a_link(sessions, where).trading_url for where in Environment}
    assert urls[Environment.PAPER] == "https://paper.example"
    assert urls[Environment.LIVE] == "https://live.example"
    assert a_link(sessions, Environment.LIVE).data_url == "https://data.example"


def test_a_link_without_a_configuration_leaves_the_adapter_its_own(clock: FakeClock) -> None:
    """Nothing is set, so nothing is changed."""
    link = a_link(Sessions(one_connection(), {}, clock), Environment.PAPER)
    assert (link.trading_url, link.data_url, link.pace()) == ("", "", Pace())


def test_the_pace_follows_the_configuration_and_the_processes(clock: FakeClock) -> None:
    """A session that is open already learns of both at its next request."""
    configs = {"scripted": CONFIG}
    sessions = Sessions(one_connection(), {}, clock, lambda broker: configs[broker])
    link = a_link(sessions, Environment.PAPER)
    assert link.pace() == Pace(requests_per_minute=100)
    configs["scripted"] = replace(CONFIG, requests_per_minute=50)
    sessions.processes = 3
    assert link.pace() == Pace(requests_per_minute=50, processes=3)


async def test_a_process_counts_those_that_live(bench: Bench) -> None:
    """Each turn of the background work tells how many processes share the brokers' budgets."""
    bench.leases.table.heard_ns["ins_other"] = bench.clock.now_ns()
    await bench.desk._holding._tend()
    assert bench.desk._sessions.processes == 2
