"""What is seen as HTML: pictures and outlines, and no word that anybody else has written."""

from collections.abc import Sequence

import numpy as np
from torch import Tensor

from ..views.pictures import margin, picture, region

COLOURS = ("#ffb224", "#2fc4ec", "#ff6b6b", "#7bd88f")  # of the first transformer, the second, ...
BEHIND = "#343942"  # around an image, where a region may lie too


def scene(image: Tensor, outlines: tuple[Tensor, ...]) -> str:
    """A (C, H, W) image with the regions that are sampled, each with its top left corner marked."""
    _, height, width = image.shape
    shapes = [region(outline.double().numpy(), width, height) for outline in outlines]
    room = max((margin(outline[None, None].double().numpy(), width, height) for outline in outlines), default=0.08)
    marks = "".join(
        f'<path d="{shape.path}" fill="none" stroke="{colour}" stroke-width="2.5" vector-effect="non-scaling-stroke"/>'
        f'<circle cx="{shape.corner[0]}" cy="{shape.corner[1]}" r="{0.03 * width:.2f}" fill="{colour}"/>'
        for shape, colour in zip(shapes, _colours(shapes), strict=True)
        if shape is not None
    )
    x, y = room * width, room * height
    box = f"{-x:.2f} {-y:.2f} {width + 2 * x:.2f} {height + 2 * y:.2f}"
    return _svg(box, _image(image) + marks, "the image, and the region that is sampled")


def windows(crops: tuple[Tensor, ...]) -> str:
    """What each transformer hands over, framed in the colour of its region."""
    each = []
    for crop, colour in zip(crops, _colours(crops), strict=True):
        _, height, width = crop.shape
        frame = f'<rect width="{width}" height="{height}" fill="none" stroke="{colour}" stroke-width="5" '
        frame += 'vector-effect="non-scaling-stroke"/>'
        each.append(_svg(f"0 0 {width} {height}", _image(crop) + frame, "the region, warped"))
    return f'<div style="display: flex; gap: 8px">{"".join(each)}</div>'


def _colours(things: Sequence[object]) -> list[str]:
    return [COLOURS[number % len(COLOURS)] for number in range(len(things))]


def _image(image: Tensor) -> str:
    """A (C, H, W) image as an element of a drawing."""
    values = image.movedim(0, -1).numpy()
    shown = picture(np.squeeze(values, axis=-1) if values.shape[-1] == 1 else values)
    return (
        f'<image href="{shown.address}" width="{shown.width}" height="{shown.height}" '
        'style="image-rendering: pixelated"/>'
    )


def _svg(box: str, content: str, words: str) -> str:
    style = f"background: {BEHIND}; width: 100%; max-height: 420px; border-radius: 8px"
    return f'<svg viewBox="{box}" role="img" aria-label="{words}" style="{style}">{content}</svg>'
