"""`stn colocalise`."""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import tyro

from ..errors import UserError


@dataclass(frozen=True)
class Colocalise:
    """Find what pictures share, without labels or boxes.

    A window is learnt that shows the same thing in all pictures of a folder. OUT gets regions.json, a COCO file with
    the box of the thing in each picture and how sure that is, and contact-sheet.png. Files that cannot be read are
    passed over, and listed in skipped.csv. A call that was stopped is gone on with by the same call.
    """

    folder: tyro.conf.Positional[Path]
    """The folder of pictures, each of which shows the thing; those in folders below count too."""
    out: tyro.conf.Positional[Path]
    """A new folder."""
    side: float = 0.4
    """How long the thing is, as a part of the picture's side: about that, from 0.85 to 1.18 times as much."""
    steps: int = 1000
    """Updates of the weights."""
    seed: int = 0
    """Of the weights and the batches."""
    device: Literal["auto", "cpu", "cuda"] = "auto"
    """Where it is learnt."""

    def __call__(self) -> None:
        if not self.folder.is_dir():
            said = "no folder" if self.folder.exists() else "not there"
            raise UserError(f"{self.folder} is {said}; give a folder of pictures")
        if not 0.05 <= self.side <= 1:
            raise UserError(f"--side must be from 0.05 to 1, a part of the picture's side; got {self.side}")
        if self.steps < 1:
            raise UserError(f"--steps must be above zero; got {self.steps}")
        if not 0 <= self.seed < 2**32:
            raise UserError(f"--seed must be from 0 to {2**32 - 1}; got {self.seed}")
        from ..applied.listing import expect_images
        from ..applied.out import check_free
        from ..applied.ranks import this_rank

        if this_rank().count > 1:
            raise UserError("stn colocalise learns in one process; start it without torchrun")
        check_free(self.out)
        expect_images(self.folder, self.out)
        self._colocalise()

    def _colocalise(self) -> None:
        """What needs PyTorch."""
        from ..applied.colocalised import CoLocalisation

        CoLocalisation(self.folder, self.out, self.side, self.steps, self.seed, self.device).run()
