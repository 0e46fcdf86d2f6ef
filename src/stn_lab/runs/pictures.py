"""The arrays behind the pictures of a report."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from ..models.classifier import DigitClassifier
from ..models.theta_names import theta_names
from ..regions import frame
from ..tasks.classification import ImageClassification
from ..tasks.task import Batch

SHEET = 48  # images on the contact sheet
HARDEST = 24  # mistakes that are shown
OUTLINE = 20  # points along each side of the sampled region


class Filmstrip:
    """Keeps what the transformer makes of the same few images at moments spread over the training.

    Args:
        images: (N, C, H, W), of which the first few are used.
        steps: of the whole training.
    """

    IMAGES, MOMENTS = 8, 8

    def __init__(self, images: Tensor, steps: int) -> None:
        self.images = images[: self.IMAGES]
        self.frames: dict[int, Tensor] = {}  # step -> (B, H, W) or (B, H, W, 3)
        # Closer together at first, when most happens.
        self.moments = {round(steps * (i / (self.MOMENTS - 1)) ** 2) for i in range(self.MOMENTS)}

    @torch.no_grad()
    def look(self, step: int, network: nn.Module) -> None:
        assert isinstance(network, DigitClassifier)
        if step in self.moments and step not in self.frames and network.transformer is not None:
            device = next(network.parameters()).device
            self.frames[step] = as_picture(network.transformer(self.images.to(device))).float().cpu()

    def state_dict(self) -> dict[str, Any]:
        return {"frames": self.frames}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.frames = dict(state["frames"])


@torch.inference_mode()
def save_pictures(
    path: Path, network: DigitClassifier, task: ImageClassification, film: Filmstrip, mean_before: Tensor | None
) -> None:
    """Write what the report draws from, as one `.npz` file.

    Args:
        path: of the file.
        network: trained.
        task: with the test set.
        film: frames taken during training.
        mean_before: (classes, ...) from `mean_per_class` before training.
    """
    network.eval()
    confusion, hardest = survey(network, task)
    hard = _sheet(network, *hardest) if len(hardest[1]) else {}
    arrays = _sheet(network, *_first(task.test, SHEET)) | {f"hard_{name}": array for name, array in hard.items()}
    transformer = network.transformer
    mean_after = mean_per_class(network, task)
    if transformer is not None and mean_before is not None and mean_after is not None:
        arrays |= {
            "theta": torch.cat([transformer.theta(batch) for batch, _ in task.test]),
            "identity": transformer.family.identity(1)[0],
            "mean_before": mean_before,
            "mean_after": mean_after,
            "film": torch.stack(list(film.frames.values())),
            "film_steps": torch.tensor(list(film.frames)),
            "film_images": as_picture(film.images),
        }
    written: dict[str, Any] = {name: array.float().cpu().numpy() for name, array in arrays.items()}
    written |= {"class_names": np.array(task.class_names), "confusion": confusion.numpy()}
    if transformer is not None:
        written["theta_names"] = np.array(theta_names(transformer.family))
    np.savez_compressed(path, **written)


def _sheet(network: DigitClassifier, images: Tensor, labels: Tensor) -> dict[str, Tensor]:
    """Images, what the network sees of them, and what it answers."""
    chances = network(images).softmax(dim=1)
    arrays = {
        "images": as_picture(images),
        "labels": labels,
        "predictions": chances.argmax(dim=1),
        "confidence": chances.amax(dim=1),
    }
    transformer = network.transformer
    if transformer is None:
        return arrays
    warped, theta = transformer(images, return_theta=True)
    outline = transformer.family.points(theta, frame(OUTLINE).to(theta))
    return arrays | {"warped": as_picture(warped), "outline": outline}


@torch.inference_mode()
def survey(network: nn.Module, task: ImageClassification) -> tuple[Tensor, Batch]:
    """What is taken for what, and the mistakes of which a network is most certain.

    Returns:
        (classes, classes) how many test images of each class, in rows, are read as which; and images and labels of no
        more than `HARDEST` mistakes, the worst first.
    """
    classes = len(task.class_names)
    confusion = torch.zeros(classes, classes, dtype=torch.int64)
    worst: list[tuple[float, int, Tensor, Tensor]] = []  # confidence, a number that breaks ties, image, label
    for images, labels in task.test:
        confidence, answers = network(images).softmax(dim=1).max(dim=1)
        confusion += (labels * classes + answers).bincount(minlength=classes**2).view(classes, classes)
        for k in torch.nonzero(answers != labels).flatten().tolist():
            worst.append((-confidence[k].item(), len(worst), images[k].clone(), labels[k]))
        worst = sorted(worst, key=lambda mistake: mistake[:2])[:HARDEST]
    if not worst:
        return confusion, (torch.empty(0), torch.empty(0))
    return confusion, (torch.stack([image for *_, image, _ in worst]), torch.stack([label for *_, label in worst]))


def _first(batches: Iterable[Batch], count: int) -> Batch:
    """The first images and labels, of as many batches as that takes."""
    found: list[Batch] = []
    for batch in batches:
        found.append(batch)
        if sum(len(labels) for _, labels in found) >= count:
            break
    images, labels = (torch.cat(parts) for parts in zip(*found, strict=True))
    return images[:count], labels[:count]


def as_picture(images: Tensor) -> Tensor:
    """(N, C, H, W) to (N, H, W) in grey or (N, H, W, 3) in colours, as the report shows them."""
    return images.movedim(1, -1) if images.shape[1] == 3 else images[:, 0]


@torch.inference_mode()
def mean_per_class(network: DigitClassifier, task: ImageClassification) -> Tensor | None:
    """(classes, H, W) or (classes, H, W, 3), the mean output of the transformer; None for a network without one."""
    if network.transformer is None:
        return None
    sums: Tensor | None = None
    for images, labels in task.test:
        seen = as_picture(network.transformer(images)).double()  # (N, H, W) or (N, H, W, 3)
        if sums is None:
            sums = seen.new_zeros(len(task.class_names), *seen.shape[1:])
        sums.index_add_(0, labels, seen)
    counts = torch.cat([labels for _, labels in task.test]).bincount(minlength=len(task.class_names))
    assert sums is not None
    return sums / counts.view(-1, *[1] * (sums.ndim - 1))  # NaN of a class without a test image
