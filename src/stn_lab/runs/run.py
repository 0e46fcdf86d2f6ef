"""Training a run: its models one after the other, under one budget, restartable at any moment."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import lightning as L
from torch import nn

from ..digits.distortions import DISTORTIONS
from ..digits.sets import Splits
from ..models.build import build, count_localising_parameters, count_parameters
from ..models.classifier import DigitClassifier
from ..tasks.scene import Batch
from ..views.arrays import mean_per_class, save_pictures
from .callbacks import Filmstrip, StepTimer
from .config import Budget, Machine
from .data_module import Batches
from .evaluation import load_weights, score
from .experiment import Experiment
from .fit import fit
from .folder import RunFolder
from .module import ClassifierTraining, TrainingModule
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


def build_model(experiment: Experiment, label: str) -> DigitClassifier:
    """The network of one of the models of a run, untrained.

    Raises:
        UserError: it is too large to be matched.
    """
    scene = DISTORTIONS[experiment.data.distortion]
    return build(experiment.spec(label), scene, filters=experiment.budget.filters)


def train_model(label: str, splits: Splits, folder: RunFolder, experiment: Experiment, machine: Machine) -> None:
    """Train one model, measure it at its best checkpoint, and write its result."""
    budget = experiment.budget
    L.seed_everything(budget.seed, verbose=False)
    data = Batches(splits, DISTORTIONS[experiment.data.distortion], budget)
    network = build_model(experiment, label)
    mean_before = mean_per_class(network, data.test)
    film = Filmstrip(data.validation[0][0][:FILM_IMAGES], budget.steps)
    module = ClassifierTraining(network, budget)
    how = train(module, data, folder.model(label), budget=budget, machine=machine, callbacks=[film])
    if not is_first_process():
        return  # one process measures and writes
    best_step = load_weights(network, folder.model(label) / "best.ckpt")
    save_pictures(folder.model(label) / "pictures.npz", network, data.test, film, mean_before)
    folder.add_result(label, {**measure(network, data.test, data.validation), "best_step": best_step, **how})


def train(
    module: TrainingModule,
    data: Batches,
    folder: Path,
    *,
    budget: Budget,
    machine: Machine,
    callbacks: Sequence[L.Callback] = (),
) -> dict[str, Any]:
    """Train, or go on with what `folder` holds, and put the network back on the CPU.

    Returns:
        How it was trained, how long that took and where: what every result carries, ready for JSON.
    """
    timer = StepTimer(data)
    fit(module, data, folder, budget=budget, machine=machine, callbacks=[*callbacks, timer])
    device = module.device
    module.network.cpu()
    return {
        "steps": budget.steps,
        "batch_size": budget.batch_size,
        "seed": budget.seed,
        **timer.as_json(),
        "precision": machine.precision,
        **provenance(device),
    }


def measure(network: nn.Module, test: list[Batch], validation: list[Batch]) -> dict[str, Any]:
    """Errors and sizes of a trained network, ready for JSON."""
    tested = score(network, test)
    return {
        "error_percent": tested.error_percent,
        "standard_error": tested.standard_error,
        "test_images": tested.test_images,
        "validation_error_percent": score(network, validation).error_percent,
        "parameters": count_parameters(network),
        "localiser_parameters": count_localising_parameters(network),
    }
