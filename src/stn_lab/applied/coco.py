"""Regions as a COCO file, an image at a time, with the scores that COCO's results have.

Source: https://cocodataset.org/#format-data
"""

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from ..files import replacing

Point = Sequence[float]


class Found(NamedTuple):
    """A region in a picture.

    Attributes:
        category: number of its class, from 0.
        score: how sure that is, 0 to 1.
        outline: points around it, in pixels; may reach out of the picture.
        more: what else is kept of it.
    """

    category: int
    score: float
    outline: Sequence[Point]
    more: Mapping[str, Any]


class Picture(NamedTuple):
    """A picture and what was found in it."""

    file_name: str
    width: int
    height: int
    found: Sequence[Found]


def write_coco(
    path: Path, about: Mapping[str, Any], categories: Sequence[str], pictures: Callable[[], Iterable[Picture]]
) -> None:
    """Write a COCO file, whole or not at all.

    Args:
        path: of the file.
        about: what is said of all of it, under "info".
        categories: names of classes.
        pictures: gives them; called twice, as COCO lists images and annotations apart.
    """
    named = [{"id": k, "name": name, "supercategory": ""} for k, name in enumerate(categories, start=1)]
    with replacing(path) as unfinished, unfinished.open("w", encoding="ascii") as file:
        file.write(f'{{"info": {json.dumps(about)},\n"licenses": [],\n"categories": {json.dumps(named)},\n"images": [')
        _write_all(file.write, _images(pictures()))
        file.write('],\n"annotations": [')
        _write_all(file.write, _annotations(pictures()))
        file.write("]}\n")


def _write_all(write: Callable[[str], Any], entries: Iterable[Mapping[str, Any]]) -> None:
    before = "\n"
    for entry in entries:
        write(before + json.dumps(entry))
        before = ",\n"


def _images(pictures: Iterable[Picture]) -> Iterator[dict[str, Any]]:
    for number, picture in enumerate(pictures, start=1):
        yield {"id": number, "file_name": picture.file_name, "width": picture.width, "height": picture.height}


def _annotations(pictures: Iterable[Picture]) -> Iterator[dict[str, Any]]:
    number = 0
    for image, picture in enumerate(pictures, start=1):
        for found in picture.found:
            number += 1
            inside = clipped(found.outline, picture.width, picture.height)
            yield {
                "id": number,
                "image_id": image,
                "category_id": found.category + 1,
                "bbox": _box(inside),
                "area": round(area(inside), 3),
                "segmentation": [[round(value, 3) for point in inside for value in point]] if inside else [],
                "iscrowd": 0,
                "score": found.score,
                **found.more,
            }


def _box(points: Sequence[Point]) -> list[float]:
    """Left, top, width and height of the box around points."""
    if not points:
        return [0.0, 0.0, 0.0, 0.0]
    low, high = ([pick(p[axis] for p in points) for axis in (0, 1)] for pick in (min, max))
    return [round(value, 3) for value in (*low, high[0] - low[0], high[1] - low[1])]


def area(points: Sequence[Point]) -> float:
    """Within a polygon, by the shoelace formula.

    Example:
        >>> area([(0, 0), (4, 0), (4, 3), (0, 3)])
        12.0
    """
    around = zip(points, [*points[1:], *points[:1]], strict=True)
    return abs(sum(x * v - u * y for (x, y), (u, v) in around)) / 2


def clipped(points: Sequence[Point], width: float, height: float) -> list[Point]:
    """The part of a polygon that lies in the picture; no points where there is none. Sutherland and Hodgman (1974).

    Example:
        >>> clipped([(-2, 0), (2, 0), (2, 2), (-2, 2)], 8, 8)
        [(0, 0.0), (2, 0), (2, 2), (0, 2.0)]
    """
    inside = list(points)
    for axis, limit, sign in ((0, 0, 1), (0, width, -1), (1, 0, 1), (1, height, -1)):
        inside = _beyond(inside, axis, limit, sign)
    return inside


def _beyond(points: list[Point], axis: int, limit: float, sign: int) -> list[Point]:
    """What of a polygon is on one side of a line along an axis."""
    kept: list[Point] = []
    for before, here in zip([*points[-1:], *points[:-1]], points, strict=True):
        was, is_ = (sign * (point[axis] - limit) >= 0 for point in (before, here))
        if was != is_:
            share = (limit - before[axis]) / (here[axis] - before[axis])
            other = before[1 - axis] + share * (here[1 - axis] - before[1 - axis])
            kept.append((limit, other) if axis == 0 else (other, limit))
        if is_:
            kept.append(tuple(here))
    return kept
