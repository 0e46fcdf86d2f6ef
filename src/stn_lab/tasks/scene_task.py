"""A scene as a task: examples are made of a set of images, ever fresh for training, frozen for validation and test."""

from collections.abc import Iterator
from functools import cached_property
from typing import Any

from .classification import Classification
from .scene import Scene, Splits
from .stream import TEST_SEED, VALIDATION_SEED, TrainingStream, frozen
from .task import Batch, Draw, Task


class Scenes(Task):
    """What all tasks have in common that are made of a scene.

    Args:
        splits: the images.
        scene: what is made of them.
    """

    def __init__(self, splits: Splits[Any], scene: Scene) -> None:
        self.splits = splits
        self.scene = scene

    def batches(self, draw: Draw, start: int) -> Iterator[Batch]:
        return TrainingStream(self.splits.train, self.scene, draw).batches(start)

    @cached_property
    def validation(self) -> list[Batch]:
        return frozen(self.splits.validation, self.scene, VALIDATION_SEED)

    @cached_property
    def test(self) -> list[Batch]:
        return frozen(self.splits.test, self.scene, TEST_SEED)


class SceneTask(Scenes, Classification):
    """Scenes whose answers are classes."""
