"""Pictures with what was found in them: one annotated, or many beside what was cut out, on a contact sheet."""

from collections.abc import Iterable, Sequence
from functools import cache
from pathlib import Path
from typing import NamedTuple

from ..files import replacing
from ..images.decoding import Image

from PIL import ImageDraw, ImageFont  # isort: skip  (where Pillow is missing, `decoding` says so)

COLOURS = ("#ffb000", "#00b4d8", "#e5383b", "#70c1b3")  # of the first transformer, the second, ...
SIDE = 144  # of a picture on the sheet, and of what was cut out
ROWS, COLUMNS = 6, 4
COUNT = ROWS * COLUMNS
TEXT, GAP = 12, 6
FURTHEST = 4.0  # picture widths away from which points are drawn


class Cell(NamedTuple):
    """A picture on a contact sheet.

    Attributes:
        picture: upright, in RGB, of any size.
        outlines: of what was found, in its pixels.
        crops: what was cut out.
        text: below it.
    """

    picture: Image.Image
    outlines: Sequence[Sequence[Sequence[float]]]
    crops: Sequence[Image.Image]
    text: str


def annotate(picture: Image.Image, outlines: Sequence[Sequence[Sequence[float]]]) -> Image.Image:
    """Draw regions onto a picture in RGB; a dot marks what becomes the top left corner."""
    draw = ImageDraw.Draw(picture)
    width = max(1, round(max(picture.size) / 150))
    far = FURTHEST * max(picture.size)
    for k, outline in enumerate(outlines):
        colour = COLOURS[k % len(COLOURS)]
        points = [(min(max(x, -far), far), min(max(y, -far), far)) for x, y in outline]
        draw.line([*points, *points[:2]], fill=colour, width=width, joint="curve")
        draw.circle(points[0], 2 * width, fill=colour)
    return picture


def write_sheet(path: Path, cells: Iterable[Cell]) -> None:
    """Write a contact sheet of at most `COUNT` pictures, each with what was cut out beside it."""
    drawn = [_cell(cell) for cell in cells]
    width = max(cell.width for cell in drawn) + GAP
    height = SIDE + TEXT + 3 * GAP
    columns = min(COLUMNS, len(drawn))
    sheet = Image.new("RGB", (GAP + columns * width, GAP + -(-len(drawn) // columns) * height), "white")
    for k, cell in enumerate(drawn):
        sheet.paste(cell, (GAP + k % columns * width, GAP + k // columns * height))
    with replacing(path) as unfinished:
        sheet.save(unfinished, "PNG")


def _cell(cell: Cell) -> Image.Image:
    scale = SIDE / max(cell.picture.size)
    small = cell.picture.resize([max(1, round(scale * side)) for side in cell.picture.size], Image.Resampling.BOX)
    annotate(small, [[(scale * x, scale * y) for x, y in outline] for outline in cell.outlines])
    parts = [small, *(crop.resize(_within(crop.size), Image.Resampling.NEAREST) for crop in cell.crops)]
    drawn = Image.new("RGB", (len(parts) * (SIDE + GAP), SIDE + TEXT + GAP), "white")
    for k, part in enumerate(parts):
        drawn.paste(part, (k * (SIDE + GAP), 0))
    ImageDraw.Draw(drawn).text((0, SIDE + 2), _fitting(cell.text, drawn.width), fill="black", font=_font())
    return drawn


def _within(size: tuple[int, int]) -> tuple[int, int]:
    scale = SIDE / max(size)
    return max(1, round(scale * size[0])), max(1, round(scale * size[1]))


def _fitting(text: str, width: int) -> str:
    """The end of a text that is too long: of a path the file's name."""
    font = _font()
    cut = 0
    while font.getlength("…" * (cut > 0) + text[cut:]) > width:
        cut += 1
    return "…" * (cut > 0) + text[cut:]


@cache
def _font() -> ImageFont.FreeTypeFont:
    import matplotlib  # whose font knows most alphabets

    return ImageFont.truetype(Path(matplotlib.get_data_path()) / "fonts" / "ttf" / "DejaVuSans.ttf", TEXT)
