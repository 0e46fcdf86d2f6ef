"""`stn evaluate`."""

import sys
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
    sweep: Literal["rotation", "scale", "translation"] | None = None
    """Also measure the error against how far a digit is turned, scaled or moved, and draw the curve."""

    def __call__(self) -> None:
        folder = RunFolder.open(self.run)
        data = folder.experiment().data  # what is damaged is said at once
        if self.sweep and not data.is_built_in:
            raise UserError(
                f"--sweep turns, scales and moves digits, and this run learnt from {data.data}; leave it out"
            )
        _evaluate(folder, self.sweep)


def _evaluate(folder: RunFolder, sweep: str | None) -> None:
    from rich.console import Console
    from rich.table import Table

    from ..runs.evaluation import evaluate_run
    from ..runs.sweep import sweep_run
    from .report import write_pages

    recorded = folder.results()
    table = Table("model", "error %", "± s.e.", "at training")
    for label, score in evaluate_run(folder).items():
        before = f"{recorded[label]['error_percent']:.2f}" if label in recorded else "unfinished"
        table.add_row(label, f"{score.error_percent:.2f}", f"{score.standard_error:.2f}", before)
    Console(highlight=False).print(table)
    if sweep:
        sweep_run(folder, sweep)
        sys.stdout.write(f"Curve: {folder.path / f'sweep-{sweep}.json'}\n")
    write_pages(folder)
