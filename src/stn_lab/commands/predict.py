"""`stn predict`."""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import tyro

from ..errors import UserError
from ..runs.folder import RunFolder


@dataclass(frozen=True)
class Predict:
    """Say what images are of, and where a network looks in them.

    For each image the class, its probability, the parameters of the transformer, and the corners of the region that it
    samples, in the image's own pixels. Files that cannot be read are passed over and listed. With --output, a call that
    was stopped is gone on with by the same call, and torchrun's processes share the images:
    `torchrun --nproc-per-node 4 -m stn_lab.cli predict ...`.
    """

    run: tyro.conf.Positional[Path]
    """The folder of the run."""
    images: tyro.conf.Positional[tuple[Path, ...]]
    """Images, and folders of images."""
    output: Path | None = None
    """A table to write, .csv, .json or .parquet; by default a line for each image is printed."""
    model: str | None = None
    """Of several in the run: st-cnn; by default the one with the lowest validation error."""
    grey: bool = False
    """Show a network that has learnt from grey images those in colour too, without their colours."""
    device: Literal["auto", "cpu", "cuda"] = "auto"
    """Where the network runs."""

    def __call__(self) -> None:
        RunFolder.open(self.run)
        if not self.images:
            raise UserError("no images; name files, or folders of images")
        for path in self.images:
            if not path.exists():
                raise UserError(f"{path} is not there; give images, or folders of images")
        if self.output is not None:
            from ..applied.predictions import check_output

            check_output(self.output)
        self._predict()

    def _predict(self) -> None:
        """What needs PyTorch."""
        from ..applied.applied import apply
        from ..applied.predicting import print_predictions, write_predictions
        from ..applied.ranks import this_rank
        from ..runs.saved import load_model

        model = load_model(self.run, self.model)
        applied = apply(self.run, model, this_rank(), device=self.device, grey=self.grey)
        if self.output is None:
            print_predictions(applied, self.images)
        else:
            write_predictions(applied, self.images, self.output)
