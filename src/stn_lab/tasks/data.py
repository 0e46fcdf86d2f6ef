"""Which data a run learns from: what a person types, before anything is read."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, get_args

from ..digits import DataName, DistortionName
from ..errors import UserError

if TYPE_CHECKING:
    from .classification import ImageClassification


@dataclass(frozen=True)
class Data:
    """What is to be learnt."""

    data: DataName = "digits"
    """1,797 real digits that come with scikit-learn (offline), or MNIST."""
    distortion: DistortionName = "RTS"
    """R: rotation. RTS: rotation, translation, scale. P: projective. E: elastic. T: translation. TC: T with clutter. H:
    homography noise, a harder P that moves."""

    def check(self) -> None:
        """Raises UserError for names of what there is not, which a damaged config.json may hold."""
        for flag, value, known in (
            ("data", self.data, get_args(DataName)),
            ("distortion", self.distortion, get_args(DistortionName)),
        ):
            if value not in known:
                raise UserError(f"unknown {flag} {value!r}; choose from {', '.join(known)}")

    @property
    def name(self) -> str:
        """Of a run, unless it is given another."""
        return f"{self.data}-{self.distortion}"

    def task(self) -> "ImageClassification":
        """What is learnt, with its images.

        Raises:
            UserError: the images are damaged, or neither here nor to be fetched.
        """
        from ..digits.distortions import DISTORTIONS
        from ..digits.sets import load
        from ..digits.task import DistortedDigits

        return DistortedDigits(load(self.data), DISTORTIONS[self.distortion])
