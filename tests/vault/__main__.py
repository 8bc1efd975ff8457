"""`python -m tests.vault`: rotate the keys of a vault in use, killing the rotation on the way, and look at the rest."""

import argparse
import asyncio
import sys
from pathlib import Path

from brokergw.store.check import upgrade_tables
from tests.chaos.postgresql import PostgresqlServer, open_directory
from tests.fixtures.two_roles import owned, served
from tests.vault.rounds import Report, play
from tests.vault.world import open_world


def main() -> int:
    """Run as told; the exit code is 1 when something was found."""
    chosen = _parser().parse_args()
    databases = ("sqlite", "postgresql") if chosen.database == "both" else (chosen.database,)
    failed = False
    for database in databases:
        report = asyncio.run(_run(database, chosen.records, chosen.kills, chosen.seed))
        _tell(database, report)
        failed |= bool(report.found)
    return 1 if failed else 0


async def _run(database: str, records: int, kills: int, seed: int) -> Report:
    with open_directory() as directory:
        if database == "sqlite":
            return await _play(directory, f"sqlite:///{directory / 'vault.db'}", records, kills, seed)
        server = PostgresqlServer(directory / "cluster")
        await server.make()
        await server.start()
        try:
            return await _play(directory, served(server.url), records, kills, seed)
        finally:
            await server.kill()


async def _play(directory: Path, url: str, records: int, kills: int, seed: int) -> Report:
    upgrade_tables(url, "" if url.startswith("sqlite") else owned(url))
    async with open_world(directory, url, records, seed) as world:
        return await play(world, kills)


def _tell(database: str, report: Report) -> None:
    killed = ", ".join(map(str, report.killed_at))
    sys.stdout.write(
        f"{database}: {report.records} records rotated in {report.took_s:.1f} s, killed at {killed}; meanwhile "
        f"{report.opened} openings (slowest {report.slowest_s * 1e3:.0f} ms) and {report.changed} changes, "
        f"{report.late} times the database was late\n"
    )
    for words in report.found[:20]:
        sys.stdout.write(f"  FOUND: {words}\n")
    sys.stdout.flush()


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m tests.vault", description=__doc__)
    parser.add_argument("--records", type=int, default=10_000, help="sealed values, two to a connection")
    parser.add_argument("--kills", type=int, default=3, help="how often the rotation is killed")
    parser.add_argument("--database", choices=["sqlite", "postgresql", "both"], default="both")
    parser.add_argument("--seed", type=int, default=1)
    return parser


if __name__ == "__main__":
    sys.exit(main())
