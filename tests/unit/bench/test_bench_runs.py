"""The bench runs: real processes, real calls, a table."""

import subprocess
import sys

from tests.architecture.sources import ROOT


def run(*arguments: str, module: str = "bench") -> subprocess.CompletedProcess[str]:
    """Run the bench as its users do."""
    command = [sys.executable, "-m", module, *arguments]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60, check=False)


def test_a_bare_peer_is_measured_at_every_load() -> None:
    """One short round over one case gives rates, latencies and CPU, and touches no results file."""
    done = run("--only", "a", "--rounds", "1", "--seconds", "0.2")
    assert done.returncode == 0, done.stderr
    rows = [line for line in done.stdout.splitlines() if line.startswith("│ a ")]
    assert len(rows) == 3
    assert all(row.count("to") == 4 for row in rows)
    assert "written" not in done.stdout


def test_a_case_that_does_not_exist_is_refused() -> None:
    """An unknown letter is told before anything is started."""
    done = run("--only", "z")
    assert done.returncode == 2
    assert "letters are a to g" in done.stderr


def test_gateway_is_measured_beside_itself_without_gates() -> None:
    """What the gates cost is told as parts of the rate, the median and the CPU of a gateway that has none."""
    done = run("--in-flight", "1", "--rounds", "1", "--seconds", "0.2", module="bench.gates")
    assert done.returncode == 0, done.stderr
    (row,) = [line for line in done.stdout.splitlines() if line.startswith("│         1 ")]
    assert row.count("to") == 3
