"""Tasks whose answers are classes: the loss, and what counts as an error."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ..images.preprocessing import Preprocessing
from ..models.build import count_localising_parameters, count_parameters
from ..models.spec import Canvas
from ..poses import Pose, PoseSource
from .looking import measure_transformer
from .task import Batch, Task


class Classification(Task):
    """Cross-entropy, nothing else: where to look is learnt from the task's loss alone.

    The network returns logits, (N, classes), or (N, places, classes) where there are several answers, such as the
    digits of a house number. Their cross-entropies are summed.

    Attributes:
        weights: (classes,) how much each class counts; None: all the same.
    """

    weights: Tensor | None = None

    def figures(self, network: nn.Module, batch: Batch, done: float = 1.0) -> dict[str, Tensor]:
        images, labels = batch
        logits = network(images)
        smoothing = self.label_smoothing if network.training else 0.0
        loss = cross_entropy(logits, labels, self.weights, smoothing)
        return {"loss": loss, "error": is_wrong(logits, labels).float().mean()}

    def measure(self, network: nn.Module) -> dict[str, Any]:
        """Errors and sizes."""
        tested = score(network, self.test)
        return {
            "error_percent": tested.error_percent,
            "standard_error": tested.standard_error,
            "test_images": tested.test_images,
            "validation_error_percent": score(network, self.validation).error_percent,
            "parameters": count_parameters(network),
            "localiser_parameters": count_localising_parameters(network),
        }


class ImageClassification(Classification):
    """Images of one size, of which each is of one class: what the models of `stn train` are built for.

    Attributes:
        canvas: what networks are given and asked.
        class_names: of all classes, in the order of the logits.
        preprocessing: from any image to one of these.
    """

    canvas: Canvas
    class_names: tuple[str, ...]
    preprocessing: Preprocessing

    def measure(self, network: nn.Module) -> dict[str, Any]:
        """Errors and sizes; and of a network with a transformer, what that undoes and frames."""
        measured = super().measure(network)
        transformer = getattr(network, "transformer", None)
        return measured if transformer is None else measured | measure_transformer(transformer, self)

    def test_poses(self) -> tuple[PoseSource, Pose] | None:
        """How the things in the test images lie, in their order, and how that is known; None where it is not."""
        return None

    def test_boxes(self) -> Tensor | None:
        """(T, 4) true boxes of the test images, in their order, normalised, NaN where an image has none."""
        return None

    def summary(self) -> str:
        """What was found in the data, for the person who starts a run; nothing where there is nothing to say."""
        return ""

    def afterword(self) -> str:
        """What was found while training, as above."""
        return ""


def cross_entropy(
    logits: Tensor, labels: Tensor, weights: Tensor | None = None, label_smoothing: float = 0.0
) -> Tensor:
    """The mean over (N, classes) logits and (N,) labels; of (N, places, classes) and (N, places), sums over places.

    Args:
        logits: of every class.
        labels: the classes that are right.
        weights: (classes,) how much each class counts; None: all the same.
        label_smoothing: the share of the answer that is spread over all classes.
    """
    each = F.cross_entropy(
        logits.flatten(0, -2),
        labels.flatten(),
        None if weights is None else weights.to(logits),
        reduction="none",
        label_smoothing=label_smoothing,
    )
    return each.sum() / len(labels)


def is_wrong(logits: Tensor, labels: Tensor) -> Tensor:
    """(N,) whether any of an example's answers is wrong; shapes as in `cross_entropy`."""
    wrong = logits.argmax(dim=-1) != labels  # (N,) or (N, places)
    return wrong if wrong.ndim == 1 else wrong.any(dim=1)


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
