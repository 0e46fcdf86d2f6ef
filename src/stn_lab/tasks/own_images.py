"""People's own images as a task: a folder, a CSV or an .npz, read as it is needed."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from ..images.augmentation import Augmentation
from ..images.batches import TrainingBatches
from ..images.data import ImageData, skipped_lines
from ..images.sets import ImageSet
from ..poses import Pose, PoseSource, pose_of_boxes
from .classification import ImageClassification
from .task import Batch, Draw


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

    def test_poses(self) -> tuple[PoseSource, Pose] | None:
        boxes = self.test_boxes()
        return None if boxes is None else ("boxes", pose_of_boxes(boxes, self.canvas.size))

    def test_boxes(self) -> Tensor | None:
        if not self.data.test.has_boxes:
            return None
        images = self.test.images
        return torch.cat([images.boxes[indices] for indices, _ in images.chunks()])  # without damaged images
