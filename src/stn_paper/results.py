"""The results of cells: one JSON file each, written whole or not at all, read with suspicion."""

import json
import math
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from statistics import mean, stdev
from typing import Any

from stn_lab.errors import UserError
from stn_lab.files import write_json

from .table import BudgetName, Cell, Estimate, Table

Result = dict[str, Any]

# What a file must hold to be counted.
COUNTS = ("steps", "batch_size", "seed", "parameters", "threads")
AMOUNTS = ("error_percent", "standard_error", "seconds", "ms_per_step", "data_ms_per_step")
TEXTS = ("device", "date", "precision")
# What some tables measure besides, in percent: key to the head of a column on the page.
MEASURED = {
    "pixels_read_percent": "pixels read",
    "pixels_given_percent": "pixels given",
    "step_overhead_percent": "full-size step over the CNN's",
}

# What transformers undo, and how the page calls it.
UNDONE = {"shift": "shifts", "scale": "zooms", "rotation": "turns"}

Warn = Callable[[str], None]


@dataclass(frozen=True)
class Results:
    """A folder of results.

    Attributes:
        folder: holds a folder for each table.
        warn: told of each file that is not counted, because it is damaged or was made under other settings.
    """

    folder: Path
    warn: Warn

    def path(self, cell: Cell) -> Path:
        return self.folder / cell.table.name / f"{cell.name}.json"

    def read(self, cell: Cell) -> Result | None:
        """The result of a cell; None when there is none that counts."""
        path = self.path(cell)
        try:
            values = json.loads(path.read_text(encoding="utf-8"))
            _check(values)
        except (FileNotFoundError, NotADirectoryError):
            return None
        except (OSError, ValueError, RecursionError, OverflowError) as error:  # nested too deep, too long a number
            self.warn(f"{path} is damaged and does not count ({error})")
            return None
        budget = cell.budget
        if any(values[key] != getattr(budget, key) for key in ("steps", "batch_size", "seed")):
            self.warn(
                f"{path} does not count: it is not of {budget.steps} steps of {budget.batch_size}, seed {cell.seed}"
            )
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
            if seed.isdecimal() and seed == str(int(seed)):
                found.append(int(seed))
        (model,) = (model for model in table.rows if model.name == row)
        results = (self.read(Cell(table, model, column, budget, seed)) for seed in sorted(found))
        return [result for result in results if result is not None]


def _check(values: Any) -> None:
    """Refuse what is not a whole result.

    Raises:
        ValueError: naming what is missing or cannot be.
    """
    if not isinstance(values, dict):
        raise ValueError("it is not a table of values")
    for key in COUNTS:
        if not isinstance(values.get(key), int) or values[key] < 0:
            raise ValueError(f"no {key} in it")
    for key in AMOUNTS:
        if not _is_number(values.get(key)) or values[key] < 0:
            raise ValueError(f"no {key} in it")
    if values["error_percent"] > 100 or values["ms_per_step"] == 0:
        raise ValueError("more errors than images, or a step that took no time")
    for key in MEASURED:
        if key in values and not _is_number(values[key]):
            raise ValueError(f"no number for {key}")
    for key in TEXTS:
        if not isinstance(values.get(key), str):
            raise ValueError(f"no {key} in it")
    if not isinstance(values.get("versions"), dict) or not isinstance(values["versions"].get("torch"), str):
        raise ValueError("no versions in it")
    if "undone" in values:
        _check_undone(values["undone"])
    if "curves" in values:
        _check_curves(values["curves"])


def _check_undone(undone: Any) -> None:
    if not isinstance(undone, dict) or not undone.keys() <= UNDONE.keys():
        raise ValueError("what is undone is not a table of shifts, zooms and turns")
    for one in undone.values():
        if not isinstance(one, dict) or not _is_number(one.get("share_percent")):
            raise ValueError("no share_percent of what is undone")


def _check_curves(curves: Any) -> None:
    if not isinstance(curves, dict) or not curves:
        raise ValueError("no curves in it")
    for curve in curves.values():
        if not isinstance(curve, dict):
            raise ValueError("a curve is not a table of values")
        for key in ("amounts", "trained", "error_percent"):
            if not isinstance(curve.get(key), list) or not all(map(_is_number, curve[key])):
                raise ValueError(f"a curve has no {key}")
        if len(curve["amounts"]) != len(curve["error_percent"]) or len(curve["trained"]) != 2:
            raise ValueError("a curve is not whole")


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


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
