"""The built-in broker: play money on the deterministic exchange; start at README.md."""

from brokergw.adapters.mock.adapter import MockConnection
from brokergw.adapters.mock.broker import MockBroker
from brokergw.adapters.mock.config import MockConfig

__all__ = ["MockBroker", "MockConfig", "MockConnection"]
