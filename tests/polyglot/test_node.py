from pathlib import Path

from tests.fixtures.builds import build, build_node_client
from tests.fixtures.gateway_process import GatewayStarter
from tests.polyglot.story import check_story, run_strategy


def test_a_strategy_in_typescript_trades_replays_resumes_and_reads_refusals(start_gateway: GatewayStarter) -> None:
    """A TypeScript program typed from the contract keeps the key rule and misses no fill."""
    built = build("node", Path(__file__).parent / "node", build_node_client)
    check_story(run_strategy(["node", built / "dist" / "main.js"], start_gateway()))
