"""Make a set of colour images to learn on, offline: digits in several fonts, somewhere on photographs.

    python tools/colour_set.py OUT [--train 200] [--validation 40] [--test 100] [--size 96] [--seed 0]

writes OUT/train/0/00000.png ... OUT/test/9/00099.png, so many per class, and OUT/boxes.csv with the box of every digit.
`stn train --data OUT` learns from it. An image depends on the seed, its split, its class and its number alone.

Fonts come with matplotlib, photographs with scikit-learn and scikit-image, all of them with the extra `dev`. Each
digit has a size of a quarter to a half of the image, an angle of up to 45 degrees, a place where it fits, and a colour
that stands out from what is behind it.
"""

import argparse
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
from PIL import Image, ImageDraw, ImageFont
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
DEGREES = 45  # so that 6 and 9 stay apart
HEIGHTS = (0.28, 0.5)  # of a digit, as a part of the image's side
CONTRAST = 0.35  # between the brightness of a digit and that of the photograph behind it, at least; 1 is black on white
FINE = 4  # digits are drawn this many times larger, and shrunk


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
    parser.add_argument("--train", type=int, default=200, help="images per class to train on (default: 200)")
    parser.add_argument("--validation", type=int, default=40, help="images per class to validate (default: 40)")
    parser.add_argument("--test", type=int, default=100, help="images per class to test (default: 100)")
    parser.add_argument("--size", type=int, default=96, help="height and width in pixels (default: 96)")
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
    """A digit on a part of a photograph, (size, size) in RGB, and the box around it."""
    ground = background(size, generator)
    digit = glyph(label, round(size * generator.uniform(*HEIGHTS)), generator)
    digit = digit.crop((0, 0, min(digit.width, size), min(digit.height, size)))
    left, top = (int(generator.integers(size - side + 1)) for side in digit.size)
    box = Box(left, top, left + digit.width, top + digit.height)
    behind = np.asarray(ground.crop(box).convert("L")).mean() / 255
    ground.paste(colour(behind, generator), box, digit)
    return ground, box


def background(size: int, generator: np.random.Generator) -> Image.Image:
    """A square part of a photograph, mirrored every other time, shrunk to `size`."""
    photographs = _photographs()
    photograph = photographs[generator.integers(len(photographs))]
    side = (
        int(generator.integers(size, min(photograph.size) + 1)) if min(photograph.size) > size else min(photograph.size)
    )
    left, top = (int(generator.integers(length - side + 1)) for length in photograph.size)
    part = photograph.crop((left, top, left + side, top + side)).resize((size, size), Image.Resampling.BILINEAR)
    return part.transpose(Image.Transpose.FLIP_LEFT_RIGHT) if generator.random() < 0.5 else part


def glyph(label: str, height: int, generator: np.random.Generator) -> Image.Image:
    """How much a turned digit covers each pixel, in mode "L", without a margin; upright it would be `height` tall."""
    font = _font(FONTS[generator.integers(len(FONTS))], FINE * height)
    left, top, right, bottom = (round(edge) for edge in font.getbbox(label))
    drawn = Image.new("L", (right - left, bottom - top))
    ImageDraw.Draw(drawn).text((-left, -top), label, fill=255, font=font)
    upright = drawn.resize((max(1, round(drawn.width * FINE * height / drawn.height)), FINE * height))
    turned = upright.rotate(generator.uniform(-DEGREES, DEGREES), Image.Resampling.BICUBIC, expand=True)
    small = turned.resize([max(1, round(side / FINE)) for side in turned.size], Image.Resampling.BOX)
    return small.crop(small.point(lambda cover: 255 * (cover >= 128)).getbbox())


def colour(behind: float, generator: np.random.Generator) -> tuple[int, int, int]:
    """A random colour whose brightness differs from `behind`, 0 to 1, by `CONTRAST` at least."""
    while True:
        red, green, blue = generator.integers(256, size=3).tolist()
        brightness = (0.299 * red + 0.587 * green + 0.114 * blue) / 255
        if abs(brightness - behind) >= CONTRAST:
            return red, green, blue


@cache
def _photographs() -> list[Image.Image]:
    own = [getattr(skimage.data, name)() for name in ("astronaut", "chelsea", "coffee", "rocket")]
    return [Image.fromarray(pixels) for pixels in (*load_sample_images().images, *own)]


@cache
def _font(name: str, size: int) -> ImageFont.FreeTypeFont:
    return ImageFont.truetype(Path(matplotlib.get_data_path()) / "fonts" / "ttf" / f"{name}.ttf", size)


if __name__ == "__main__":
    main()
