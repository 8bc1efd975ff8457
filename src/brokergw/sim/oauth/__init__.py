"""OAuth authorization servers, made believe: one core, and what each broker does its own way."""

from brokergw.sim.oauth.manners import MANNERS, Manners
from brokergw.sim.oauth.server import AuthorizationServer, Client

__all__ = ["MANNERS", "AuthorizationServer", "Client", "Manners"]
