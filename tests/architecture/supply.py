"""What the product is made of, and what is known against it: `python -m tests.architecture.supply`.

Writes the bill of materials (CycloneDX, with licences) to `dist/sbom.cdx.json`, the same bytes from the same lock, and
asks for advisories about what is locked. Where no source of advisories can be reached it says so, loudly, and goes on.
"""

import json
import subprocess
import sys
from importlib.metadata import PackageNotFoundError, metadata
from pathlib import Path
from typing import Any, Final

ROOT: Final = Path(__file__).parents[2]
BILL: Final = ROOT / "dist" / "sbom.cdx.json"
UV: Final = Path(sys.executable).with_name("uv")
UNREACHED: Final = ("dns error", "Connect)", "timed out", "error sending request")
_FINE: Final = 0
_TIMEOUT_S: Final = 120


def bill_of(exported: str) -> str:
    """Make the bill of what uv has exported: without the moment and the chance in it, with licences."""
    bill: dict[str, Any] = json.loads(exported)
    bill.pop("serialNumber", None)
    bill["metadata"].pop("timestamp", None)
    for part in bill["components"]:
        licence = licence_of(part["name"])
        if licence:
            part["licenses"] = [{"license": {"name": licence}}]
    return json.dumps(bill, indent=1, sort_keys=True) + "\n"


def licence_of(name: str) -> str:
    """Give the licence that an installed distribution declares; empty when it is not installed or declares none."""
    try:
        told = metadata(name)
    except PackageNotFoundError:
        return ""
    expressions = told.get_all("License-Expression")
    if expressions:
        return str(expressions[0])
    classes = [each for each in told.get_all("Classifier") or () if each.startswith("License ::")]
    if classes:
        return "; ".join(each.rpartition(" :: ")[2] for each in classes)
    return str((told.get_all("License") or [""])[0]).partition("\n")[0][:80]


def verdict_on(code: int, said: str) -> tuple[int, str]:
    """Tell what an audit came to, and the status to end with: 0 unless something is known against what is locked."""
    if code == _FINE:
        return 0, "advisories: nothing is known against what is locked"
    if any(words in said for words in UNREACHED):
        return 0, "advisories: NOT CHECKED, no source of advisories can be reached from here; run it where one can"
    return 1, said


def _run(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([UV, *arguments], cwd=ROOT, capture_output=True, text=True, timeout=_TIMEOUT_S, check=False)


def main() -> int:
    """Write the bill, and ask for advisories."""
    exported = _run("export", "--format", "cyclonedx1.5", "--frozen", "--no-dev", "--quiet")
    if exported.returncode != _FINE:
        sys.stderr.write(exported.stderr)
        return 1
    BILL.parent.mkdir(exist_ok=True)
    BILL.write_text(bill_of(exported.stdout), "utf-8")
    audited = _run("audit", "--frozen")
    status, told = verdict_on(audited.returncode, audited.stdout + audited.stderr)
    sys.stderr.write(f"{told}\n")
    return status


if __name__ == "__main__":
    raise SystemExit(main())
