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
