"""What a benchmark found: a file of JSON, and how to look things up in it."""

import json
import math
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from stn_lab.errors import UserError

from .cold_start import FirstCall
from .memory import Use
from .peers import OURS, REFERENCE
from .rows import Row

SCHEMA = 1


@dataclass(frozen=True)
class Cell:
    """One library at one row, pass and number of threads; in milliseconds."""

    part: str
    row: str
    pass_: str
    threads: int
    peer: str
    median_ms: float
    quartiles_ms: tuple[float, float]
    samples: int


@dataclass(frozen=True)
class MemoryCell:
    """The memory that one library takes at one row and pass, in megabytes."""

    row: str
    pass_: str
    threads: int
    peer: str
    peak_mb: float
    returned_mb: float

    @property
    def extra_mb(self) -> float:
        """Beyond the output and the gradients."""
        return Use(self.peak_mb, self.returned_mb).extra_mb


@dataclass
class Result:
    """Everything about a benchmark.

    Attributes:
        origin: device, device_type, threads, date, versions, commit, load (of the machine, before the start), tests,
            settings, warp (in words).
        rows: what was measured.
        cells: how long it took.
        memory: what it takes.
        cold_start: the first call, with an "empty" and with a "warm" cache.
        absent: library to why it was not measured.
    """

    origin: dict[str, Any]
    rows: list[Row] = field(default_factory=list)
    cells: list[Cell] = field(default_factory=list)
    memory: list[MemoryCell] = field(default_factory=list)
    cold_start: dict[str, FirstCall] = field(default_factory=dict)
    absent: dict[str, str] = field(default_factory=dict)
    schema: int = SCHEMA

    @property
    def most_threads(self) -> int:
        return int(self.origin["threads"])

    def part(self, name: str) -> list[Row]:
        return [row for row in self.rows if row.part == name]

    def cell(self, row: Row, pass_: str, peer: str, threads: int | None = None) -> Cell | None:
        """With all threads unless said otherwise; None if it was not measured."""
        if not hasattr(self, "_index"):
            self._index = {(c.part, c.row, c.pass_, c.peer, c.threads): c for c in self.cells}
        return self._index.get((row.part, row.name, pass_, peer, threads or self.most_threads))

    def median_ms(self, row: Row, pass_: str, peer: str = OURS, threads: int | None = None) -> float | None:
        cell = self.cell(row, pass_, peer, threads)
        return cell.median_ms if cell else None

    def ratio(self, row: Row, pass_: str, peer: str = REFERENCE, threads: int | None = None) -> float | None:
        """How many times as long as ours another library takes."""
        ours, theirs = (self.median_ms(row, pass_, name, threads) for name in (OURS, peer))
        return theirs / ours if ours and theirs else None

    def ratios(self, rows: Iterable[Row], pass_: str, peer: str = REFERENCE, threads: int | None = None) -> list[float]:
        """Of those rows where both were measured."""
        found = (self.ratio(row, pass_, peer, threads) for row in rows)
        return [ratio for ratio in found if ratio is not None]

    def write(self, path: Path) -> None:
        """Raises UserError if the file cannot be written."""
        content = json.dumps(_rounded(asdict(self)), indent=1)
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(content + "\n")
        except OSError as error:
            raise UserError(f"cannot write {path}: {error.strerror}") from None

    @classmethod
    def read(cls, path: Path) -> "Result":
        """Raises UserError if there is no such file, or it holds something else."""
        try:
            content = json.loads(path.read_text())
            if content["schema"] != SCHEMA:
                raise UserError(f"{path} has schema {content['schema']}; this version reads {SCHEMA}. Run `stn bench`")
            return cls(
                content["origin"],
                [Row(**_with_tuples(row)) for row in content["rows"]],
                [Cell(**_with_tuples(cell)) for cell in content["cells"]],
                [MemoryCell(**cell) for cell in content["memory"]],
                {cache: FirstCall(**call) for cache, call in content["cold_start"].items()},
                content["absent"],
            )
        except OSError as error:
            raise UserError(f"cannot read {path}: {error.strerror}") from None
        except (ValueError, KeyError, TypeError) as error:
            raise UserError(f"{path} is no result of `stn bench`: {error}") from None


def geometric_mean(values: Iterable[float]) -> float | None:
    """None of nothing."""
    logarithms = [math.log(value) for value in values]
    return math.exp(sum(logarithms) / len(logarithms)) if logarithms else None


def _with_tuples(fields: dict[str, Any]) -> dict[str, Any]:
    return {name: tuple(value) if isinstance(value, list) else value for name, value in fields.items()}


def _rounded(value: Any) -> Any:
    """Floats to five digits: more is noise."""
    if isinstance(value, float):
        return float(f"{value:.5g}")
    if isinstance(value, dict):
        return {key: _rounded(one) for key, one in value.items()}
    return [_rounded(one) for one in value] if isinstance(value, list | tuple) else value
