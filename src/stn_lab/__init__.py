"""The application of the spatial transformer library: images, models, training, reports, and the command `stn`.

>>> import stn_lab
>>> model = stn_lab.load("runs/demo")  # doctest: +SKIP
>>> image = model.preprocessing.read("seven.png")  # doctest: +SKIP
>>> model.classes[model.network(image[None]).argmax()]  # doctest: +SKIP
'7'
"""

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .models.saved import SavedModel


def load(run: str | Path, model: str | None = None) -> "SavedModel":
    """A trained model of a run: its network, the names of its classes, and its preprocessing.

    Args:
        run: the folder of the run.
        model: its label, "st-cnn"; by default, of several the one with the lowest validation error.

    Raises:
        UserError: this is no run, or it has no such model that is trained.
    """
    from .runs.saved import load_model  # PyTorch is loaded when it is needed

    return load_model(Path(run), model)


def save_pretrained(run: str | Path, folder: str | Path, model: str | None = None) -> None:
    """Write a model of a run as a folder to hand on: config.json, model.safetensors, and a card of its results.

    Args:
        run: the folder of the run.
        folder: where to.
        model: as for `load`.

    Raises:
        UserError: as for `load`, or the folder cannot be written.
    """
    from .pretrained import save_pretrained as save

    save(run, folder, model)


def from_pretrained(folder: str | Path) -> "SavedModel":
    """The model of a folder that `save_pretrained` wrote. Nothing in it is executed.

    Args:
        folder: a local one.

    Raises:
        UserError: it is not there, damaged, of a later version, or its files do not belong together.
    """
    from .pretrained import from_pretrained as read

    return read(folder)
