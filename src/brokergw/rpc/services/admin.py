"""AdminService: what those see and set who are responsible for the risk of the platform, part by part."""

from brokergw.desk.identity.access import Access
from brokergw.rpc.needs import DeskFace
from brokergw.rpc.services.halts import EverybodysHalts
from brokergw.rpc.services.keys import EverybodysKeys
from brokergw.rpc.services.limits import EverybodysLimits
from brokergw.rpc.services.live import EverybodysModes
from brokergw.rpc.wire.paging import PageTokens


class AdminService(EverybodysLimits, EverybodysModes, EverybodysHalts, EverybodysKeys):
    """The platform's risk, and who has access to it."""

    def __init__(self, desk: DeskFace, access: Access, pages: PageTokens) -> None:
        self._limits = desk.limits
        self._live = desk.live
        self._halts = desk.halts
        self._access = access
        self._pages = pages
