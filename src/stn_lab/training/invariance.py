"""The invariance curve: error against how far a digit is turned, scaled or moved, beyond what was trained too."""

import torch

from ..data import DISTORTIONS, load
from ..data.distortions import place
from ..data.scene import Batch
from ..data.stream import FROZEN_BATCH
from .evaluation import load_model, score
from .folder import RunFolder, write_json

# Amounts of each kind, its unit, and the argument of `place` that it is.
SWEEPS: dict[str, tuple[str, list[float]]] = {
    "rotation": ("degrees", [float(degrees) for degrees in range(-180, 181, 15)]),
    "scale": ("times", [round(0.3 + 0.1 * i, 1) for i in range(15)]),
    "translation": ("pixels", [float(pixels) for pixels in range(-24, 25, 2)]),
}

# Test digits per amount: enough for a curve, and minutes rather than hours on a laptop.
COUNT = 2000


def sweep_run(folder: RunFolder, kind: str) -> dict[str, list[float]]:
    """Measure every model of a run against one kind of distortion, and write `sweep-<kind>.json`.

    Returns:
        For each model, the error in percent at each amount of `SWEEPS[kind]`.

    Raises:
        UserError: a model is unfinished, or its checkpoint cannot be used.
    """
    experiment = folder.experiment()
    distortion = DISTORTIONS[experiment.task.distortion]
    networks = {label: load_model(folder, experiment, label) for label in experiment.models}
    digits = load(experiment.task.data).test[:COUNT]
    unit, amounts = SWEEPS[kind]
    errors: dict[str, list[float]] = {label: [] for label in networks}
    for amount in amounts:
        batches = [
            _placed(digits.as_input(part), digits.labels[part], distortion.side, kind, amount)
            for part in (slice(start, start + FROZEN_BATCH) for start in range(0, len(digits), FROZEN_BATCH))
        ]
        for label, network in networks.items():
            errors[label].append(score(network, batches).error_percent)
    curve = {
        "kind": kind,
        "unit": unit,
        "amounts": amounts,
        "trained_range": list(distortion.range[kind]),
        "test_images": len(digits),
        "error_percent": errors,
    }
    write_json(folder.path / f"sweep-{kind}.json", curve)
    return errors


def _placed(images: torch.Tensor, labels: torch.Tensor, side: int, kind: str, amount: float) -> Batch:
    if kind == "rotation":
        return place(images, side, degrees=amount), labels
    if kind == "scale":
        return place(images, side, scale=amount), labels
    return place(images, side, shift=(amount, 0.0)), labels
