"""The check of generated code can tell fresh from stale."""

import shutil
from pathlib import Path

from tests.architecture.generated_is_fresh import differences, generate, stale
from tests.architecture.sources import ROOT

PROTO = 'syntax = "proto3";\npackage sample;\nmessage Order { string symbol = 1; }\n'


def test_what_is_committed_is_what_the_contract_generates() -> None:
    """Nobody has edited generated code, or the contract without generating again."""
    assert stale(ROOT / "proto", ROOT / "generated") == []


def test_a_changed_contract_a_lost_and_a_left_over_file_are_told(tmp_path: Path) -> None:
    """A stale, a missing and an orphaned file are each named."""
    proto, committed = tmp_path / "proto", tmp_path / "generated"
    proto.mkdir()
    committed.mkdir()
    (proto / "sample.proto").write_text(PROTO)
    generate(proto, committed)
    assert stale(proto, committed) == []

    (proto / "sample.proto").write_text(PROTO.replace("symbol", "ticker"))
    (committed / "sample_pb2_grpc.py").unlink()
    (committed / "gone_pb2.py").write_text("")

    assert stale(proto, committed) == ["gone_pb2.py", "sample_pb2.py", "sample_pb2.pyi", "sample_pb2_grpc.py"]


def test_equal_trees_have_no_differences(tmp_path: Path) -> None:
    """Comparing a tree with its own copy finds nothing."""
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "orders_pb2.py").write_text("x = 1")
    shutil.copytree(tmp_path / "a", tmp_path / "b")
    assert differences(tmp_path / "a", tmp_path / "b") == []
