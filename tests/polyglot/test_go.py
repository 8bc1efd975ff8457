from pathlib import Path

from tests.fixtures.builds import build, build_go_client
from tests.fixtures.gateway_process import GatewayStarter
from tests.polyglot.story import check_story, run_strategy


def test_a_strategy_in_go_trades_replays_resumes_and_reads_refusals(start_gateway: GatewayStarter) -> None:
    """A Go program generated from the contract keeps the key rule and misses no fill."""
    built = build("go", Path(__file__).parent / "go", build_go_client)
    check_story(run_strategy([built / "client"], start_gateway()))
