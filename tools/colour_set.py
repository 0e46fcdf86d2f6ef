"""Make a set of colour images to learn on, offline: digits on round plates, somewhere on photographs.

    python tools/colour_set.py OUT [--train 500] [--validation 50] [--test 100] [--size 64] [--seed 0]

writes OUT/train/0/00000.png ... OUT/test/9/00099.png, so many per class, and OUT/boxes.csv with the box of every plate.
`stn train --data OUT` learns from it. An image depends on the seed, its split, its class and its number alone.

Fonts come with matplotlib, photographs with scikit-learn and scikit-image, all of them with the extra `dev`. A plate
measures four to six tenths of the image and has a bright colour; its digit, black or white, is turned by up to 30
degrees; the photograph behind it is dimmed to half.
"""

import argparse
import colorsys
import csv
import shutil
import sys
import tempfile
from functools import cache
from pathlib import Path
from typing import NamedTuple

import matplotlib
import numpy as np
import skimage.data
from PIL import Image, ImageDraw, ImageEnhance, ImageFont
from sklearn.datasets import load_sample_images

CLASSES = "0123456789"
FONTS = (
    "DejaVuSans",
    "DejaVuSans-Bold",
    "DejaVuSans-Oblique",
    "DejaVuSansMono",
    "DejaVuSerif",
    "DejaVuSerif-Bold",
    "DejaVuSerif-Italic",
    "STIXGeneral",
    "STIXGeneralBol",
    "STIXGeneralItalic",
    "cmr10",
    "cmss10",
    "cmtt10",
)
SPLITS = ("train", "validation", "test")
DEGREES = 30  # so that 6 and 9 stay apart
DIAMETERS = (0.4, 0.6)  # of a plate, as a part of the image's side
HEIGHT = 0.62  # of a digit, as a part of its plate's diameter
DIMMED = 0.5  # what is left of the photograph's brightness
BRIGHT = 0.45  # a plate brighter than this, of 0 to 1, has a black digit, others a white one
FINE = 4  # plates are drawn this many times larger, and shrunk


class Box(NamedTuple):
    """In pixels: 0 and the side of the image are its outer edges."""

    left: int
    top: int
    right: int
    bottom: int


def main(arguments: list[str] | None = None) -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path, help="a folder that is made; it must not exist")
    parser.add_argument("--train", type=int, default=500, help="images per class to train on (default: 500)")
    parser.add_argument("--validation", type=int, default=50, help="images per class to validate (default: 50)")
    parser.add_argument("--test", type=int, default=100, help="images per class to test (default: 100)")
    parser.add_argument("--size", type=int, default=64, help="height and width in pixels (default: 64)")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args(arguments)
    counts = [getattr(options, split) for split in SPLITS]
    if options.out.exists():
        parser.error(f"{options.out} exists; remove it or name another folder")
    if options.size < 32 or options.seed < 0 or min(counts) < 0 or not counts[0]:
        parser.error("a size of 32 or more, a seed that is not negative and images to train on are needed")
    write(options.out, dict(zip(SPLITS, counts, strict=True)), options.size, options.seed)
    sys.stdout.write(f"{sum(counts) * len(CLASSES):,} images of {options.size} x {options.size} in {options.out}\n")


def write(out: Path, counts: dict[str, int], size: int, seed: int) -> None:
    """The whole set, or nothing: it is written beside `out` and renamed when it is complete."""
    out.parent.mkdir(parents=True, exist_ok=True)
    unfinished = Path(tempfile.mkdtemp(prefix=f".{out.name}-", dir=out.parent))
    try:
        with (unfinished / "boxes.csv").open("w", newline="", encoding="utf-8") as file:
            table = csv.writer(file)
            table.writerow(["path", "label", "split", "left", "top", "right", "bottom"])
            for split, label in ((split, label) for split in counts for label in CLASSES):
                for number in range(counts[split]):
                    image, box = example(
                        size, label, np.random.default_rng((seed, SPLITS.index(split), int(label), number))
                    )
                    name = Path(split, label, f"{number:05}.png")
                    (unfinished / name).parent.mkdir(parents=True, exist_ok=True)
                    image.save(unfinished / name)
                    table.writerow([name.as_posix(), label, split, *box])
        unfinished.chmod(0o755)  # temporary folders are private
        unfinished.rename(out)
    except BaseException:
        shutil.rmtree(unfinished)
        raise


def example(size: int, label: str, generator: np.random.Generator) -> tuple[Image.Image, Box]:
    """A plate on a part of a photograph, (size, size) in RGB, and the box around it."""
    ground = background(size, generator)
    diameter = round(size * generator.uniform(*DIAMETERS))
    left, top = (int(generator.integers(size - diameter + 1)) for _ in range(2))
    box = Box(left, top, left + diameter, top + diameter)
    ground.paste(plate(label, diameter, generator), box, disc(diameter))
    return ground, box


def background(size: int, generator: np.random.Generator) -> Image.Image:
    """A square part of a photograph, mirrored every other time, shrunk to `size` and dimmed."""
    photographs = _photographs()
    photograph = photographs[generator.integers(len(photographs))]
    side = (
        int(generator.integers(size, min(photograph.size) + 1)) if min(photograph.size) > size else min(photograph.size)
    )
    left, top = (int(generator.integers(length - side + 1)) for length in photograph.size)
    part = photograph.crop((left, top, left + side, top + side)).resize((size, size), Image.Resampling.BILINEAR)
    part = part.transpose(Image.Transpose.FLIP_LEFT_RIGHT) if generator.random() < 0.5 else part
    return ImageEnhance.Brightness(part).enhance(DIMMED)


def plate(label: str, diameter: int, generator: np.random.Generator) -> Image.Image:
    """A square of a bright colour with a turned digit in its middle, (diameter, diameter) in RGB."""
    red, green, blue = colorsys.hsv_to_rgb(generator.uniform(), generator.uniform(0.75, 1), generator.uniform(0.85, 1))
    ink = "black" if 0.299 * red + 0.587 * green + 0.114 * blue > BRIGHT else "white"
    side = FINE * diameter
    square = Image.new("RGB", (side, side), tuple(round(255 * part) for part in (red, green, blue)))
    name = FONTS[generator.integers(len(FONTS))]
    left, top, right, bottom = _font(name, side).getbbox(label)
    font = _font(name, round(side * HEIGHT * side / (bottom - top)))  # digits of all fonts are as tall
    left, top, right, bottom = font.getbbox(label)
    ImageDraw.Draw(square).text(((side - left - right) / 2, (side - top - bottom) / 2), label, fill=ink, font=font)
    corner = square.getpixel((0, 0))
    turned = square.rotate(generator.uniform(-DEGREES, DEGREES), Image.Resampling.BICUBIC, fillcolor=corner)
    return turned.resize((diameter, diameter), Image.Resampling.BOX)


def disc(diameter: int) -> Image.Image:
    """How much a disc covers each pixel of the square around it, in mode "L"."""
    drawn = Image.new("L", (FINE * diameter, FINE * diameter))
    ImageDraw.Draw(drawn).ellipse((0, 0, FINE * diameter - 1, FINE * diameter - 1), fill=255)
    return drawn.resize((diameter, diameter), Image.Resampling.BOX)


@cache
def _photographs() -> list[Image.Image]:
    own = [getattr(skimage.data, name)() for name in ("astronaut", "chelsea", "coffee", "rocket")]
    return [Image.fromarray(pixels) for pixels in (*load_sample_images().images, *own)]


@cache
def _font(name: str, size: int) -> ImageFont.FreeTypeFont:
    return ImageFont.truetype(Path(matplotlib.get_data_path()) / "fonts" / "ttf" / f"{name}.ttf", size)


if __name__ == "__main__":
    main()
