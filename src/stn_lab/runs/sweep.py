"""The invariance curves of a run's models."""

from ..digits.distortions import DISTORTIONS
from ..digits.invariance import COUNT, SWEEPS, error_curve
from ..digits.task import DistortedDigits
from ..files import write_json
from .evaluation import load_model
from .folder import RunFolder


def sweep_run(folder: RunFolder, kind: str) -> dict[str, list[float]]:
    """Measure every model of a run against one kind of distortion, and write `sweep-<kind>.json`.

    Returns:
        For each model, the error in percent at each amount of `SWEEPS[kind]`.

    Raises:
        UserError: a model is unfinished, or its checkpoint cannot be used.
    """
    experiment = folder.experiment()
    task = experiment.data.task()
    assert isinstance(task, DistortedDigits)
    distortion = DISTORTIONS[experiment.data.distortion]
    networks = {label: load_model(folder, experiment, task, label) for label in experiment.models}
    digits = task.splits.test[:COUNT]
    unit, amounts = SWEEPS[kind]
    errors = {
        label: error_curve(network, digits, distortion.side, kind, amounts) for label, network in networks.items()
    }
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
