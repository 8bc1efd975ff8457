"""The fixtures of all tests, as a list of plugins."""

pytest_plugins = [
    "tests.fixtures.clock",
    "tests.fixtures.fake_gateway",
    "tests.fixtures.sim",
]
