"""What a model saw and answered: contact sheet, mean images and film, as the page shows them."""

from dataclasses import dataclass

import numpy as np

from .pictures import Picture, Region, margin, picture, region
from .read import Model

# The arrays that have one entry for each card of a contact sheet.
SHOWN_CLASSES = 20  # in the table of confusions: those with most mistakes
SHEET = ("images", "labels", "predictions", "confidence", "warped", "outline")


@dataclass(frozen=True)
class Card:
    """One test image.

    Attributes:
        image: what went in.
        warped: what the transformer made of it; None without a transformer.
        region: where it looked; None when that is unknown.
        label: the name of the true class.
        prediction: that of the class that the network answered.
        confidence: the probability it gave to that, 0 to 1; None when it was not stored.
    """

    image: Picture
    warped: Picture | None
    region: Region | None
    label: str
    prediction: str
    confidence: float | None

    @property
    def right(self) -> bool:
        """Whether the answer is correct."""
        return self.label == self.prediction


@dataclass(frozen=True)
class Sheet:
    """The cards of one model; `margin` is the room around the images, as a share of their side."""

    cards: tuple[Card, ...]
    margin: float

    @property
    def right(self) -> int:
        """How many answers are correct."""
        return sum(card.right for card in self.cards)


@dataclass(frozen=True)
class Moment:
    """One row of a film: what the transformer showed the classifier at one step of the training."""

    step: int
    pictures: tuple[Picture, ...]


@dataclass(frozen=True)
class Film:
    """The same images, seen through the transformer at several moments of the training."""

    inputs: tuple[Picture, ...]
    moments: tuple[Moment, ...]


@dataclass(frozen=True)
class Means:
    """The mean warped image of each class, at the start and at the end of the training."""

    names: tuple[str, ...]
    before: tuple[Picture, ...]
    after: tuple[Picture, ...]


@dataclass(frozen=True)
class ConfusionRow:
    """One true class.

    Attributes:
        name: of the class.
        total: how many test images it has.
        cells: for each class that is shown: how many are read as it, whether that is right, and how dark, 0 to 1.
    """

    name: str
    total: int
    cells: tuple[tuple[int, bool, float], ...]


@dataclass(frozen=True)
class Confusion:
    """What is taken for what: `names` of the answers, a row for each true class, and how many classes are left out."""

    names: tuple[str, ...]
    rows: tuple[ConfusionRow, ...]
    left_out: int


def sheet(model: Model, count: int | None = None) -> Sheet | None:
    """The contact sheet of a model, or its first cards; None when it has no pictures."""
    return _sheet(model, "", count)


def hardest(model: Model) -> Sheet | None:
    """The mistakes of which a model was most certain, worst first; None when it has none, or they were not kept."""
    return _sheet(model, "hard_", None)


def _sheet(model: Model, prefix: str, count: int | None) -> Sheet | None:
    arrays = {name: model.pictures[prefix + name][:count] for name in SHEET if prefix + name in model.pictures}
    if not {"images", "labels", "predictions"} <= arrays.keys():
        return None
    outlines = arrays.get("outline")
    room = margin(outlines) if outlines is not None else 0.0
    return Sheet(tuple(_card(model, arrays, k) for k in range(len(arrays["images"]))), room)


def confusion(model: Model) -> Confusion | None:
    """What a model takes for what; None when that was not kept."""
    if "confusion" not in model.pictures:
        return None
    counts = model.pictures["confusion"].astype(int)  # (classes, classes), true ones in rows
    mistakes = counts - np.diag(counts.diagonal())
    involved = np.argsort(-(mistakes.sum(axis=0) + mistakes.sum(axis=1)), kind="stable")[:SHOWN_CLASSES]
    shown = np.sort(involved)
    largest = max(int(mistakes.max(initial=0)), 1)
    rows = tuple(
        ConfusionRow(
            model.class_name(i),
            int(counts[i].sum()),
            tuple((int(counts[i, j]), i == j, round(mistakes[i, j] / largest, 2)) for j in shown),
        )
        for i in shown
    )
    return Confusion(tuple(model.class_name(j) for j in shown), rows, len(counts) - len(shown))


def same_images(model: Model, other: Model, count: int) -> bool:
    """Whether the sheets of two models begin with the same images."""
    if sheet(model, count) is None or sheet(other, count) is None:
        return False
    return np.array_equal(model.pictures["images"][:count], other.pictures["images"][:count])


def means(model: Model) -> Means | None:
    """The mean images of a model, None when it has none. Both rows share one scale of grey."""
    if not {"mean_before", "mean_after"} <= model.pictures.keys():
        return None
    before, after = (
        np.nan_to_num(model.pictures[name]) for name in ("mean_before", "mean_after")
    )  # (classes, h, w) or (classes, h, w, 3)
    brightest = max(before.max(initial=0), after.max(initial=0)) or 1.0
    names = tuple(map(model.class_name, range(len(after))))
    return Means(names, tuple(picture(m / brightest) for m in before), tuple(picture(m / brightest) for m in after))


def film(model: Model) -> Film | None:
    """The film of a model, None when it has none."""
    arrays = model.pictures
    if not {"film", "film_steps", "film_images"} <= arrays.keys():
        return None
    moments = zip(arrays["film_steps"], arrays["film"], strict=True)
    return Film(
        inputs=tuple(map(picture, arrays["film_images"])),
        moments=tuple(Moment(int(step), tuple(map(picture, frames))) for step, frames in moments),
    )


def _card(model: Model, arrays: dict[str, np.ndarray], k: int) -> Card:
    name = model.class_name
    height, width = arrays["images"].shape[1:3]
    return Card(
        image=picture(arrays["images"][k]),
        warped=picture(arrays["warped"][k]) if "warped" in arrays else None,
        region=region(arrays["outline"][k], width, height) if "outline" in arrays else None,
        label=name(arrays["labels"][k]),
        prediction=name(arrays["predictions"][k]),
        confidence=float(arrays["confidence"][k]) if "confidence" in arrays else None,
    )
