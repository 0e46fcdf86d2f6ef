"""What a model is made of, as data. Nothing here needs PyTorch, so that a name that is mistyped is refused at once."""

import importlib.util
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, Protocol, get_args

from ..errors import UserError

if TYPE_CHECKING:
    from spatial_transformer.sampling import Mode

NetworkName = Literal["fcn", "cnn", "resnet", "st-fcn", "st-cnn", "st-resnet"]
SMALLEST = 28  # pixels along each side of an image, for the networks of the paper
SMALLEST_VIEW = 21  # that two convolutions of the plain CNN, 9x9 and 7x7, leave something of
TIMM = "timm:"  # before the name of one of timm's networks
LocaliserName = Literal["paper", "keypoints"]
FamilyName = Literal[
    "translation",
    "attention",
    "rigid",
    "similarity",
    "affine",
    "projective",
    "piecewise-affine",
    "tps",
    "bspline",
    "velocity",
]


class Canvas(Protocol):
    """What a network is built for: the images that it is given and the answers that it is to choose from."""

    @property
    def size(self) -> tuple[int, int]:
        """Height and width of an example, in pixels."""

    @property
    def channels(self) -> int:
        """Of an example."""

    @property
    def classes(self) -> int:
        """How many there are to tell apart."""

    @property
    def pool(self) -> bool:
        """Whether a network with a transformer averages 2x2 pixels of the transformer's output."""


@dataclass(frozen=True)
class ModelSpec:
    """What a model is called and what it is made of.

    Attributes:
        label: as typed, "st-cnn" or "st-cnn:tps"; names its results.
        network: "fcn", "cnn", "resnet" or "timm:NAME".
        family: of its transformer; None without one.
        transformers: how many work side by side on the image.
        looks: how often a transformer looks before it hands over what it sees: its `steps`.
        halved: whether a fully connected localisation network is given the image at half its size, as the convolutional
            one always is.
        crop: the side of what a transformer hands over, in pixels, which is then not pooled; that of the image if None.
        mode: of the sampler.
        antialias: where a transformer's output is pooled, have the transformer make it half as large instead, and
            average where it shrinks.
        before: the layer of a network of timm that the transformer stands in front of; the image if None.
        localiser: what says where to look: "paper", layers like those of the network as the paper has them, or
            "keypoints", `KeypointLocaliser`, as residual networks and those of timm have it in any case.
    """

    label: str
    network: str
    family: str | None
    transformers: int = 1
    looks: int = 1
    halved: bool = False
    crop: int | None = None
    mode: "Mode" = "bilinear"
    antialias: bool = False
    before: str | None = None
    localiser: LocaliserName = "paper"

    @classmethod
    def parse(
        cls,
        label: str,
        family: str,
        *,
        looks: int = 1,
        transformers: int = 1,
        view: int | None = None,
        localiser: LocaliserName = "paper",
    ) -> "ModelSpec":
        """Read "cnn", "st-cnn", "st-cnn:tps", "timm:resnet18", "st-timm:resnet18:tps" or "st-timm:resnet18@layer2".

        Args:
            label: the name of a model.
            family: for transformers that do not name one.
            looks: of all transformers.
            transformers: how many a model with a transformer has.
            view: the side of what they hand over, in pixels; that of what they are given if None.
            localiser: of the networks of the paper.

        Raises:
            UserError: there is no such network or family.
        """
        network, before, named_family = (_of_timm if label.removeprefix("st-").startswith(TIMM) else _of_ours)(label)
        if not label.startswith("st-"):
            if named_family or before:
                raise UserError(f"the model {label!r} has no transformer to give a family to; write 'st-{label}'")
            return cls(label, network, None)
        family = named_family or family
        if family not in get_args(FamilyName):
            raise UserError(f"unknown family {family!r} of {label!r}; choose from {', '.join(get_args(FamilyName))}")
        if before and transformers > 1:
            raise UserError(f"{label!r} can have one transformer before its layer {before!r}; leave out --transformers")
        if before and view is not None:
            raise UserError(
                f"the transformer of {label!r} hands over maps of the size that its layer takes; leave out --view"
            )
        return cls(label, network, family, transformers, looks, crop=view, before=before, localiser=localiser)

    def check_size(self, size: tuple[int, int]) -> None:
        """Raises UserError where images of (height, width), or what a transformer hands over, are too small for it."""
        if self.network not in ("fcn", "cnn"):
            return
        if min(size) < SMALLEST:
            raise UserError(
                f"{self.label} needs images of {SMALLEST} pixels or more along each side, these have {size[0]} x "
                f"{size[1]}; take --size {SMALLEST} or a resnet"
            )
        if self.network == "cnn" and self.crop is not None and self.crop < SMALLEST_VIEW:
            raise UserError(
                f"{self.label} needs a view of {SMALLEST_VIEW} pixels or more; got --view {self.crop}; "
                "take an fcn or a resnet"
            )


def need_timm() -> None:
    """Raises UserError where it is not installed; imports nothing."""
    if importlib.util.find_spec("timm") is None:
        raise UserError("networks of timm need it to be installed: pip install 'spatial-transformer[timm]'")


def _of_ours(label: str) -> tuple[str, None, str]:
    """Of "st-cnn:tps" the network and the family."""
    name, _, family = label.partition(":")
    if name not in get_args(NetworkName):
        known = ", ".join([*get_args(NetworkName), "timm:NAME", "st-timm:NAME"])
        raise UserError(f"unknown model {label!r}; choose from {known}")
    return name.removeprefix("st-"), None, family


def _of_timm(label: str) -> tuple[str, str | None, str]:
    """Of "st-timm:resnet18@layer2:tps" the network, the layer and the family."""
    place, _, family = label.removeprefix("st-").removeprefix(TIMM).partition(":")
    name, _, before = place.partition("@")
    if not name:
        raise UserError(f"unknown model {label!r}; of timm's networks write timm:resnet18 or st-timm:resnet18")
    return TIMM + name, before or None, family
