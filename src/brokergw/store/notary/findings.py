"""What a verification has found so far: how far each chain is signed, and the first thing wrong with each."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, Self

from brokergw.ports.audit import AuditFault, AuditProblem
from brokergw.store.audit.chain import Head
from brokergw.store.notary.checkpoint import Checkpoint
from brokergw.store.notary.tails import Noted

PROBLEMS_MAX: Final = 100


@dataclass(slots=True)
class Pruned:
    """What retention took away, as its newest genuine checkpoint says."""

    horizon_ns: int = 0
    heads: dict[str, Head] = field(default_factory=dict)
    checkpoints: dict[str, int] = field(default_factory=dict)

    @classmethod
    def by(cls, made: Checkpoint | None) -> Self:
        """Read it from that checkpoint; nothing was taken where there is none."""
        if made is None:
            return cls()
        return cls(made.horizon_ns, {head.chain: head for head in made.pruned}, dict(made.pruned_checkpoints))

    def last_of(self, chain: str) -> int:
        """Give the number of the last row that was taken from a chain; 0 for none."""
        head = self.heads.get(chain)
        return 0 if head is None else head.sequence

    def covers(self, head: Head, time_ns: int) -> bool:
        """Tell whether the row that a checkpoint of this time names was taken away."""
        last = self.heads.get(head.chain)
        return time_ns < self.horizon_ns if last is None else head.sequence <= last.sequence


@dataclass(slots=True)
class ChainSigns:
    """How far a chain is signed: the last row that agrees with a checkpoint, and the first that does not."""

    agreed: int = 0
    last: int = 0
    bad: int | None = None
    missing: bool = False
    ended: int | None = None


class Findings:
    """Gathers signs and problems; of each chain and each process's checkpoints only the first problem counts."""

    def __init__(self) -> None:
        self.signs: dict[str, ChainSigns] = {}
        self.found = 0
        self._gone: dict[str, Head] = {}
        self._replaced: dict[str, Head] = {}
        self._problems: dict[str, AuditProblem] = {}

    def problem(self, fault: AuditFault, subject: str, position: int, detail: str, last: int | None = None) -> None:
        """Take note of what is wrong, unless more is wrong at an earlier position of the same subject."""
        known = self._problems.get(subject)
        if (known is None and len(self._problems) < PROBLEMS_MAX) or (known is not None and position < known.position):
            self._problems[subject] = AuditProblem(fault, subject, position, last or position, detail)

    @property
    def problems(self) -> tuple[AuditProblem, ...]:
        """What is wrong, by subject."""
        return tuple(self._problems[subject] for subject in sorted(self._problems))

    def signed(self, made: Checkpoint, hashes: Mapping[tuple[str, int], str], pruned: Pruned) -> None:
        """Hold a genuine checkpoint against the hashes that stand where it points."""
        for head in made.heads:
            signs = self.signs.setdefault(head.chain, ChainSigns())
            signs.last = max(signs.last, head.sequence)
            if pruned.covers(head, made.time_ns):
                continue
            standing = hashes.get((head.chain, head.sequence))
            if standing == head.hash:
                signs.agreed = max(signs.agreed, head.sequence)
            elif signs.bad is None or head.sequence < signs.bad:
                signs.bad, signs.missing = head.sequence, standing is None
        for chain in made.ended:
            self.signs.setdefault(chain, ChainSigns()).ended = max(
                (head.sequence for head in made.heads if head.chain == chain), default=0
            )
        self.found += sum(last - first + 1 for _, first, last in made.found)

    def noted(self, noted: Sequence[Noted], hashes: Mapping[tuple[str, int], str], pruned: Pruned) -> None:
        """Hold rows that were noted as durable, beside the database, against the hashes that stand where they were."""
        for each in noted:
            head = each.head
            standing = hashes.get((head.chain, head.sequence))
            if standing != head.hash and not pruned.covers(head, each.time_ns):
                (self._gone if standing is None else self._replaced)[head.chain] = head

    def explain(self, lengths: Mapping[str, int], pruned: Pruned) -> None:
        """Note what only the checkpoints show: chains gone, cut, or written again. `lengths` are their last rows."""
        for chain, signs in sorted(self.signs.items()):
            bad = signs.bad
            known = self._problems.get(chain)
            if bad is None or (known is not None and known.position <= bad):
                continue
            length = lengths.get(chain, 0)
            # What follows the last row that agrees may be as it was, or not; at the latest it shows at the last one.
            first = min(signs.agreed, bad - 1) + 1
            if signs.missing and length == 0:
                first = pruned.heads[chain].sequence + 1 if chain in pruned.heads else 1
                self.problem(AuditFault.CHAIN_MISSING, chain, first, "no row of it is left", signs.last)
            elif signs.missing:
                detail = f"rows up to {signs.last} were signed, and row {length} is the last"
                self.problem(AuditFault.ROW_MISSING, chain, first, detail, length + 1)
            else:
                detail = "the hashes agree with one another, but not with what was signed"
                self.problem(AuditFault.ROW_REWRITTEN, chain, first, detail, bad)
        self._explain_unsigned(lengths)

    def _explain_unsigned(self, lengths: Mapping[str, int]) -> None:
        """Note what happened to rows between the last checkpoint of their process and its end."""
        for chain, head in self._gone.items():
            length = lengths.get(chain, 0)
            fault = AuditFault.ROW_MISSING if length else AuditFault.CHAIN_MISSING
            detail = f"row {head.sequence} was durable, though not signed, and row {length} is the last"
            if length < head.sequence and chain not in self._problems:
                self.problem(fault, chain, length + 1, detail, head.sequence)
        for chain, head in self._replaced.items():
            if chain not in self._problems:
                agreed = self.signs[chain].agreed if chain in self.signs else 0
                first = agreed + 1 if agreed < head.sequence else head.sequence
                detail = "it is another row than the one that was durable, though not signed"
                self.problem(AuditFault.ROW_REWRITTEN, chain, first, detail, head.sequence)
