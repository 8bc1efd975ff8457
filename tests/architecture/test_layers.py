"""Every import contract in pyproject.toml can be broken, so a kept one means something."""

import os
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from tests.architecture.sources import ROOT

LINT_IMPORTS = Path(sys.executable).with_name("lint-imports")
CONTRACTS = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"]

BREACHES = {
    "layers": {"model/breach.py": "import brokergw.ports.clock"},
    "cycles": {"sim/breach_a.py": "import brokergw.sim.breach_b", "sim/breach_b.py": "import brokergw.sim.breach_a"},
    "adapters": {"adapters/alpaca/breach.py": "import brokergw.adapters.mock"},
    "below-desk": {"store/breach.py": "import brokergw.desk"},
    "outside": {"client/breach.py": "import brokergw.ports"},
    "client": {"client/breach.py": "import brokergw.model.money"},
    "transport": {"rpc/breach.py": "import brokergw.transport"},
    "exchange": {"desk/breach.py": "import brokergw.exchange"},
    "generated": {"app/breach.py": "import brokerapi.v1.orders_pb2"},
    "sql": {"desk/breach.py": "import sqlalchemy"},
    "grpc": {"ports/breach.py": "import grpc"},
    "http": {"adapters/alpaca/breach.py": "import aiohttp"},
}


def lint(root: Path) -> str:
    """Give what lint-imports prints about a copy of the repository."""
    search = os.pathsep.join([str(root / "src"), str(root / "generated")])
    run = subprocess.run(
        [LINT_IMPORTS, "--no-cache", "--no-logo"],
        cwd=root,
        env={**os.environ, "PYTHONPATH": search, "COLUMNS": "300"},
        capture_output=True,
        text=True,
        check=False,
    )
    return run.stdout + run.stderr


@pytest.fixture
def house(tmp_path: Path) -> Path:
    """Copy what import-linter reads."""
    for folder in ("src", "generated"):
        shutil.copytree(ROOT / folder, tmp_path / folder, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    return tmp_path


def test_each_contract_has_a_breach_to_prove_it() -> None:
    """No contract is added without showing that it can be broken."""
    assert [contract["id"] for contract in CONTRACTS] == list(BREACHES)


def test_every_contract_is_kept(house: Path) -> None:
    """The house as it stands breaks none."""
    assert f"{len(CONTRACTS)} kept, 0 broken" in lint(house)


def test_every_contract_can_be_broken(house: Path) -> None:
    """One bad import for each contract breaks them all."""
    for files in BREACHES.values():
        for name, line in files.items():
            with (house / "src/brokergw" / name).open("a") as file:
                file.write(f"{line}\n")
    assert f"0 kept, {len(CONTRACTS)} broken" in lint(house)


def test_a_package_without_a_layer_breaks_the_build(house: Path) -> None:
    """Nobody puts a room beside the plan."""
    (house / "src/brokergw/stray").mkdir()
    (house / "src/brokergw/stray/__init__.py").touch()
    assert "brokergw.stray" in lint(house)
