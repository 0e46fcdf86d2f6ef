"""The arrays behind the pictures of a report.

Of a network with K transformers side by side there are K of everything that one makes, in an axis of its own.
"""

import copy
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from spatial_transformer import SpatialTransformer

from ..files import replacing
from ..models.classifier import DigitClassifier
from ..models.theta_names import theta_names
from ..regions import Transformer, pixel_boxes, regions, thetas
from ..tasks.classification import ImageClassification
from ..tasks.looking import best_box_overlaps, first
from ..tasks.task import Batch

LAYOUT = 2  # of the arrays; 1 had no axis for several transformers, and outlines in normalised coordinates
SHEET = 48  # images on the contact sheet
HARDEST = 24  # mistakes that are shown


class Filmstrip:
    """Keeps what the transformer makes of the same few images at moments spread over the training.

    Args:
        images: (N, C, H, W), of which the first few are used.
        steps: of the whole training.
    """

    IMAGES, MOMENTS = 8, 8

    def __init__(self, images: Tensor, steps: int) -> None:
        self.images = images[: self.IMAGES]
        self.frames: dict[int, Tensor] = {}  # step -> (B, K, h, w) or (B, K, h, w, 3)
        # Closer together at first, when most happens.
        self.moments = {round(steps * (i / (self.MOMENTS - 1)) ** 2) for i in range(self.MOMENTS)}

    @torch.no_grad()
    def look(self, step: int, network: nn.Module) -> None:
        assert isinstance(network, DigitClassifier)
        if step in self.moments and step not in self.frames and network.transformer is not None:
            device = next(network.parameters()).device
            self.frames[step] = _seen(network.transformer, self.images.to(device)).float().cpu()

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
    arrays = _sheet(network, *first(task, SHEET)) | {f"hard_{name}": array for name, array in hard.items()}
    boxes = task.test_boxes()
    if boxes is not None:
        arrays["boxes"] = pixel_boxes(boxes[:SHEET], task.canvas.size)
    if network.transformer is not None:
        arrays |= _transformer_pictures(network.transformer, network, task, film, mean_before)
    written: dict[str, Any] = {name: array.float().cpu().numpy() for name, array in arrays.items()}
    written |= {"layout": np.array(LAYOUT), "class_names": np.array(task.class_names), "confusion": confusion.numpy()}
    if network.transformer is not None:
        written["theta_names"] = np.array(theta_names(network.transformer.family))
    with replacing(path) as unfinished, unfinished.open("wb") as file:
        np.savez_compressed(file, **written)


def _transformer_pictures(
    transformer: Transformer,
    network: DigitClassifier,
    task: ImageClassification,
    film: Filmstrip,
    mean_before: Tensor | None,
) -> dict[str, Tensor]:
    """What a network without a transformer has none of."""
    theta = torch.cat([thetas(transformer, images) for images, _ in task.test])  # (T, K, P)
    arrays = {"theta": theta, "identity": _start(transformer, film.images[:1])}
    overlaps = best_box_overlaps(transformer, task, theta)
    if overlaps is not None:
        arrays["overlaps"] = overlaps
    mean_after = mean_per_class(network, task)
    if mean_before is not None and mean_after is not None:
        arrays |= {"mean_before": mean_before, "mean_after": mean_after}
    if film.frames:
        arrays |= {
            "film": torch.stack(list(film.frames.values())),
            "film_steps": torch.tensor(list(film.frames)),
            "film_images": as_picture(film.images),
        }
    return arrays


def _start(transformer: Transformer, images: Tensor) -> Tensor:
    """(K, P) where transformers begin, whatever they are shown."""
    fresh = copy.deepcopy(transformer)
    fresh.reset_to_identity() if isinstance(fresh, SpatialTransformer) else fresh.reset_to_starts()
    return thetas(fresh, images)[0]


def _seen(transformer: Transformer, images: Tensor) -> Tensor:
    """(N, K, h, w) or (N, K, h, w, 3), what K transformers hand on of (N, C, H, W) images."""
    seen = transformer(images)
    return as_picture(seen[:, None] if isinstance(transformer, SpatialTransformer) else seen)


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
    size = (images.shape[2], images.shape[3])
    outline = regions(transformer.family, thetas(transformer, images), size).outline  # (N, K, L, 2)
    return arrays | {"warped": _seen(transformer, images), "outline": outline}


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


def as_picture(images: Tensor) -> Tensor:
    """(..., C, H, W) to (..., H, W) in grey or (..., H, W, 3) in colours, as the report shows them."""
    return images.movedim(-3, -1) if images.shape[-3] == 3 else images[..., 0, :, :]


@torch.inference_mode()
def mean_per_class(network: DigitClassifier, task: ImageClassification) -> Tensor | None:
    """(classes, K, h, w) or (classes, K, h, w, 3), mean outputs of transformers; None for a network without one."""
    if network.transformer is None:
        return None
    sums: Tensor | None = None
    for images, labels in task.test:
        seen = _seen(network.transformer, images).double()  # (N, K, h, w) or (N, K, h, w, 3)
        if sums is None:
            sums = seen.new_zeros(len(task.class_names), *seen.shape[1:])
        sums.index_add_(0, labels, seen)
    counts = torch.cat([labels for _, labels in task.test]).bincount(minlength=len(task.class_names))
    assert sums is not None
    return sums / counts.view(-1, *[1] * (sums.ndim - 1))  # NaN of a class without a test image
