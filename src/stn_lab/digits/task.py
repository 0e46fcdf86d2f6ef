"""Distorted digits as a task of `stn train`."""

from ..images.preprocessing import Preprocessing
from ..tasks.classification import ImageClassification
from ..tasks.scene import Splits
from ..tasks.scene_task import Scenes
from .distortions import Distortion
from .sets import Digits


class DistortedDigits(Scenes, ImageClassification):
    """Which digit it is, whatever was done to it.

    Args:
        splits: upright digits.
        distortion: what is done to them.
    """

    class_names = tuple("0123456789")

    def __init__(self, splits: Splits[Digits], distortion: Distortion) -> None:
        super().__init__(splits, distortion)
        self.canvas = distortion
        self.preprocessing = Preprocessing(distortion.size, channels=1)
