"""`stn rectify`."""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import tyro

from ..errors import UserError
from ..runs.folder import RunFolder


@dataclass(frozen=True)
class Rectify:
    """Cut out of images what a transformer looks at.

    OUT gets crops/ with what the transformer hands over of each image, regions.json, a COCO file with the region, its
    corners and its box in the image's own pixels, the class and how sure the network is of it, and contact-sheet.png.
    Files that cannot be read are passed over, and listed in skipped.csv. A call that was stopped is gone on with by the
    same call, and torchrun's processes share the images: `torchrun --nproc-per-node 4 -m stn_lab.cli rectify ...`.
    """

    run: tyro.conf.Positional[Path]
    """The folder of the run."""
    folder: tyro.conf.Positional[Path]
    """The folder of images; those in folders below count too."""
    out: tyro.conf.Positional[Path]
    """A new folder."""
    annotate: bool = False
    """Write the images too, into annotated/, with the regions drawn in."""
    model: str | None = None
    """Of several in the run: st-cnn; by default, of those with a transformer, the one with the lowest validation
    error."""
    grey: bool = False
    """Show a network that has learnt from grey images those in colour too, without their colours."""
    device: Literal["auto", "cpu", "cuda"] = "auto"
    """Where the network runs."""

    def __call__(self) -> None:
        RunFolder.open(self.run)
        if not self.folder.is_dir():
            raise UserError(
                f"{self.folder} is {'no folder' if self.folder.exists() else 'not there'}; give a folder of images"
            )
        from ..applied.listing import expect_images
        from ..applied.out import check_free

        check_free(self.out)
        expect_images(self.folder, self.out)
        self._rectify()

    def _rectify(self) -> None:
        """What needs PyTorch."""
        from ..applied.applied import apply, load_looking
        from ..applied.ranks import this_rank
        from ..applied.rectified import Rectifier

        model = load_looking(self.run, self.model)
        applied = apply(self.run, model, this_rank(), device=self.device, grey=self.grey, crops=True)
        Rectifier(applied, self.folder, self.out, self.annotate).run()
