"""Cards are assertions too: pytest shall explain those that fail."""

from pathlib import Path

import pytest

for _path in Path(__file__).parent.glob("*.py"):
    if _path.stem == "steps" or _path.stem.startswith("cards_"):
        pytest.register_assert_rewrite(f"tests.conformance.adapter.{_path.stem}")
