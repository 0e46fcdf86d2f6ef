"""Training a run: its models one after the other, under one budget, restartable at any moment."""

from pathlib import Path

import torch

from ..models import saved
from ..models.build import build
from ..models.classifier import DigitClassifier
from ..tasks.classification import ImageClassification
from ..training import checkpoint
from ..training.config import Machine
from ..training.learn import learn
from ..training.process import is_first_process
from .collapse import CollapseWatch
from .experiment import Experiment
from .folder import RunFolder
from .pictures import Filmstrip, mean_per_class, save_pictures


def build_model(
    experiment: Experiment, task: ImageClassification, label: str, *, weights: str = "none"
) -> DigitClassifier:
    """The network of one of the models of a run, untrained; `weights` are those that a network of timm begins with.

    Raises:
        UserError: it is too large to be matched, or cannot be had.
    """
    return build(experiment.spec(label), task.canvas, filters=experiment.budget.filters, weights=weights)


def build_first(folder: RunFolder, experiment: Experiment, task: ImageClassification, label: str) -> DigitClassifier:
    """The network that a model begins with; its weights do not matter where training goes on from a checkpoint."""
    begun = (folder.model(label) / checkpoint.LAST).is_file()
    return build_model(experiment, task, label, weights="none" if begun else experiment.weights)


def train_run(folder: RunFolder, experiment: Experiment, machine: Machine, task: ImageClassification) -> None:
    """Train every model of a run that has no result yet, or that of a shorter run, and write the results.

    Args:
        folder: receives logs, checkpoints, pictures and results.
        experiment: what to train; the same that the folder was made for.
        machine: where to train.
        task: what is learnt.

    Raises:
        UserError: the machine cannot be used as asked.
        Interrupted: Ctrl-C; everything is on disk, and another call goes on from there.
    """
    finished = folder.finished(experiment.budget.steps)
    for label in experiment.models:
        if label not in finished:
            train_model(label, folder, experiment, machine, task)


def train_model(
    label: str, folder: RunFolder, experiment: Experiment, machine: Machine, task: ImageClassification
) -> None:
    """Train one model, measure it at its best checkpoint, and write its result."""
    torch.manual_seed(experiment.budget.seed)
    network = build_first(folder, experiment, task, label)
    mean_before = mean_per_class(network, task)
    images = next(iter(task.validation))[0]
    film, collapse = Filmstrip(images, experiment.budget.steps), CollapseWatch(label, images)
    how = learn(task, network, folder.model(label), experiment.budget, machine, watchers=[film, collapse])
    if is_first_process():  # one process measures and writes
        save_pictures(folder.model(label) / "pictures.npz", network, task, film, mean_before)
        _save(folder.model(label), network, experiment, task, label)
        folder.add_result(label, {**task.measure(network), **how, "warnings": collapse.told})


def _save(
    folder: Path, network: DigitClassifier, experiment: Experiment, task: ImageClassification, label: str
) -> None:
    saved.save(
        folder,
        network,
        experiment.spec(label),
        task.canvas,
        filters=experiment.budget.filters,
        classes=task.class_names,
        preprocessing=task.preprocessing,
    )
