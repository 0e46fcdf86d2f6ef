"""What was measured while a model trained: `metrics.csv`, and the same for TensorBoard."""

import csv
from collections.abc import Mapping
from pathlib import Path

from torch.utils.tensorboard import SummaryWriter

from ..files import replacing

Line = dict[str, float]


class Metrics:
    """One line for each time that something was measured.

    They are part of the checkpoint: a run that is resumed writes the file as one that was never stopped does, whatever
    had been measured between its last checkpoint and its end.

    Args:
        folder: of the model.
        lines: measured before, by the checkpoint.
        step: of the checkpoint.
    """

    def __init__(self, folder: Path, lines: list[Line], step: int) -> None:
        self.lines = list(lines)
        self._path = folder / "metrics.csv"
        self._board = SummaryWriter(folder / "tensorboard", purge_step=step + 1 if step else None)

    def add(self, step: int, stage: str, figures: Mapping[str, float]) -> None:
        named = {f"{stage}/{name}": value for name, value in figures.items()}
        self.lines.append({"step": step, **named})
        for name, value in named.items():
            self._board.add_scalar(name, value, step)

    def write(self) -> None:
        """The file, all of it or nothing."""
        names = dict.fromkeys(name for line in self.lines for name in line)
        with replacing(self._path) as unfinished, unfinished.open("w", newline="", encoding="utf-8") as file:
            table = csv.DictWriter(file, names)
            table.writeheader()
            table.writerows(self.lines)
        self._board.flush()

    def close(self) -> None:
        self._board.close()
