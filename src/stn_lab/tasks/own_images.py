"""People's own images as a task: a folder, a CSV or an .npz, read as it is needed."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ..images import Augmentation, ImageData, ImageSet, TrainingBatches, skipped_lines
from ..regions import frame, overlap
from .classification import ImageClassification, is_wrong
from .task import Batch, Draw

FOUND = 0.5  # of intersection over union: a box is found
SIDES = 20  # points along each side of a sampled region


@dataclass(frozen=True)
class ImageCanvas:
    """What networks are given of the images, and how many classes they choose from."""

    channels: int
    size: tuple[int, int]
    classes: int
    pool: bool = False


@dataclass(frozen=True)
class InOrder(Iterable[Batch]):
    """The batches of a set: decoded anew whenever one goes through them, so that any number of images will do."""

    images: ImageSet

    def __iter__(self) -> Iterator[Batch]:
        return self.images.batches()


class OwnImages(ImageClassification):
    """Which class an image is of.

    Args:
        data: the images.
        augmentation: how those that are learnt from are changed.
        weighted: whether every class counts the same in the loss, however many images it has.
    """

    def __init__(self, data: ImageData, augmentation: Augmentation, *, weighted: bool) -> None:
        self.data = data
        self.augmentation = augmentation
        self.class_names = data.classes
        self.preprocessing = data.preprocessing
        self.canvas = ImageCanvas(data.preprocessing.channels, data.preprocessing.size, len(data.classes))
        self.weights = self._weights() if weighted else None

    def _weights(self) -> Tensor:
        """(classes,) that make up for how often a class occurs, 1 on average over the images."""
        counts = self.data.train.counts(len(self.class_names))
        return len(self.data.train) / (len(counts) * counts.clamp(min=1))

    def summary(self) -> str:
        return self.data.summary() + "\n"

    def afterword(self) -> str:
        """Images that turned out to be damaged when they were decoded."""
        damaged = list(self.data.train.reader.damaged.values())
        return "".join(f"{line}\n" for line in skipped_lines(damaged))

    def batches(self, draw: Draw, start: int) -> Iterator[Batch]:
        return iter(
            TrainingBatches(
                self.data.train,
                draw.batch_size,
                draw.seed,
                draw.device,
                self.augmentation,
                draw.rank,
                draw.world_size,
                start,
            )
        )

    @property
    def validation(self) -> InOrder:
        return InOrder(self.data.validation.mixed())

    @property
    def test(self) -> InOrder:
        return InOrder(self.data.test.mixed())

    def measure(self, network: nn.Module) -> dict[str, Any]:
        """As always; and, where the data has boxes, how well the region that a transformer samples covers them."""
        measured = super().measure(network)
        if not self.data.test.has_boxes or getattr(network, "transformer", None) is None:
            return measured
        overlaps = torch.cat([self._overlaps(network, *chunk) for chunk in self.data.test.chunks()])
        overlaps = overlaps[overlaps.isfinite()]  # of images with a box
        return measured | {
            "box_overlap_mean": overlaps.mean().item(),
            "boxes_found_percent": 100 * (overlaps >= FOUND).float().mean().item(),
        }

    @torch.inference_mode()
    def _overlaps(self, network: nn.Module, indices: Tensor, pixels: Tensor) -> Tensor:
        """(n,) intersection over union of the sampled regions' boxes with the true ones, NaN where there is none."""
        transformer = network.transformer
        theta = transformer.theta(pixels.float() / 255)  # type: ignore[operator, union-attr]
        border = transformer.family.points(theta, frame(SIDES).to(theta))  # type: ignore[operator, union-attr]
        seen = torch.cat([border.amin(dim=1), border.amax(dim=1)], dim=1)  # (n, 4) left, top, right, bottom
        return overlap(seen.clamp(-1, 1), self.data.test.boxes[indices])

    def figures(self, network: nn.Module, batch: Batch, done: float = 1.0) -> dict[str, Tensor]:
        if self.weights is None:
            return super().figures(network, batch, done)
        images, labels = batch
        logits = network(images)
        each = F.cross_entropy(logits, labels, self.weights.to(logits), reduction="none")
        return {"loss": each.mean(), "error": is_wrong(logits, labels).float().mean()}
