"""How many files were read, and which were passed over."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Self

from ..errors import UserError
from ..images.catalogue import printable

NAMED = 5  # files that are passed over and named in the terminal


@dataclass
class Tally:
    """Counts records, and keeps the first reasons.

    Attributes:
        whole: how many hold an answer.
        skipped: how many do not.
        reasons: of the first of these.
    """

    whole: int = 0
    skipped: int = 0
    reasons: list[str] = field(default_factory=list)

    @classmethod
    def of(cls, records: Iterable[Mapping[str, Any]]) -> Self:
        tally = cls()
        for record in records:
            tally.add(record)
        return tally

    def add(self, record: Mapping[str, Any]) -> None:
        if "skipped" not in record:
            self.whole += 1
            return
        self.skipped += 1
        if len(self.reasons) < NAMED:
            self.reasons.append(f"{printable(record['path'])}: {printable(record['skipped'])}")

    def check(self) -> None:
        """Raises UserError where there is no answer at all."""
        if not self.whole:
            what = (
                self.reasons[0]
                if self.skipped == 1
                else f"none of {self.skipped:,} images, the first {self.reasons[0]}"
            )
            raise UserError(f"nothing can be read: {what}")

    def lines(self, listed: str = "") -> str:
        """What was passed over, for the terminal; nothing if that is nothing."""
        if not self.skipped:
            return ""
        head = f"passed over {self.skipped:,} image{'s' * (self.skipped > 1)}{listed and f', listed in {listed}'}:"
        more = [f"  and {self.skipped - NAMED:,} more"] if self.skipped > NAMED else []
        return "\n".join([head, *(f"  {reason}" for reason in self.reasons), *more, ""])
