"""Read a run folder into values. Everything that the page shows comes from here.

Training may have stopped anywhere, so whatever can be missing is empty here, and a number that is missing is NaN. What
is there but cannot be read is named, rather than left out as if it had not been measured.
"""

import csv
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from ..errors import UserError
from ..models.saved import SPEC, WEIGHTS
from .earlier import as_today
from .number import as_number

Content = TypeVar("Content")


@dataclass(frozen=True)
class Series:
    """One column of the metrics, over the steps at which it was logged. NaN where it was not a number."""

    steps: tuple[float, ...]
    values: tuple[float, ...]


@dataclass(frozen=True)
class Model:
    """What one model left in the run folder.

    Attributes:
        label: the name of the model, for instance "st-cnn:tps".
        result: its entry in `results.json`.
        metrics: its `metrics.csv`, column by column; empty without one.
        pictures: the arrays of its `pictures.npz`; empty without one.
        family: of its transformers; empty without one, or where that is not known.
        is_saved: whether it can be loaded.
    """

    label: str
    result: Mapping[str, Any]
    metrics: Mapping[str, Series]
    pictures: Mapping[str, np.ndarray]
    family: str = ""
    is_saved: bool = False

    def number(self, key: str) -> float:
        """A number of the result, NaN when it is missing."""
        return as_number(self.result.get(key))

    @property
    def has_transformer(self) -> bool:
        """Whether a spatial transformer is in it."""
        return self.number("localiser_parameters") > 0 or "warped" in self.pictures or self.label.startswith("st-")

    @property
    def warnings(self) -> list[Mapping[str, Any]]:
        """What was told of its transformers while it trained: "step", "transformer" and "text"."""
        found = self.result.get("warnings")
        entries = found if isinstance(found, list) else []
        return [
            entry for entry in entries if isinstance(entry, dict) and {"step", "transformer", "text"} <= entry.keys()
        ]

    def class_name(self, number: float) -> str:
        """What a class is called; its number where nothing else is known."""
        names = self.pictures.get("class_names", ())
        return str(names[int(number)]) if 0 <= number < len(names) else str(int(number))

    @property
    def folder(self) -> str:
        """The name of its folder within the run."""
        return self.label.replace(":", "-")


@dataclass(frozen=True)
class Sweep:
    """Errors against the amount of one distortion.

    Attributes:
        kind: "rotation", "scale" or "translation".
        unit: that of the amounts.
        amounts: where the error was measured.
        trained: the range that the models were trained on, if any.
        error_percent: model label to one error per amount.
    """

    kind: str
    unit: str
    amounts: tuple[float, ...]
    trained: tuple[float, float] | None
    error_percent: Mapping[str, tuple[float, ...]]


@dataclass(frozen=True)
class Run:
    """A run folder. Models come in the order of the configuration; `path` is as it was given."""

    name: str
    path: Path
    config: Mapping[str, Any]
    models: tuple[Model, ...]
    sweeps: tuple[Sweep, ...]


def read_run(folder: Path) -> Run:
    """Read a run folder.

    Args:
        folder: holds `config.json` and `results.json` and, where there are any, `sweep-*.json` and, in a folder for
            each model, `metrics.csv` and `pictures.npz`.

    Raises:
        UserError: one of the first two is missing, or any of them damaged.
    """
    config, results = _required(folder, "config.json"), _required(folder, "results.json")
    labels = dict.fromkeys([*config.get("models", []), *results])
    models = tuple(_model(folder, label, results.get(label, {}), config.get("family", "")) for label in labels)
    sweeps = tuple(_undamaged(path, _sweep) for path in sorted(folder.glob("sweep-*.json")))
    return Run(folder.resolve().name, folder, config, models, sweeps)


def _required(folder: Path, name: str) -> dict[str, Any]:
    path = folder / name
    if not path.is_file():
        raise UserError(f"{path} is missing: not the folder of a run, or of one that has not finished; see `stn train`")
    try:
        return dict(json.loads(path.read_text(encoding="utf-8")))
    except (ValueError, TypeError) as error:
        raise UserError(f"{path} is damaged ({error}); the report cannot be written") from error


def _model(run: Path, label: str, result: Mapping[str, Any], family: Any) -> Model:
    folder = run / label.replace(":", "-")
    pictures = folder / "pictures.npz"
    return Model(
        label,
        result,
        _metrics(folder),
        _undamaged(pictures, _pictures) if pictures.is_file() else {},
        (label.partition(":")[2] or str(family)) if label.startswith("st-") else "",
        all((folder / name).is_file() for name in (SPEC, WEIGHTS)),
    )


def _undamaged(path: Path, read: Callable[[Path], Content]) -> Content:
    """What a file holds that the page can do without."""
    try:
        return read(path)
    except Exception as error:  # a damaged file fails in as many ways as there are bytes in it
        raise UserError(
            f"{path} is damaged ({' '.join(str(error).split())}); delete it, and the page is written without it"
        ) from error


def _metrics(folder: Path) -> dict[str, Series]:
    """Column by column, without the empty cells of the sparse table that Lightning writes.

    A run that was resumed has its earlier parts in `metrics-1.csv`, ...
    """
    rows = [row for path in sorted(folder.glob("metrics*.csv")) for row in _undamaged(path, _rows)]
    names = dict.fromkeys(name for row in rows for name in row if name and name != "step")
    return {name: _column(rows, name) for name in names}


def _rows(path: Path) -> list[dict[str, str]]:
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def _column(rows: list[dict[str, str]], name: str) -> Series:
    cells = sorted((as_number(row.get("step")), row[name]) for row in rows if row.get(name))
    return Series(tuple(step for step, _ in cells), tuple(as_number(cell) for _, cell in cells))


def _pictures(path: Path) -> dict[str, np.ndarray]:
    with np.load(path, allow_pickle=False) as arrays:
        return as_today(dict(arrays))


def _sweep(path: Path) -> Sweep:
    entry = json.loads(path.read_text(encoding="utf-8"))
    trained = entry.get("trained_range")
    return Sweep(
        kind=entry["kind"],
        unit=entry.get("unit", ""),
        amounts=tuple(map(as_number, entry["amounts"])),
        trained=(as_number(trained[0]), as_number(trained[1])) if trained else None,
        error_percent={label: tuple(map(as_number, errors)) for label, errors in entry["error_percent"].items()},
    )
