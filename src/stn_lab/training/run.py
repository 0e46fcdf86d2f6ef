"""Training a run: its models one after the other, under one budget, restartable at any moment."""

from typing import Any

import lightning as L
import torch

from ..data import Splits
from ..data.stream import TEST_SEED, Batch, frozen
from ..networks import DigitClassifier, count_parameters
from .callbacks import Filmstrip, StepTimer
from .config import Experiment, Machine
from .data_module import DistortedDigits
from .evaluation import load_weights, score
from .fit import fit
from .folder import RunFolder
from .module import ClassifierTraining
from .pictures import mean_per_class, save_pictures
from .process import is_first_process
from .provenance import provenance

FILM_IMAGES = 8


def train_run(folder: RunFolder, experiment: Experiment, machine: Machine, splits: Splits) -> None:
    """Train every model of a run that has no result yet, and write the results.

    Args:
        folder: receives logs, checkpoints, pictures and results.
        experiment: what to train; the same that the folder was made for.
        machine: where to train.
        splits: the upright digits.

    Raises:
        UserError: the machine cannot be used as asked.
        Interrupted: Ctrl-C; everything is on disk, and another call goes on from there.
    """
    finished = folder.results()
    for label in experiment.models:
        if label not in finished:
            train_model(label, splits, folder, experiment, machine)


def train_model(label: str, splits: Splits, folder: RunFolder, experiment: Experiment, machine: Machine) -> None:
    """Train one model, measure it at its best checkpoint, and write its result."""
    budget = experiment.budget
    L.seed_everything(budget.seed, verbose=False)
    data = DistortedDigits(splits, experiment)
    test = frozen(splits.test, data.distortion, TEST_SEED, torch.device("cpu"))
    network = experiment.build(label)
    mean_before = mean_per_class(network, test)
    film = Filmstrip(data.validation[0][0][:FILM_IMAGES], budget.steps)
    timer = StepTimer(data)
    module = ClassifierTraining(network, budget)
    fit(module, data, folder.model(label), budget=budget, machine=machine, callbacks=[film, timer])
    times = timer.as_json()
    if not is_first_process():
        return  # one process measures and writes
    network.cpu()
    best_step = load_weights(network, folder.model(label) / "best.ckpt")
    save_pictures(folder.model(label) / "pictures.npz", network, test, film, mean_before)
    folder.add_result(
        label,
        {
            **measure(network, test, data.validation),
            "steps": budget.steps,
            "best_step": best_step,
            "batch_size": budget.batch_size,
            "seed": budget.seed,
            **times,
            **provenance(module.device),
        },
    )


def measure(network: DigitClassifier, test: list[Batch], validation: list[Batch]) -> dict[str, Any]:
    """Errors and sizes of a trained network, ready for JSON."""
    tested = score(network, test)
    return {
        "error_percent": tested.error_percent,
        "standard_error": tested.standard_error,
        "test_images": tested.test_images,
        "validation_error_percent": score(network, validation).error_percent,
        "parameters": count_parameters(network),
        "localiser_parameters": count_parameters(network.transformer),
    }
