"""The fixtures of all tests, as a list of plugins."""

import os
import sys

import hypothesis
import pytest
import structlog

# Where a machine is told to keep nothing compiled, each process that a test starts would compile all that it imports.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
sys.dont_write_bytecode = False

# The library's own way to show an exception draws every variable of every frame, which takes longer than many a test.
structlog.configure(
    processors=[
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.dev.ConsoleRenderer(colors=False, exception_formatter=structlog.dev.plain_traceback),
    ]
)

# A run of the tests is the same each time; `--hypothesis-profile=search` looks for what nobody has seen yet.
hypothesis.settings.register_profile("same", derandomize=True, database=None, deadline=None)
hypothesis.settings.register_profile("search", deadline=None)
hypothesis.settings.load_profile("same")

# Fixtures may build on each other: their assertions are rewritten whichever is imported first.
pytest.register_assert_rewrite("tests.fixtures")

pytest_plugins = [
    "tests.fixtures.audit_log",
    "tests.fixtures.bare_client",
    "tests.fixtures.binance",
    "tests.fixtures.books",
    "tests.fixtures.builds",
    "tests.fixtures.clock",
    "tests.fixtures.scripted_broker",
    "tests.fixtures.command_line",
    "tests.fixtures.edge",
    "tests.fixtures.fake_gateway",
    "tests.fixtures.gate_world",
    "tests.fixtures.gateway_at_sim",
    "tests.fixtures.gateway_process",
    "tests.fixtures.market",
    "tests.fixtures.order",
    "tests.fixtures.pace",
    "tests.fixtures.replica_processes",
    "tests.fixtures.replicas",
    "tests.fixtures.peopled",
    "tests.fixtures.questions",
    "tests.fixtures.scripted_broker",
    "tests.fixtures.settings_place",
    "tests.fixtures.sim",
    "tests.fixtures.sim_wire",
    "tests.fixtures.stores",
    "tests.fixtures.story",
]
