"""The fixtures of all tests, as a list of plugins."""

pytest_plugins = [
    "tests.fixtures.bare_client",
    "tests.fixtures.builds",
    "tests.fixtures.clock",
    "tests.fixtures.fake_gateway",
    "tests.fixtures.gateway_process",
    "tests.fixtures.sim",
]
