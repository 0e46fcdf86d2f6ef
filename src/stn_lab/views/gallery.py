"""What a model saw and answered: contact sheet, mean images and film, as the page shows them."""

import math
from dataclasses import dataclass

import numpy as np

from .pictures import Frame, Picture, Region, frame, margin, picture, region
from .read import Model

SHOWN_CLASSES = 20  # in the table of confusions: those with most mistakes
# The arrays that have one entry for each card of a contact sheet.
SHEET = ("images", "labels", "predictions", "confidence", "warped", "outline", "boxes", "overlaps")


@dataclass(frozen=True)
class Card:
    """One test image.

    Attributes:
        image: what went in.
        warped: what each transformer made of it; none without a transformer.
        regions: where each looked; None when that is unknown.
        box: the true box; None where there is none.
        overlap: intersection over union of where the network looked with it, 0 to 1; None where that is unknown.
        label: the name of the true class.
        prediction: that of the class that the network answered.
        confidence: the probability it gave to that, 0 to 1; None when it was not stored.
    """

    image: Picture
    warped: tuple[Picture, ...]
    regions: tuple[Region | None, ...]
    box: Frame | None
    overlap: float | None
    label: str
    prediction: str
    confidence: float | None

    @property
    def right(self) -> bool:
        """Whether the answer is correct."""
        return self.label == self.prediction


@dataclass(frozen=True)
class Sheet:
    """The cards of one model.

    Attributes:
        cards: an image each.
        margin: the room around the images, as a share of their side.
        looks: how many transformers look at each side by side.
    """

    cards: tuple[Card, ...]
    margin: float
    looks: int

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
    """The same images, seen through a transformer at several moments of the training; `name` says which, of several."""

    name: str
    inputs: tuple[Picture, ...]
    moments: tuple[Moment, ...]


@dataclass(frozen=True)
class Means:
    """The mean warped image of each class, at the start and at the end of the training; `name` as of a `Film`."""

    name: str
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
    height, width = arrays["images"].shape[1:3]
    outlines = arrays.get("outline")
    room = margin(outlines, width, height) if outlines is not None else 0.0
    looks = arrays["warped"].shape[1] if "warped" in arrays else 0
    return Sheet(tuple(_card(model, arrays, k) for k in range(len(arrays["images"]))), room, looks)


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


def transformer_names(count: int) -> tuple[str, ...]:
    """How several are told apart; one needs no name."""
    return ("",) if count == 1 else tuple(f"transformer {k} of {count}" for k in range(1, count + 1))


def means(model: Model) -> list[Means]:
    """The mean images of each transformer of a model. Both rows share one scale of grey."""
    if not {"mean_before", "mean_after"} <= model.pictures.keys():
        return []
    before, after = (np.nan_to_num(model.pictures[name]) for name in ("mean_before", "mean_after"))  # (classes, K, ...)
    brightest = max(before.max(initial=0), after.max(initial=0)) or 1.0
    classes = tuple(map(model.class_name, range(len(after))))
    return [
        Means(name, classes, *(tuple(picture(m[k] / brightest) for m in rows) for rows in (before, after)))
        for k, name in enumerate(transformer_names(after.shape[1]))
    ]


def films(model: Model) -> list[Film]:
    """The films of each transformer of a model."""
    arrays = model.pictures
    if not {"film", "film_steps", "film_images"} <= arrays.keys():
        return []
    inputs = tuple(map(picture, arrays["film_images"]))
    frames = arrays["film"]  # (moments, B, K, ...)
    return [
        Film(
            name,
            inputs,
            tuple(
                Moment(int(step), tuple(map(picture, seen[:, k])))
                for step, seen in zip(arrays["film_steps"], frames, strict=True)
            ),
        )
        for k, name in enumerate(transformer_names(frames.shape[2]))
    ]


def _card(model: Model, arrays: dict[str, np.ndarray], k: int) -> Card:
    name = model.class_name
    height, width = arrays["images"].shape[1:3]
    overlap = float(arrays["overlaps"][k]) if "overlaps" in arrays else math.nan
    return Card(
        image=picture(arrays["images"][k]),
        warped=tuple(map(picture, arrays["warped"][k])) if "warped" in arrays else (),
        regions=tuple(region(o, width, height) for o in arrays["outline"][k]) if "outline" in arrays else (),
        box=frame(arrays["boxes"][k]) if "boxes" in arrays else None,
        overlap=overlap if math.isfinite(overlap) else None,
        label=name(arrays["labels"][k]),
        prediction=name(arrays["predictions"][k]),
        confidence=float(arrays["confidence"][k]) if "confidence" in arrays else None,
    )
