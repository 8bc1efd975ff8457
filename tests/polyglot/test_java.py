import os
from pathlib import Path

from tests.fixtures.builds import build, build_java_client
from tests.fixtures.gateway_process import GatewayStarter
from tests.polyglot.story import check_story, run_strategy


def test_a_strategy_in_java_trades_replays_resumes_and_reads_refusals(start_gateway: GatewayStarter) -> None:
    """A Java program generated from the contract keeps the key rule and misses no fill."""
    target = build("java", Path(__file__).parent / "java", build_java_client) / "target"
    classpath = os.pathsep.join([str(target / "classes"), str(target / "lib" / "*")])
    check_story(run_strategy(["java", "-cp", classpath, "brokergw.polyglot.Main"], start_gateway()))
