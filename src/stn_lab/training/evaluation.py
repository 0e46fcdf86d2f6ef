"""How good a trained model is, measured on the frozen test set."""

import copy
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import nn

from ..data import DISTORTIONS, load
from ..data.scene import Batch
from ..data.stream import TEST_SEED, frozen
from ..errors import UnusableCheckpoint
from ..networks import DigitClassifier
from .config import Experiment
from .folder import RunFolder
from .module import is_wrong


@dataclass(frozen=True)
class Score:
    """Share of wrong answers, in percent, and its binomial standard error."""

    error_percent: float
    test_images: int

    @property
    def standard_error(self) -> float:
        share = self.error_percent / 100
        return 100 * (share * (1 - share) / self.test_images) ** 0.5


@torch.inference_mode()
def score(network: nn.Module, batches: Iterable[Batch]) -> Score:
    """The error of a network, which is put into evaluation mode."""
    network.eval()
    wrong = count = 0
    for images, labels in batches:
        wrong += int(is_wrong(network(images), labels).sum())
        count += len(labels)
    return Score(100 * wrong / count, count)


def load_weights(network: nn.Module, checkpoint: Path) -> int:
    """Put the weights of a checkpoint into a network.

    Returns:
        The step at which they were saved.

    Raises:
        UnusableCheckpoint: the file is missing, damaged, or of another model.
    """
    try:
        saved: dict[str, Any] = torch.load(checkpoint, map_location="cpu", weights_only=True)
        state = {name.removeprefix("network."): weight for name, weight in saved["state_dict"].items()}
        step = int(saved["global_step"])
    except FileNotFoundError:
        raise UnusableCheckpoint(f"{checkpoint} is missing; train the run first") from None
    except Exception:  # a damaged file fails in as many ways as there are bytes in it
        raise UnusableCheckpoint(f"{checkpoint} is damaged or no checkpoint of this command") from None
    try:
        copy.deepcopy(network).load_state_dict(state)  # which stops halfway if the layers do not fit
    except RuntimeError:
        raise UnusableCheckpoint(
            f"{checkpoint} is the checkpoint of another model: its layers do not have the same shapes"
        ) from None
    network.load_state_dict(state)
    return step


def load_model(folder: RunFolder, experiment: Experiment, label: str) -> DigitClassifier:
    """A trained model of a run, ready to be used.

    Raises:
        UserError: its checkpoint is missing, damaged or of another model.
    """
    network = experiment.build(label)
    load_weights(network, folder.model(label) / "best.ckpt")
    return network.eval()


def evaluate_run(folder: RunFolder) -> dict[str, Score]:
    """Measure every finished model of a run again.

    Raises:
        UserError: a model is unfinished, or its checkpoint cannot be used.
    """
    experiment = folder.experiment()
    distortion = DISTORTIONS[experiment.task.distortion]
    models = {label: load_model(folder, experiment, label) for label in experiment.models}
    batches = frozen(load(experiment.task.data).test, distortion, TEST_SEED)
    return {label: score(network, batches) for label, network in models.items()}
