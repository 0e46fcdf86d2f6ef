"""What a model is made of, as data. Nothing here needs PyTorch, so that a name that is mistyped is refused at once."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, Protocol, get_args

from ..errors import UserError

if TYPE_CHECKING:
    from spatial_transformer.sampling import Mode

NetworkName = Literal["fcn", "cnn", "resnet", "st-fcn", "st-cnn", "st-resnet"]
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
        network: "fcn", "cnn" or "resnet".
        family: of its transformer; None without one.
        transformers: how many work side by side on the image.
        looks: how often a transformer looks before it hands over what it sees: its `steps`.
        halved: whether a fully connected localisation network is given the image at half its size, as the convolutional
            one always is.
        crop: the side of what a transformer hands over, in pixels, which is then not pooled; that of the image if None.
        mode: of the sampler.
        antialias: where a transformer's output is pooled, have the transformer make it half as large instead, and
            average where it shrinks.
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

    @classmethod
    def parse(cls, label: str, family: str, *, looks: int = 1) -> "ModelSpec":
        """Read "cnn", "st-cnn" or "st-cnn:tps"; `family` is for transformers that do not name one, `looks` for all.

        Raises:
            UserError: there is no such network or family.
        """
        name, _, named_family = label.partition(":")
        if name not in get_args(NetworkName):
            raise UserError(f"unknown model {label!r}; choose from {', '.join(get_args(NetworkName))}")
        if not name.startswith("st-"):
            if named_family:
                raise UserError(f"the model {label!r} has no transformer to give a family to; write 'st-{label}'")
            return cls(label, name, None)
        family = named_family or family
        if family not in get_args(FamilyName):
            raise UserError(f"unknown family {family!r} of {label!r}; choose from {', '.join(get_args(FamilyName))}")
        return cls(label, name.removeprefix("st-"), family, looks=looks)
