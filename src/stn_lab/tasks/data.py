"""Which data a run learns from: what a person types, before anything is read."""

import dataclasses
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, get_args

from ..digits import DataName, DistortionName
from ..errors import UserError

if TYPE_CHECKING:
    from ..images.survey import Survey
    from .classification import ImageClassification

BUILT_IN = get_args(DataName)


@dataclass(frozen=True)
class Data:
    """What is to be learnt."""

    data: str = "digits"
    """digits: 1,797 real digits that come with scikit-learn (offline). mnist. Or images of your own: a folder with a
    folder for each class (in train/, val/, test/ if you have split them), a CSV with a path and a label in each line,
    or an .npz with x_train, y_train, ..."""
    distortion: DistortionName = "RTS"
    """Of the digits. R: rotation. RTS: rotation, translation, scale. P: projective. E: elastic. T: translation. TC: T
    with clutter. H: homography noise, a harder P that moves."""
    size: int | None = None
    """Of your own images, as the network sees them: so many pixels along each side. By default their own size if all
    have the same and it is not above 128, and 96 otherwise."""
    fit: Literal["letterbox", "squeeze"] = "letterbox"
    """How images that are not square come to that size: with bars, or squeezed."""
    channels: Literal[1, 3] | None = None
    """1: grey. 3: colour. By default colour if any image has colours."""
    group_by: str | None = None
    """A column of the CSV, or a regular expression on paths: images for which it gives the same, such as frames of one
    object, stay on one side of the split."""
    augment: bool = False
    """Turn, scale, move and brighten training images a little, at random."""
    class_weights: bool = False
    """Have every class count the same, however many images it has."""

    @property
    def is_built_in(self) -> bool:
        return self.data in BUILT_IN

    def check(self) -> None:
        """Raises UserError for what there is not, as far as that can be seen without reading an image."""
        if self.distortion not in get_args(DistortionName):
            known = ", ".join(get_args(DistortionName))
            raise UserError(f"unknown distortion {self.distortion!r}; choose from {known}")
        if not self.is_built_in and not (self.data and Path(self.data).exists()):
            raise UserError(
                f"unknown data {self.data!r}: neither {' nor '.join(BUILT_IN)}, nor a folder or file that is there"
            )
        if self.size is not None and not 1 <= self.size <= 4096:
            raise UserError(f"--size must be from 1 to 4096 pixels; got {self.size}")

    @property
    def name(self) -> str:
        """Of a run, unless it is given another."""
        if self.is_built_in:
            return f"{self.data}-{self.distortion}"
        return re.sub(r"[^\w.-]+", "-", Path(self.data).resolve().stem).strip("-.") or "images"

    def to_json(self) -> dict[str, Any]:
        """What applies to data of its kind."""
        return {
            name: value
            for name, value in dataclasses.asdict(self).items()
            if name == "data" or (name == "distortion") == self.is_built_in
        }

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> "Data":
        """The inverse of `to_json`, of a dictionary that may hold more.

        Raises:
            UserError: the data is not there any more.
            KeyError: an entry is missing.
        """
        chosen = cls(values["data"])
        chosen.check()
        names = chosen.to_json()
        return cls(**{name: values[name] for name in names})

    def survey(self) -> "Survey | None":
        """A look at people's own images, without PyTorch; None for what is built in.

        Raises:
            UserError: nothing there, nothing to tell apart, or something that contradicts itself.
        """
        if self.is_built_in:
            return None
        from ..images.survey import ReadOptions, survey  # brings numpy and Pillow

        size = None if self.size is None else (self.size, self.size)
        return survey(self.data, ReadOptions(size, self.channels, self.fit, group_by=self.group_by))

    def task(self, found: "Survey | None" = None) -> "ImageClassification":
        """What is learnt, with its images.

        Args:
            found: what `survey` has found, where that has been asked already.

        Raises:
            UserError: the images are damaged, or not there and not to be fetched.
        """
        found = found or self.survey()
        return self._digits() if found is None else self._own_images(found)

    def _digits(self) -> "ImageClassification":
        from ..digits.distortions import DISTORTIONS
        from ..digits.sets import load
        from ..digits.task import DistortedDigits

        return DistortedDigits(load(self.data), DISTORTIONS[self.distortion])

    def _own_images(self, found: "Survey") -> "ImageClassification":
        from ..images.augmentation import Augmentation
        from ..images.data import of_survey
        from .own_images import OwnImages

        slight = Augmentation(degrees=10, scale=1.1, shift=0.05, brightness=0.1, contrast=0.2)
        return OwnImages(of_survey(found), slight if self.augment else Augmentation(), weighted=self.class_weights)
