"""A trained model as two files: `spec.json` says all but its weights, which `weights.safetensors` holds."""

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from safetensors import SafetensorError
from safetensors.torch import load_file
from safetensors.torch import save as serialised

from ..errors import UserError
from ..files import replacing, write_json
from ..images.preprocessing import Preprocessing
from .build import build
from .classifier import DigitClassifier
from .spec import Canvas, ModelSpec

SPEC, WEIGHTS = "spec.json", "weights.safetensors"
FORMAT = 1


@dataclass(frozen=True)
class BuiltFor:
    """What a network was built for, as read from a file: a `Canvas`."""

    channels: int
    size: tuple[int, int]
    classes: int
    pool: bool


@dataclass(frozen=True)
class SavedModel:
    """A trained model, ready to be used.

    Attributes:
        network: (N, C, H, W) images in 0 ... 1 to (N, classes) logits; in evaluation mode, on the CPU.
        classes: their names, in the order of the logits.
        preprocessing: from a file, or an image in memory, to what the network takes.
        spec: all that `spec.json` says.
    """

    network: DigitClassifier
    classes: tuple[str, ...]
    preprocessing: Preprocessing
    spec: dict[str, Any]


def save(
    folder: Path,
    network: DigitClassifier,
    spec: ModelSpec,
    canvas: Canvas,
    *,
    filters: int,
    classes: tuple[str, ...],
    preprocessing: Preprocessing,
) -> None:
    """Write both files, each whole or not at all.

    Args:
        folder: of the model.
        network: trained.
        spec: what it is made of.
        canvas: what it was built for.
        filters: as given to `build`.
        classes: names, in the order of the logits.
        preprocessing: of the images that it has learnt from.
    """
    weights = {name: value.detach().cpu().contiguous() for name, value in network.state_dict().items()}
    with replacing(folder / WEIGHTS) as unfinished:
        unfinished.write_bytes(serialised(weights))  # `save_file` tells of a full disk as damage
    seen = BuiltFor(canvas.channels, canvas.size, canvas.classes, canvas.pool)
    values = {
        "format": FORMAT,
        "model": asdict(spec),
        "filters": filters,
        "canvas": asdict(seen),
        "classes": list(classes),
        "preprocessing": asdict(preprocessing),
    }
    write_json(folder / SPEC, values)


def load(folder: Path, *, spec: str = SPEC, weights: str = WEIGHTS) -> SavedModel:
    """A model that was saved.

    Args:
        folder: of the model.
        spec: name of the file that describes it.
        weights: name of that of its weights.

    Raises:
        UserError: it is not there, damaged, of a later version, or its two files do not belong together.
    """
    said = read_json(folder / spec)
    if said.get("format") != FORMAT:
        raise UserError(f"{folder / spec} has format {said.get('format')}; this version reads {FORMAT}")
    try:
        canvas = BuiltFor(**said["canvas"] | {"size": tuple(said["canvas"]["size"])})
        preprocessing = Preprocessing(**said["preprocessing"])
        classes = tuple(map(str, said["classes"]))
        _check_alike(canvas, preprocessing, classes)
        network = build(ModelSpec(**said["model"]), canvas, filters=said["filters"])
    except (KeyError, TypeError, ValueError) as error:
        raise UserError(f"{folder / spec} is damaged ({type(error).__name__}: {error})") from error
    _load_weights(network, folder / weights, spec)
    return SavedModel(network.eval(), classes, preprocessing, said)


def _check_alike(canvas: BuiltFor, preprocessing: Preprocessing, classes: tuple[str, ...]) -> None:
    """Raises ValueError where a network would be built for other images, or answers, than the file says beside it."""
    for what, built, said in (
        ("size", canvas.size, tuple(preprocessing.size)),
        ("channels", canvas.channels, preprocessing.channels),
        ("classes", canvas.classes, len(classes)),
    ):
        if built != said:
            raise ValueError(f"{what}: the network is built for {built}, the rest of the file says {said}")


def read_json(path: Path) -> dict[str, Any]:
    """What a file beside weights says; raises UserError where it is missing or damaged."""
    try:
        return dict(json.loads(path.read_text(encoding="utf-8")))
    except FileNotFoundError:
        raise UserError(f"{path} is missing: no trained model, or one that has not finished; see `stn train`") from None
    except (OSError, ValueError, TypeError) as error:
        raise UserError(f"{path} is damaged ({error})") from error


def _load_weights(network: DigitClassifier, path: Path, spec: str) -> None:
    try:
        network.load_state_dict(load_file(path))
    except FileNotFoundError:
        raise UserError(f"{path} is missing; train the model again") from None
    except (OSError, SafetensorError) as error:
        raise UserError(f"{path} is damaged ({error})") from error
    except RuntimeError as error:
        raise UserError(f"{path} holds the weights of another model than {spec} beside it describes") from error
