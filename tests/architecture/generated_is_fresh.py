"""Compare `generated/` with what the contract in `proto/` generates now; `make check` runs it."""

import filecmp
import os
import subprocess
import sys
import tempfile
from pathlib import Path

from tests.architecture.sources import ROOT

PLUGINS = Path(sys.executable).parent
HAND_MADE = frozenset({"__init__.py", "py.typed"})


def generate(proto: Path, target: Path) -> None:
    """Generate Python for every proto file, as `make gen` does."""
    outputs = (f"--python_out={target}", f"--grpc_python_out={target}", f"--mypy_out=quiet:{target}")
    files = sorted(str(file) for file in proto.rglob("*.proto"))
    subprocess.run(
        [
            *(sys.executable, "-m", "grpc_tools.protoc", "-I", str(proto)),
            *(*outputs, f"--mypy_grpc_out=quiet,only_async:{target}", *files),
        ],
        check=True,
        env={**os.environ, "PATH": f"{PLUGINS}{os.pathsep}{os.environ['PATH']}"},
    )


def differences(fresh: Path, committed: Path) -> list[str]:
    """Name every file that is stale, missing or left over, relative to its root."""
    names = _files(fresh) | _files(committed)
    return sorted(name for name in names if not _same(fresh / name, committed / name))


def stale(proto: Path, committed: Path) -> list[str]:
    """Generate anew and name every file that differs from what is committed."""
    with tempfile.TemporaryDirectory() as folder:
        generate(proto, Path(folder))
        return differences(Path(folder), committed)


def _files(root: Path) -> set[str]:
    files = (file for file in root.rglob("*.py*") if file.suffix in {".py", ".pyi"} and file.name not in HAND_MADE)
    return {file.relative_to(root).as_posix() for file in files}


def _same(left: Path, right: Path) -> bool:
    return left.exists() and right.exists() and filecmp.cmp(left, right, shallow=False)


def main() -> int:
    """Print what is stale; 1 if anything is."""
    names = stale(ROOT / "proto", ROOT / "generated")
    for name in names:
        sys.stderr.write(f"generated/{name} is not what proto/ generates: run make gen\n")
    return 1 if names else 0


if __name__ == "__main__":
    sys.exit(main())
