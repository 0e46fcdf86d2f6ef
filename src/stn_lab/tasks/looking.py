"""What is measured of transformers, over the test images: which poses they undo, and how well they frame things."""

from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from ..poses import Pose, pose_of_region, undone
from ..regions import Transformer, overlaps, pixel_boxes, regions, thetas
from ..trials import COUNT, tried
from .task import Batch

if TYPE_CHECKING:
    from .classification import ImageClassification

FOUND = 0.5  # of intersection over union: a box is found


@torch.inference_mode()
def measure_transformer(transformer: Transformer, task: "ImageClassification") -> dict[str, Any]:
    """What a transformer undoes, and, where the data has boxes, how well the region that it samples covers them.

    Returns:
        "undone", as `undone` of `poses.py`; of several side by side, that of each under its number, "1", "2", .... With
        boxes "box_overlap_mean" and "boxes_found_percent": the mean intersection over union, and how many reach
        `FOUND`; of several transformers, of the one with the highest mean.
    """
    theta = torch.cat([thetas(transformer, images) for images, _ in task.test])  # (T, K, P)
    each = [_undone(transformer, task, theta, k) for k in range(theta.shape[1])]
    measured = {"undone": each[0] if len(each) == 1 else {str(k): one for k, one in enumerate(each, start=1)}}
    overlaps = best_box_overlaps(transformer, task, theta)
    return measured if overlaps is None else measured | _boxes(overlaps[overlaps.isfinite()])


def best_box_overlaps(transformer: Transformer, task: "ImageClassification", theta: Tensor) -> Tensor | None:
    """(T,) intersection over union of what is sampled of the test images with the true boxes, NaN without a box.

    Of what (T, K, P) thetas sample: of several transformers that which frames things best on average. None where the
    data has no boxes.
    """
    true = task.test_boxes()
    if true is None:
        return None
    size = task.canvas.size
    each = overlaps(regions(transformer.family, theta, size).box, pixel_boxes(true, size), size)  # (T, K)
    return each[:, each.nanmean(dim=0).argmax()]


def _boxes(overlaps: Tensor) -> dict[str, float]:
    return {
        "box_overlap_mean": overlaps.mean().item(),
        "boxes_found_percent": 100 * (overlaps >= FOUND).float().mean().item(),
    }


def _undone(transformer: Transformer, task: "ImageClassification", theta: Tensor, k: int) -> dict[str, Any]:
    """Of the k-th transformer: against poses that are known, and by trial for the rest."""
    family, size = transformer.family, task.canvas.size

    def look(images: Tensor) -> Pose:
        return pose_of_region(family, thetas(transformer, images)[:, k], size)

    known = task.test_poses()
    if known is None:
        return tried(look, first(task, COUNT)[0])
    source, poses = known
    measured = undone(poses, pose_of_region(family, theta[:, k], size), source)
    unknown = tuple(name for name, values in poses._asdict().items() if not values.isfinite().any())
    return tried(look, first(task, COUNT)[0], unknown) | measured if unknown else measured


def first(task: "ImageClassification", count: int) -> Batch:
    """The first test images and their labels, of as many batches as that takes."""
    found: list[Batch] = []
    for batch in task.test:
        found.append(batch)
        if sum(len(labels) for _, labels in found) >= count:
            break
    images, labels = (torch.cat(parts) for parts in zip(*found, strict=True))
    return images[:count], labels[:count]
