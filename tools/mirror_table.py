"""How far off `register` is when a picture moved by so many pixels, one way and the other: docs/registration.md.

`python tools/mirror_table.py` measures, writes results/registration/mirror.json, and the page's table from it (a minute
on one core). The two images of a pair are windows of one picture, so nothing is interpolated and the truth is exact.
"""

import json
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from spatial_transformer import Translation, register

ROOT = Path(__file__).parent.parent
RESULTS = ROOT / "results" / "registration" / "mirror.json"
PAGE = ROOT / "docs" / "registration.md"
BEGIN, END = "<!-- table: written by `python tools/mirror_table.py` -->\n", "<!-- end of table -->\n"

SIZE, MARGIN = 64, 12  # pixels: of both images, and what the picture is larger by on each side
SHIFTS = (2, 4, 6, 8, 10, 12)
REACHED = 0.5  # pixels: an error below this is a minimum found, one above it another minimum


def squares() -> Tensor:
    canvas = torch.zeros(WIDE, WIDE)
    for top, left, side, grey in ((30, 26, 16, 1.0), (52, 50, 10, 0.7), (24, 54, 8, 0.4)):
        canvas[top : top + side, left : left + side] = grey
    return canvas


def text() -> Tensor:
    from skimage import data

    return _window(1 - data.page() / 255, 60, 120)


def lines() -> Tensor:
    """Strokes one and a half pixels wide: a circle, a triangle and a cross."""
    y, x = torch.meshgrid(torch.arange(WIDE) + 0.0, torch.arange(WIDE) + 0.0, indexing="ij")
    corners = ((28.0, 54.0), (46.0, 26.0), (60.0, 54.0), (28.0, 54.0), (64.0, 66.0))
    distances = [((x - 40).square() + (y - 44).square()).sqrt().sub(19).abs()]
    distances += [_to_segment(x, y, *map(torch.tensor, ends)) for ends in pairwise(corners)]
    return (1.25 - torch.stack(distances).amin(dim=0)).clamp(0, 1)


def digits() -> Tensor:
    from sklearn.datasets import load_digits

    images = torch.tensor(load_digits().images[:4]).float() / 16  # (4, 8, 8)
    large = torch.nn.functional.interpolate(images[:, None], scale_factor=2.0, mode="bilinear")[:, 0]  # (4, 16, 16)
    canvas = torch.zeros(WIDE, WIDE)
    for digit, (top, left) in zip(large, ((26, 26), (26, 46), (46, 28), (46, 48)), strict=True):
        canvas[top : top + 16, left : left + 16] = digit
    return canvas


def photograph() -> Tensor:
    """Faded to its mean, so that what one image shows is in the other too."""
    pixels = cropped_photograph()
    away = torch.arange(WIDE).sub((WIDE - 1) / 2).square()
    seen = (2 - (away[:, None] + away).sqrt() / (SIZE / 2 - MARGIN) * 2).clamp(
        0, 1
    )  # 1 in the middle, 0 from 20 pixels
    return pixels.mean() + seen * (pixels - pixels.mean())


def cropped_photograph() -> Tensor:
    from skimage import data

    return _window(data.camera() / 255, 90, 190)


WIDE = SIZE + 2 * MARGIN
PICTURES: dict[str, Callable[[], Tensor]] = {
    "squares": squares,
    "text": text,
    "line drawing": lines,
    "digits": digits,
    "photograph": photograph,
    "cropped photograph": cropped_photograph,
}


def _window(pixels: Any, top: int, left: int) -> Tensor:
    return torch.tensor(pixels[top : top + WIDE, left : left + WIDE]).float()


def _to_segment(x: Tensor, y: Tensor, begin: Tensor, end: Tensor) -> Tensor:
    along = end - begin
    part = ((x - begin[0]) * along[0] + (y - begin[1]) * along[1]) / along.square().sum()
    part = part.clamp(0, 1)
    return ((x - begin[0] - part * along[0]).square() + (y - begin[1] - part * along[1]).square()).sqrt()


def pairs(picture: Tensor, direction: tuple[int, int]) -> tuple[Tensor, Tensor, Tensor]:
    """Moving and fixed (2 N, 1, S, S), and truth (2 N, 2) in pixels: every shift, then every pair swapped."""
    truth = torch.tensor([[shift * axis for axis in direction] for shift in SHIFTS])

    def crop(x: int, y: int) -> Tensor:
        return picture[MARGIN - y : MARGIN - y + SIZE, MARGIN - x : MARGIN - x + SIZE]

    here = crop(0, 0).expand(len(truth), 1, SIZE, SIZE)
    # What is at p in the picture seen from here is at p + truth in the one seen from there.
    there = torch.stack([crop(x, y) for x, y in truth.tolist()])[:, None]
    return torch.cat([there, here]), torch.cat([here, there]), torch.cat([truth, -truth])


def errors(picture: Tensor, direction: tuple[int, int], **options: Any) -> list[float]:
    """Pixels off, for every shift, then for every pair swapped."""
    moving, fixed, truth = pairs(picture, direction)
    theta = register(moving, fixed, Translation(), **options).theta
    return (theta * SIZE / 2 - truth).norm(dim=1).tolist()


def measure(**options: Any) -> list[dict[str, Any]]:
    rows = []
    for name, picture in PICTURES.items():
        for title, direction in {"along x": (1, 0), "along both": (1, 1)}.items():
            off = [round(value, 3) for value in errors(picture(), direction, **options)]
            rows.append({"picture": name, "direction": title, "forth": off[: len(SHIFTS)], "back": off[len(SHIFTS) :]})
    return rows


def asymmetry(row: dict[str, Any]) -> float:
    """The largest difference between forth and back, of the shifts that are within reach both ways."""
    both = [(a, b) for a, b in zip(row["forth"], row["back"], strict=True) if max(a, b) < REACHED]
    return max((abs(a - b) for a, b in both), default=0.0)


def table(rows: list[dict[str, Any]]) -> str:
    head = ["picture", "moved", *(f"±{shift} px" for shift in SHIFTS), "largest asymmetry"]
    lines = [head, ["---"] * len(head)]
    for row in rows:
        cells = [f"{_cell(a)} / {_cell(b)}" for a, b in zip(row["forth"], row["back"], strict=True)]
        lines.append([row["picture"], row["direction"], *cells, f"{asymmetry(row):.3f}"])
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def _cell(error: float) -> str:
    return f"{error:.3f}" if error < REACHED else f"**{error:.1f}**"


def main() -> None:
    torch.set_num_threads(1)
    RESULTS.parent.mkdir(exist_ok=True)
    rows = measure()
    RESULTS.write_text(json.dumps(rows, indent=1) + "\n")
    before, rest = PAGE.read_text().split(BEGIN)
    PAGE.write_text(before + BEGIN + table(rows) + END + rest.split(END)[1])


if __name__ == "__main__":
    main()
