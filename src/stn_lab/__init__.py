"""The application of the spatial transformer library: images, models, training, reports, and the command `stn`.

>>> import stn_lab
>>> model = stn_lab.load("runs/demo")  # doctest: +SKIP
>>> image = model.preprocessing.read("seven.png")  # doctest: +SKIP
>>> model.classes[model.network(image[None]).argmax()]  # doctest: +SKIP
'7'
"""

from pathlib import Path
from typing import TYPE_CHECKING, Any, overload

if TYPE_CHECKING:
    from torch import nn

    from .models.saved import SavedModel
    from .own_module import Module


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


def save_pretrained(source: "str | Path | nn.Module", folder: str | Path, model: str | None = None) -> None:
    """Write a model of a run, or a module of your own, as a folder to hand on: config.json and model.safetensors.

    Args:
        source: the folder of a run, of which README.md becomes a card of its results; or the module.
        folder: where to.
        model: of a run, as for `load`.

    Raises:
        UserError: as for `load`, a part of the module has no values, or the folder cannot be written.
    """
    from .pretrained import save_pretrained as save

    save(source, folder, model)


@overload
def from_pretrained(folder: str | Path) -> "SavedModel": ...
@overload
def from_pretrained(folder: str | Path, module: "Module") -> "Module": ...
def from_pretrained(folder: str | Path, module: Any = None) -> Any:
    """What `save_pretrained` wrote into a folder: the model of a run, or weights for a module. Nothing is executed.

    Args:
        folder: a local one.
        module: for the weights of a module of your own: one that is built as that was. It gets them in place, all of
            them or none, and is returned in evaluation mode.

    Raises:
        UserError: it is not there, damaged, of a later version, its files do not belong together, or it is of a module
            and none, or another one, is given.
    """
    from .pretrained import from_pretrained as read

    return read(folder) if module is None else read(folder, module)
