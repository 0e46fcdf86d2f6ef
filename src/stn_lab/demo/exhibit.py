"""From the folder of a run to what its page is about."""

import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from ..errors import UserError
from ..images.preprocessing import Preprocessing
from ..runs.folder import RunFolder
from ..runs.saved import load_model
from ..tasks.looking import first
from .changes import Change, clutter
from .look import Subject, look

EXAMPLES = 24  # test images to pick from


@dataclass(frozen=True)
class Exhibit:
    """What a page is about.

    Attributes:
        title: names the run and the model.
        subject: the network.
        classes: names, in the order of its answers.
        preprocessing: from any image to what it takes.
        examples: (N, C, H, W) test images to pick from, uint8; none where they are not there any more.
        captions: of each.
    """

    title: str
    subject: Subject
    classes: tuple[str, ...]
    preprocessing: Preprocessing
    examples: np.ndarray
    captions: tuple[str, ...]


def exhibit(run: Path, label: str | None) -> Exhibit:
    """A model of a run, ready to be looked at, and test images of the run.

    Raises:
        UserError: this is no run, or it has no such model that is trained.
    """
    model = load_model(run, label)
    preprocessing = model.preprocessing
    shape = (preprocessing.channels, *preprocessing.size)
    images, labels = _examples(RunFolder.open(run), shape)
    subject = Subject.of(model.network, preprocessing.channels, preprocessing.size, clutter(images))
    look(subject, torch.zeros(shape), Change())  # what has to be compiled is compiled now
    return Exhibit(
        title=f"{run.resolve().name}: {model.spec['model']['label']}",
        subject=subject,
        classes=model.classes,
        preprocessing=preprocessing,
        examples=(255 * images).round().to(torch.uint8).numpy(),
        captions=tuple(model.classes[number] for number in labels.tolist()),
    )


def _examples(folder: RunFolder, shape: tuple[int, int, int]) -> tuple[Tensor, Tensor]:
    """The first test images and their labels; none, and a line that says so, where the run's data is not there."""
    try:
        return first(folder.experiment().data.task(), EXAMPLES)
    except UserError as error:
        sys.stderr.write(f"stn: there are no test images to pick from: {error}\n")
        return torch.empty(0, *shape), torch.empty(0, dtype=torch.int64)
