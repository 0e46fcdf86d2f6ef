"""`stn evaluate`."""

import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import tyro

from ..errors import UserError
from ..runs.folder import RunFolder


@dataclass(frozen=True)
class Evaluate:
    """Measure the models of a run again, and write its report anew."""

    run: tyro.conf.Positional[Path]
    """The folder of the run."""
    data: Path | None = None
    """Other images, of classes that were learnt: a folder with a folder for each class, a CSV or an .npz. Nothing is
    written."""
    sweep: Literal["rotation", "scale", "translation"] | None = None
    """Also measure the error against how far a digit is turned, scaled or moved, and draw the curve."""

    def __call__(self) -> None:
        folder = RunFolder.open(self.run)
        if self.data is not None:
            if self.sweep:
                raise UserError("--sweep is about the run's own digits; leave out --sweep or --data")
            return _evaluate_on(folder, self.data)
        data = folder.experiment().data  # what is damaged is said at once
        if self.sweep and not data.is_built_in:
            raise UserError(f"--sweep turns, scales and moves digits, but this run learnt {data.data}; leave it out")
        return _evaluate(folder, self.sweep)


def _evaluate(folder: RunFolder, sweep: str | None) -> None:
    from ..runs.evaluation import evaluate_run
    from ..runs.sweep import sweep_run
    from .report import print_looks, write_pages

    recorded = folder.results()
    lines = []
    for label, score in evaluate_run(folder).items():
        before = f"{recorded[label]['error_percent']:.2f}" if label in recorded else "unfinished"
        lines.append((label, f"{score.error_percent:.2f}", f"{score.standard_error:.2f}", before))
    _print(("model", "error %", "± s.e.", "at training"), lines)
    print_looks(folder)
    if sweep:
        sweep_run(folder, sweep)
        sys.stdout.write(f"Curve: {folder.path / f'sweep-{sweep}.json'}\n")
    write_pages(folder)


def _evaluate_on(folder: RunFolder, data: Path) -> None:
    from ..images.data import read_whole
    from ..runs.saved import load_model
    from ..tasks.classification import score

    lines = []
    for label in folder.results():
        model = load_model(folder.path, label)
        images = read_whole(data, model.classes, model.preprocessing)
        found = score(model.network, images.batches())
        lines.append((label, f"{found.error_percent:.2f}", f"{found.standard_error:.2f}", f"{found.test_images:,}"))
    if not lines:
        raise UserError(f"no model of {folder.path} is trained yet; `stn train --resume` goes on with it")
    _print(("model", "error %", "± s.e.", "images"), lines)


def _print(head: Sequence[str], lines: Iterable[Sequence[str]]) -> None:
    from rich.console import Console
    from rich.table import Table

    table = Table(*head)
    for line in lines:
        table.add_row(*line)
    Console(highlight=False).print(table)
