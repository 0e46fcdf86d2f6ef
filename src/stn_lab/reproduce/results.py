"""The results of cells: one JSON file each, written whole or not at all, read with suspicion."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from statistics import mean, stdev
from typing import Any

from ..errors import UserError
from ..recipes import Cell, Estimate, Table
from ..recipes.table import BudgetName
from ..training.folder import write_json

Result = dict[str, Any]

# What a file must hold to be counted.
NUMBERS = ("error_percent", "standard_error", "steps", "batch_size", "seed", "seconds", "parameters", "threads")
STEP_TIMES = ("ms_per_step", "data_ms_per_step")
TEXTS = ("device", "date", "precision")

Warn = Callable[[str], None]


@dataclass(frozen=True)
class Results:
    """A folder of results.

    Attributes:
        folder: holds a folder for each table.
        warn: told of each file that is damaged and therefore not counted.
    """

    folder: Path
    warn: Warn

    def path(self, cell: Cell) -> Path:
        return self.folder / cell.table.name / f"{cell.name}.json"

    def read(self, cell: Cell) -> Result | None:
        """The result of a cell; None when there is none, or its file is damaged."""
        path = self.path(cell)
        try:
            values = json.loads(path.read_text(encoding="utf-8"))
            _check(values)
        except (FileNotFoundError, NotADirectoryError):
            return None
        except (OSError, ValueError) as error:
            self.warn(f"{path} is damaged and does not count ({error})")
            return None
        return values

    def write(self, cell: Cell, result: Result) -> None:
        """Write the result of a cell beside those that are there.

        Raises:
            UserError: it cannot be written; nothing that was there is lost.
        """
        path = self.path(cell)
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            write_json(path, result)
        except OSError as error:
            raise UserError(
                f"{path} cannot be written: {error.strerror}; what was there is intact, and what was trained is kept: "
                "the same command goes on from there"
            ) from error

    def seeds(self, table: Table, row: str, column: str, budget: BudgetName) -> list[Result]:
        """The results of a cell for all seeds, in their order."""
        named = f"{row}--{column}--{budget}--seed"
        found = []
        for path in (self.folder / table.name).glob(f"{named}*.json"):
            seed = path.stem.removeprefix(named)
            if seed.isdecimal():
                found.append(int(seed))
        (model,) = (model for model in table.rows if model.name == row)
        results = (self.read(Cell(table, model, column, budget, seed)) for seed in sorted(found))
        return [result for result in results if result is not None]


def _check(values: Any) -> None:
    """Refuse what is not a whole result.

    Raises:
        ValueError: naming what is missing.
    """
    if not isinstance(values, dict):
        raise ValueError("it is not a table of values")
    for kind, keys in ((int | float, NUMBERS + STEP_TIMES), (str, TEXTS), (dict, ("versions",))):
        for key in keys:
            if not isinstance(values.get(key), kind) or values[key] != values[key]:  # NaN differs from itself
                raise ValueError(f"no {key} in it")


def estimate(results: list[Result], *, right: bool) -> Estimate:
    """The mean over seeds and its standard error.

    The error is the larger of two: what a test set of this size leaves open, which no number of seeds helps with, as
    all are tested on the same images; and what differs between seeds.

    Args:
        results: of one cell, one or more.
        right: count what is right instead of what is wrong.
    """
    wrong = [result["error_percent"] for result in results]
    tested = mean(result["standard_error"] for result in results)
    seeded = stdev(wrong) / len(wrong) ** 0.5 if len(wrong) > 1 else 0.0
    value = mean(wrong)
    return Estimate(100 - value if right else value, max(tested, seeded))
