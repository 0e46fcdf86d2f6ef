"""`stn align`."""

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import tyro

from ..alignment import families
from ..alignment.settings import Settings
from ..errors import UserError

RECORDS = ("alignment.json", "stack.json")


@dataclass(frozen=True)
class Align:
    """Lay an image or a volume on another, and say whether it worked.

    Writes a folder with the warped image, an overlay and alignment.json: the matrix in pixels as cv2.warpPerspective
    takes it, for volumes also in millimetres; the measure before and after; whether it succeeded and why.
    """

    moving: tyro.conf.Positional[Path | None] = None
    """What is warped: an image, or a NIfTI volume (.nii, .nii.gz)."""
    fixed: tyro.conf.Positional[Path | None] = None
    """What it is laid on."""
    output: Path = Path("aligned")
    """The folder that is written."""
    batch: Path | None = None
    """Instead of a pair: a CSV with columns moving and fixed, perhaps also mask, moving_mask and name. Writes a folder
    for each pair and a page of all; call it again to go on where it was stopped. Processes that torchrun starts share
    the pairs."""
    stack: Path | None = None
    """Instead of a pair: a folder whose images are laid on the first, in the order of their names."""
    to: Literal["previous", "mean"] = "previous"
    """With --stack: each by way of the one before, or then to the mean of all."""
    family: str = ""
    """translation, rigid, similarity, affine or projective; tps, bspline, velocity or displacement. projective for
    images and affine for volumes by default."""
    stages: str = ""
    """Instead of a family, several with commas between, matrices first: affine,velocity."""
    measure: Literal["ncc", "local_ncc", "mse", "mi"] = "ncc"
    """ncc (another exposure), local_ncc (uneven light), mse (the same intensities), mi (another modality)."""
    mask: Path | None = None
    """Which pixels of FIXED count: an image or a volume that is not 0 there."""
    moving_mask: Path | None = None
    """Which pixels of MOVING count."""
    grey: bool = False
    """Align without colours."""
    control: int = 8
    """Control points of a deformation along each axis."""
    bending: float = 3e-4
    """How much bending costs: more makes deformations smoother."""
    mode: Literal["nearest", "bilinear", "bicubic", "bspline3"] = "bilinear"
    """How the result is read between pixels; nearest keeps labels."""
    outside: float = 0.0
    """What the result shows where MOVING shows nothing, in units of its file; may be nan."""
    overlay: Literal["checkerboard", "flicker", "difference"] = "checkerboard"
    """The picture of both."""
    matrix: Path | None = None
    """Also write the matrix alone, as numbers in a text file."""
    overwrite: bool = False
    """Replace an alignment that is there."""

    def __call__(self) -> None:
        settings = self.settings()
        self._check_places(settings)
        from ..alignment import batch, pair, stack

        if self.batch is not None:
            batch.run(self.batch, self.output, settings, overwrite=self.overwrite)
        elif self.stack is not None:
            stack.run(self.stack, self.output, settings, to=self.to)
        else:
            assert self.moving is not None
            assert self.fixed is not None
            said = pair.run(self.moving, self.fixed, self.output, settings, (self.moving_mask, self.mask), self.matrix)
            sys.stdout.write(said)

    def settings(self) -> Settings:
        """What an alignment depends on, checked.

        Raises:
            UserError: an option that does not fit.
        """
        if self.family and self.stages:
            raise UserError("--family is one family and --stages are several; leave one of them out")
        names = [word.strip() for word in (self.stages or self.family).split(",") if word.strip()]
        stages = families.check(names, "--stages" if self.stages else "--family") if names or self.stages else ()
        if self.control < 2:
            raise UserError(f"--control must be 2 or more; got {self.control}")
        if not 0 <= self.bending < float("inf"):
            raise UserError(f"--bending must be 0 or more; got {self.bending}")
        if abs(self.outside) == float("inf"):
            raise UserError("--outside must be a number, or nan; got an infinity")
        if self.matrix is not None and stages and stages[-1] not in families.MATRICES:
            raise UserError(f"--matrix: {stages[-1]} is no matrix; choose from {', '.join(families.MATRICES)}")
        return Settings(
            stages,
            *(self.measure, self.control, self.bending, self.mode, self.outside, self.grey, self.overlay),
        )

    def _check_places(self, settings: Settings) -> None:
        ways = [self.batch is not None, self.stack is not None, self.moving is not None]
        if sum(ways) != 1 or (self.moving is not None and self.fixed is None):
            raise UserError("give MOVING and FIXED, or --batch pairs.csv, or --stack FOLDER")
        for path in (self.moving, self.fixed, self.mask, self.moving_mask, self.batch, self.stack):
            if path is not None and not path.exists():
                raise UserError(f"{path}: not there")
        if self.moving is None and (self.mask or self.moving_mask or self.matrix):
            raise UserError(
                "--mask, --moving-mask and --matrix are for one pair; a batch has columns mask and moving_mask"
            )
        if self.to == "mean" and self.stack is None:
            raise UserError("--to is for --stack FOLDER")
        if self.stack is not None and any(name not in families.MATRICES for name in settings.stages):
            raise UserError(
                f"--stack composes matrices, and {settings.stages[-1]} is none; choose from "
                f"{', '.join(families.MATRICES)}"
            )
        if self.batch is None and not self.overwrite and any((self.output / name).exists() for name in RECORDS):
            raise UserError(f"{self.output} holds an alignment already; name another folder, or add --overwrite")
