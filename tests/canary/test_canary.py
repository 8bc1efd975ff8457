"""Secrets are planted everywhere, everything breaks, and nothing sings."""

import re
from pathlib import Path

import pytest

from tests.canary.planted import Planted, canary
from tests.canary.scene import FORCED, GRANTED, run


@pytest.mark.parametrize("database", ["sqlite", "postgresql"])
def test_no_secret_leaves_a_gateway_that_breaks_everywhere(
    database: str, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    """At DEBUG, with every layer failing, no piece of a secret is in logs, replies, traces, metrics, rows or files."""
    url = "" if database == "sqlite" else request.getfixturevalue("postgresql_of_module")
    scene = run(tmp_path, url)
    assert scene.planted.names > {*FORCED, *GRANTED}
    assert [point for point, told in scene.broken.items() if not told] == []
    assert all(scene.places[place] for place in ("gateway.log", "replies", "metrics", "traces", "alerts"))
    assert not url or b"canary" in scene.places["rows"]
    assert scene.planted.found_in(scene.places) == {}
    # The end itself was forced, and told in one line of the log, without a traceback beside it.
    assert scene.exit_code == 1
    assert "the process ends on an error" in scene.gateway.log()
    assert "\nTraceback" not in scene.gateway.log()
    assert re.search(r"Max core file size +0 +0 ", scene.limits)


def test_without_the_last_defence_every_secret_is_found(tmp_path: Path) -> None:
    """The same run without redaction shows each forced secret in the log: the search finds what is there."""
    scene = run(tmp_path, bare=True)
    found = scene.planted.found_in({"log": scene.places["gateway.log"]})
    assert found.keys() >= FORCED


def test_the_search_knows_every_way_to_write_a_secret() -> None:
    """Eight characters are enough, plain or encoded; seven are not."""
    planted = Planted()
    secret = planted.plant("x", canary())
    for text in (secret[5:13], secret[5:13].encode().hex(), f"a{secret[5:13]}b"):
        assert planted.found_in({"here": text.encode()}) == {"x": {"here"}}
    assert planted.found_in({"here": secret[5:12].encode()}) == {}
