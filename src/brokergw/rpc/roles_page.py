"""Writes the table of who may call what, for docs/identity.md: `python -m brokergw.rpc.roles_page`."""

import sys

from brokergw.model.principal import Role
from brokergw.model.roles import SCOPES_OF
from brokergw.rpc.methods import POLICIES

_ROLES = tuple(Role)


def matrix() -> str:
    """Give the table of methods by role; one row for each method of the contract."""
    head = f"| call | scope | {' | '.join(_ROLES)} |\n|---|---|{':-:|' * len(_ROLES)}\n"
    rows = []
    for policy in POLICIES:
        name = policy.method.rpartition(".")[2].replace("/", ".")
        marks = " | ".join("yes" if role in policy.roles else "" for role in _ROLES)
        rows.append(f"| `{name}` | {f'`{policy.scope}`' if policy.scope else 'any'} | {marks} |\n")
    return head + "".join(rows)


def scopes() -> str:
    """Give the table of scopes that each role may be given."""
    head = "| role | scopes that its credentials may have |\n|---|---|\n"
    rows = (f"| {role} | {', '.join(f'`{scope}`' for scope in sorted(SCOPES_OF[role]))} |\n" for role in _ROLES)
    return head + "".join(rows)


def filled(page: str) -> str:
    """Put both tables into a page, between its marks."""
    for name, table in (("scopes", scopes()), ("calls", matrix())):
        before, _, rest = page.partition(f"<!-- {name} -->\n")
        _, _, after = rest.partition(f"<!-- /{name} -->\n")
        page = f"{before}<!-- {name} -->\n{table}<!-- /{name} -->\n{after}"
    return page


if __name__ == "__main__":
    sys.stdout.write(filled(sys.stdin.read()))
