"""The wheel holds everything and imports by itself; the editable install sees the sources."""

import subprocess
import sys
import zipfile
from collections.abc import Iterable
from pathlib import Path

import pytest

from tests.architecture.sources import ROOT

WHERE = "import brokergw, brokerapi.v1.orders_pb2 as orders; print(brokergw.__file__); print(orders.__file__)"


def missing_from(names: Iterable[str], *packages: Path) -> list[str]:
    """Name every file of some packages that a wheel lacks: modules, migrations, type markers, data."""
    wanted = {
        file.relative_to(package.parent).as_posix()
        for package in packages
        for file in package.rglob("*")
        if file.is_file() and file.suffix != ".pyc"
    }
    return sorted(wanted - set(names))


def imported_from(code: str, cwd: Path) -> list[Path]:
    """Run a program in a fresh, isolated interpreter and give the paths that it prints."""
    run = subprocess.run([sys.executable, "-I", "-c", code], cwd=cwd, capture_output=True, text=True, check=True)
    return [Path(line) for line in run.stdout.splitlines()]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Build the wheel from the tree as it stands, without network or isolation."""
    target = tmp_path_factory.mktemp("dist")
    subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", target],
        cwd=ROOT,
        check=True,
        capture_output=True,
    )
    return next(target.glob("*.whl"))


def test_the_wheel_holds_every_file_of_both_packages(wheel: Path) -> None:
    """Nothing that the product reads at run time stays behind: code, generated code, migrations."""
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
    assert missing_from(names, ROOT / "src/brokergw", ROOT / "generated/brokerapi") == []
    assert any(name.startswith("brokergw/store/migrations/versions/") for name in names)


def test_the_wheel_holds_nothing_else(wheel: Path) -> None:
    """Tests, bench and the like are not shipped."""
    with zipfile.ZipFile(wheel) as archive:
        roots = {name.split("/")[0] for name in archive.namelist()}
    assert {root for root in roots if not root.endswith(".dist-info")} == {"brokergw", "brokerapi"}


def test_what_the_wheel_holds_imports(wheel: Path, tmp_path: Path) -> None:
    """Both packages import from the unpacked wheel alone, whatever lies in the working directory."""
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(tmp_path)
    for path in imported_from(f"import sys; sys.path.insert(0, {str(tmp_path)!r}); {WHERE}", tmp_path):
        assert path.is_relative_to(tmp_path)


def test_the_editable_install_imports_the_sources(tmp_path: Path) -> None:
    """`make setup` puts both source roots on the path, from any working directory."""
    ours, generated = imported_from(WHERE, tmp_path)
    assert ours.is_relative_to(ROOT / "src")
    assert generated.is_relative_to(ROOT / "generated")


def test_a_file_that_a_wheel_lacks_is_named(tmp_path: Path) -> None:
    """The check of the wheel's contents can fail, and leaves compiled files out of it."""
    package = tmp_path / "brokergw"
    (package / "store").mkdir(parents=True)
    for name in ("__init__.py", "store/alembic.mako", "store/cached.pyc"):
        (package / name).touch()
    assert missing_from(["brokergw/__init__.py"], package) == ["brokergw/store/alembic.mako"]
    assert missing_from(["brokergw/__init__.py", "brokergw/store/alembic.mako"], package) == []
