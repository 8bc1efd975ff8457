"""A signed checkpoint: which row each chain had come to, by whom and when, behind which checkpoint.

Each process numbers its own from 1, and each names the hash of the one before. Its signature is over the very text that
is kept, so nobody needs to write it again to check it. A checkpoint of retention also says what was taken away, and
stands for it from then on.
"""

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Self

from brokergw.store.audit.canonical import GENESIS
from brokergw.store.audit.chain import Head
from brokergw.store.audit.signing import Signer, TrustedKeys

FORM: Final = "brokergw.audit.checkpoint.v1"


class CheckpointUnreadable(ValueError):
    """A text is no checkpoint."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Checkpoint:
    """What a checkpoint says.

    `found` are ranges of rows, by chain, that another process had written and not signed. `pruned` are the last rows
    that retention took from chains, `pruned_checkpoints` the last numbers that it took from processes; before
    `horizon_ns` whatever is missing was taken by retention. In chains that have `ended` there is nothing after the head
    named here.
    """

    instance_id: str
    number: int
    time_ns: int
    previous: str = GENESIS
    heads: tuple[Head, ...] = ()
    found: tuple[tuple[str, int, int], ...] = ()
    horizon_ns: int = 0
    pruned: tuple[Head, ...] = ()
    pruned_checkpoints: tuple[tuple[str, int], ...] = ()
    ended: tuple[str, ...] = ()

    def text(self) -> str:
        """Write it as the text that is signed."""
        return json.dumps(
            {
                "form": FORM,
                "instance": self.instance_id,
                "number": self.number,
                "time_ns": self.time_ns,
                "previous": self.previous,
                "heads": _heads(self.heads),
                "found": self.found,
                "horizon_ns": self.horizon_ns,
                "pruned": _heads(self.pruned),
                "pruned_checkpoints": self.pruned_checkpoints,
                "ended": self.ended,
            },
            separators=(",", ":"),
        )

    @classmethod
    def read(cls, text: str) -> Self:
        """Read it back; raises CheckpointUnreadable."""
        try:
            found: dict[str, Any] = json.loads(text)
            if found["form"] != FORM:
                raise CheckpointUnreadable("a checkpoint of another form")
            return cls(
                instance_id=str(found["instance"]),
                number=int(found["number"]),
                time_ns=int(found["time_ns"]),
                previous=str(found["previous"]),
                heads=_heads_from(found["heads"]),
                found=tuple((str(chain), int(first), int(last)) for chain, first, last in found["found"]),
                horizon_ns=int(found["horizon_ns"]),
                pruned=_heads_from(found["pruned"]),
                pruned_checkpoints=tuple((str(each), int(number)) for each, number in found["pruned_checkpoints"]),
                ended=tuple(map(str, found["ended"])),
            )
        except (ValueError, KeyError, TypeError) as error:
            raise CheckpointUnreadable("a text that is no checkpoint") from error


@dataclass(frozen=True, slots=True)
class SignedCheckpoint:
    """The text of a checkpoint, the id of the key that signed it, and the signature."""

    body: str
    key_id: str
    signature: str

    @classmethod
    def make(cls, checkpoint: Checkpoint, signer: Signer) -> Self:
        """Sign a checkpoint."""
        body = checkpoint.text()
        return cls(body, signer.key_id, signer.sign(body))

    @property
    def hash(self) -> str:
        """What the next checkpoint, and the first row of a new chain, name it by."""
        return hashlib.sha256(self.body.encode()).hexdigest()

    def line(self) -> str:
        """Write it as a line of the file beside the database."""
        return json.dumps({"body": self.body, "key_id": self.key_id, "signature": self.signature}) + "\n"

    @classmethod
    def from_line(cls, line: str) -> Self:
        """Read a line of the file; raises CheckpointUnreadable."""
        try:
            found: Mapping[str, str] = json.loads(line)
            return cls(found["body"], found["key_id"], found["signature"])
        except (ValueError, KeyError, TypeError) as error:
            raise CheckpointUnreadable("a line that is no checkpoint") from error


def genuine(signed: SignedCheckpoint, keys: TrustedKeys) -> Checkpoint | None:
    """Read a checkpoint that one of these keys signed; None for any other."""
    if not keys.vouches(signed.key_id, signed.body, signed.signature):
        return None
    try:
        return Checkpoint.read(signed.body)
    except CheckpointUnreadable:
        return None


def newest_retention(rows: Iterable[Any], keys: TrustedKeys) -> Checkpoint | None:
    """Read the first genuine checkpoint among rows of `audit_checkpoints`, newest first."""
    read = (genuine(SignedCheckpoint(row.body, row.key_id, row.signature), keys) for row in rows)
    return next((made for made in read if made is not None), None)


def _heads(heads: Sequence[Head]) -> list[tuple[str, int, str]]:
    return [(each.chain, each.sequence, each.hash) for each in heads]


def _heads_from(found: Sequence[Any]) -> tuple[Head, ...]:
    return tuple(Head(str(chain), int(sequence), str(hash_)) for chain, sequence, hash_ in found)
