"""The arrays behind the pictures of a report."""

from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from ..models.classifier import DigitClassifier
from ..models.theta_names import theta_names
from ..tasks.scene import Batch
from ..training.callbacks import Filmstrip

SHEET = 48  # images on the contact sheet
OUTLINE = 20  # points along each side of the sampled region


@torch.inference_mode()
def save_pictures(
    path: Path, network: DigitClassifier, test: list[Batch], film: Filmstrip, mean_before: Tensor | None
) -> None:
    """Write what the report draws from, as one `.npz` file.

    Args:
        path: of the file.
        network: trained.
        test: the frozen test set.
        film: frames taken during training.
        mean_before: (classes, side, side) from `mean_per_class` before training.
    """
    images = torch.cat([images for images, _ in test])[:SHEET]
    chances = network.eval()(images).softmax(dim=1)
    arrays = {
        "images": images[:, 0],
        "labels": torch.cat([labels for _, labels in test])[:SHEET],
        "predictions": chances.argmax(dim=1),
        "confidence": chances.amax(dim=1),
    }
    transformer = network.transformer
    if transformer is not None and mean_before is not None:
        warped, theta = transformer(images, return_theta=True)
        arrays |= {
            "warped": warped[:, 0],
            "outline": transformer.family.points(theta, frame(OUTLINE).to(theta)),
            "theta": torch.cat([transformer.theta(batch) for batch, _ in test]),
            "identity": transformer.family.identity(1)[0],
            "mean_before": mean_before,
            "mean_after": mean_per_class(network, test),
            "film": torch.stack(list(film.frames.values())),
            "film_steps": torch.tensor(list(film.frames)),
            "film_images": film.images[:, 0],
        }
    written = {name: array.float().cpu().numpy() for name, array in arrays.items()}
    if transformer is not None:
        written["theta_names"] = np.array(theta_names(transformer.family))
    np.savez_compressed(path, **written)


@torch.inference_mode()
def mean_per_class(network: DigitClassifier, batches: list[Batch], classes: int = 10) -> Tensor | None:
    """(classes, side, side) mean output of the transformer; None for a network without one."""
    if network.transformer is None:
        return None
    seen = torch.cat([network.transformer(images)[:, 0] for images, _ in batches])  # (N, side, side)
    labels = torch.cat([labels for _, labels in batches])
    return torch.stack([seen[labels == digit].mean(dim=0) for digit in range(classes)])


def frame(per_side: int) -> Tensor:
    """(4 per_side, 2) points around the border of an image, clockwise from the top left corner."""
    along = torch.linspace(-1, 1, per_side + 1)[:-1]
    edge = torch.ones_like(along)
    sides = [(along, -edge), (edge, along), (-along, edge), (-edge, -along)]
    return torch.cat([torch.stack(side, dim=1) for side in sides])
