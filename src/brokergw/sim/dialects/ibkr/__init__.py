"""Interactive Brokers' Client Portal gateway: its REST interface, sessions, questions and websocket."""

from brokergw.sim.dialects.ibkr.app import IbkrDialect, serve_ibkr
from brokergw.sim.dialects.ibkr.options import DEFAULT_ACCOUNT, IbkrOptions

__all__ = ["DEFAULT_ACCOUNT", "IbkrDialect", "IbkrOptions", "serve_ibkr"]
