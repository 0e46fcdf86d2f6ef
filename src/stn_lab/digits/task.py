"""Distorted digits as a task of `stn train`."""

from ..images.preprocessing import Preprocessing
from ..poses import Pose, PoseSource
from ..tasks.classification import ImageClassification
from ..tasks.scene import Splits
from ..tasks.scene_task import Scenes
from ..tasks.stream import TEST_SEED
from .applied import applied_poses
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

        self.distortion = distortion

    def test_poses(self) -> tuple[PoseSource, Pose]:
        return "distortion", applied_poses(self.distortion, len(self.splits.test), TEST_SEED)
