import re
from pathlib import Path

import pytest
from google.protobuf.message import Message

from brokergw.client import Client
from brokergw.client.channel import KEEPALIVE_S
from brokergw.rpc.methods import POLICIES
from brokergw.rpc.policy import MethodPolicy
from brokergw.rpc.settings import RpcSettings

PAGE = (Path(__file__).parents[3] / "docs/api.md").read_text("utf-8")
SETTINGS = RpcSettings()


def takes_etag(request: type[Message]) -> bool:
    """Tell whether a request names what its caller has read, by itself or in what it replaces."""
    within = [field.message_type for field in request.DESCRIPTOR.fields if field.message_type is not None]
    return any("etag" in each.fields_by_name for each in (request.DESCRIPTOR, *within))


def row_of(policy: MethodPolicy) -> str:
    """Write a method's row as the page has it."""
    name = policy.method.rpartition("brokerapi.v1.")[2].replace("/", ".")
    scope = f"`{policy.scope.value}`" if policy.scope else "any key"
    spent = "none" if policy.budget.value == "none" else f"{policy.budget.value} {policy.cost}"
    once = "key" if policy.keyed else "etag" if takes_etag(policy.request) else ""
    return f"| `{name}` | {scope} | {'a stream' if policy.streams else spent} | {once} |"


def test_the_page_has_every_call_and_no_other() -> None:
    """Scope, budget and key of each call are those that the gateway enforces."""
    table = PAGE[PAGE.index("## Every call") : PAGE.index("## The Python client")]

    assert re.findall(r"^\| `.*$", table, re.MULTILINE) == [row_of(policy) for policy in POLICIES]


@pytest.mark.parametrize(
    "words",
    [
        f"| request | {SETTINGS.request_bytes_max:,} bytes |",
        f"| any message to the gateway | {SETTINGS.message_bytes_max:,} bytes |",
        f"| metadata of a call | {SETTINGS.metadata_bytes_max:,} bytes |",
        f"| order calls of a user | {SETTINGS.rates.orders_per_minute:,} a minute |",
        f"| reads of a user | {SETTINGS.rates.reads_per_minute:,} a minute |",
        f"| connection calls of a user | {SETTINGS.rates.connections_per_minute} a minute |",
        f"| open streams of a user | {SETTINGS.rates.streams_max} |",
        f"| unary calls of a user at once | {SETTINGS.rates.calls_in_flight_max:,} |",
        f"| calls from one address | {SETTINGS.rates.address_calls_per_minute:,} a minute |",
        f"| wrong keys from one address | {SETTINGS.rates.failed_credentials_per_minute} a minute |",
        f"less than {SETTINGS.deadline_min_s:g} s left",
        f"a call without a deadline gets {SETTINGS.deadline_default_s:g} s",
        f"pings idle connections every {SETTINGS.keepalive.time_s:g} s",
        f"not more often than every {SETTINGS.keepalive.ping_interval_min_s:g} s",
    ],
)
def test_the_figures_of_the_page_are_the_gateways(words: str) -> None:
    """Every published figure is the default that the gateway runs with."""
    assert words in " ".join(PAGE.split())


def test_the_client_pings_no_faster_than_the_gateway_permits() -> None:
    """The client's keepalive stays within the published policy."""
    assert KEEPALIVE_S >= 30 >= SETTINGS.keepalive.ping_interval_min_s


def test_the_pages_example_is_python_that_the_client_has() -> None:
    """The example compiles, and every method that it calls exists."""
    example = re.search(r"```python\n(.*?)```", PAGE, re.DOTALL)
    assert example is not None

    compile(example[1], "docs/api.md", "exec")
    called = set(re.findall(r"client\.(\w+)\(", example[1]))
    assert called == {"list_accounts", "submit", "fills"}
    assert all(hasattr(Client, name) for name in called)


def test_every_call_of_the_contract_is_a_method_of_the_client() -> None:
    """Nothing that the gateway serves is out of the client's reach."""
    named = {"SubmitOrder": "submit", "ModifyOrder": "modify", "CancelOrder": "cancel", "CancelAllOrders": "cancel_all"}
    named |= {"BeginOAuth": "begin_oauth", "CompleteOAuth": "complete_oauth"}

    def method(rpc: str) -> str:
        if rpc.startswith("Subscribe"):
            return rpc.removeprefix("Subscribe").lower()
        return named.get(rpc, re.sub(r"(?<!^)(?=[A-Z])", "_", rpc).lower())

    assert [policy.name for policy in POLICIES if not hasattr(Client, method(policy.name))] == []
