"""Users' roles over a SQL database."""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from typing import Final

from sqlalchemy import Connection, delete, insert, select

from brokergw.model.errors import GatewayError, Reason
from brokergw.model.events import AuditRow
from brokergw.model.principal import Role
from brokergw.model.whose import everyone, only, these
from brokergw.store.audit.chain import write_audit
from brokergw.store.database.reader import Reader
from brokergw.store.database.work import RunsWork
from brokergw.store.identity.directory import make_user_known
from brokergw.store.identity.version import note_change
from brokergw.store.tables import USER_ROLES

_LAST: Final = everyone("whether an administrator is left is asked of all users")
_LISTED: Final = everyone("an operator lists the roles of all users")


class SqlRoles:
    """Implements `ports.identity.RoleDirectory`."""

    def __init__(self, run: RunsWork, reader: Reader) -> None:
        self._run = run
        self._reader = reader

    async def of(self, user_id: str) -> frozenset[Role]:
        """Give a user's roles, USER among them."""
        return await self._reader.query(only(user_id), lambda database: roles_of(database, user_id))

    async def list(self) -> Mapping[str, frozenset[Role]]:
        """Give every user that has a role beyond USER, with those roles."""
        wanted = select(USER_ROLES.c.user_id, USER_ROLES.c.role).order_by(USER_ROLES.c.user_id)
        rows = await self._reader.query(_LISTED, lambda database: database.execute(wanted).all())
        found: defaultdict[str, set[Role]] = defaultdict(set)
        for user_id, role in rows:
            found[user_id].add(Role(role))
        return {user_id: frozenset(roles) for user_id, roles in found.items()}

    async def grant(self, user_id: str, role: Role, audit: AuditRow) -> None:
        """Give a user a role, once; makes the user known."""

        def work(database: Connection) -> None:
            make_user_known(database, user_id, audit.time_ns)
            grant_roles(database, user_id, {role}, audit.time_ns, audit.user_id)
            note_change(database)
            write_audit(database, audit)

        await self._run(these((user_id, audit.user_id)), work)

    async def revoke(self, user_id: str, role: Role, audit: AuditRow) -> bool:
        """Take a role away; False when the user did not have it. Raises LAST_ADMIN."""

        def work(database: Connection) -> bool:
            # Changing the version first, two processes cannot each take one of the last two away.
            note_change(database)
            held = USER_ROLES.c.user_id == user_id, USER_ROLES.c.role == role.value
            if not database.execute(delete(USER_ROLES).where(*held)).rowcount:
                return False
            if role is Role.ADMIN and not any_admin(database):
                raise GatewayError(Reason.LAST_ADMIN, f"{user_id} is the last administrator")
            write_audit(database, audit)
            return True

        return bool(await self._run(_LAST, work))


def any_admin(database: Connection) -> bool:
    """Tell whether anybody is an administrator."""
    wanted = select(USER_ROLES.c.user_id).where(USER_ROLES.c.role == Role.ADMIN.value).limit(1)
    return database.scalar(wanted) is not None


def grant_roles(database: Connection, user_id: str, roles: Iterable[Role], time_ns: int, granted_by: str) -> None:
    """Give a user the roles that it does not have yet; USER is nobody's to give."""
    for role in sorted(set(roles) - roles_of(database, user_id)):
        row = {"user_id": user_id, "role": role.value, "grant_time_ns": time_ns, "granted_by": granted_by}
        database.execute(insert(USER_ROLES).values(row))


def roles_of(database: Connection, user_id: str) -> frozenset[Role]:
    """Give a user's roles, USER among them."""
    wanted = select(USER_ROLES.c.role).where(USER_ROLES.c.user_id == user_id)
    return frozenset(map(Role, database.scalars(wanted))) | {Role.USER}
