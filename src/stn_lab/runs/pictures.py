"""The arrays behind the pictures of a report."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from ..models.classifier import DigitClassifier
from ..models.theta_names import theta_names
from ..tasks.task import Batch

SHEET = 48  # images on the contact sheet
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
        self.frames: dict[int, Tensor] = {}  # step -> (B, side, side)
        # Closer together at first, when most happens.
        self.moments = {round(steps * (i / (self.MOMENTS - 1)) ** 2) for i in range(self.MOMENTS)}

    @torch.no_grad()
    def look(self, step: int, network: nn.Module) -> None:
        assert isinstance(network, DigitClassifier)
        if step in self.moments and step not in self.frames and network.transformer is not None:
            device = next(network.parameters()).device
            self.frames[step] = network.transformer(self.images.to(device))[:, 0].float().cpu()

    def state_dict(self) -> dict[str, Any]:
        return {"frames": self.frames}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.frames = dict(state["frames"])


@torch.inference_mode()
def save_pictures(
    path: Path, network: DigitClassifier, test: Sequence[Batch], film: Filmstrip, mean_before: Tensor | None
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
def mean_per_class(network: DigitClassifier, batches: Sequence[Batch], classes: int = 10) -> Tensor | None:
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
