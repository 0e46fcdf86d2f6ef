"""From an image file of any mode to upright 8-bit grey or colour."""

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import BinaryIO

import numpy as np

from ..errors import UserError

try:
    from PIL import Image
except ImportError:
    raise UserError("images are read with Pillow: pip install 'spatial-transformer[lab]'") from None

# What is read. Others that Pillow knows run programs (EPS) or are no photographs.
Image.init()
FORMATS: list[str] = [
    name
    for name in ("PNG", "JPEG", "MPO", "WEBP", "BMP", "GIF", "TIFF", "PPM", "TGA", "JPEG2000", "AVIF")
    if name in Image.OPEN  # some are left out where Pillow was built without them
]
SUFFIXES = frozenset(
    {".png", ".jpg", ".jpeg", ".jpe", ".jfif", ".mpo", ".webp", ".avif", ".jp2", ".gif", ".tif", ".tiff"}
    | {".bmp", ".dib", ".ppm", ".pgm", ".pbm", ".pnm", ".tga"}
)
# Images that people have and Pillow cannot read: named instead of passed over.
FOREIGN = frozenset({".heic", ".heif", ".svg", ".psd", ".cr2", ".cr3", ".nef", ".arw", ".dng", ".exr", ".dcm", ".jxl"})

MAX_PIXELS = 89_478_485  # Pillow's own limit, 256 MB of RGB: a file above it is taken for a decompression bomb
GREY_MODES = frozenset({"1", "L", "LA", "La", "I", "F", "I;16", "I;16B", "I;16L", "I;16N"})
WHITE = 65535  # of 16-bit images

ORIENTATION = 0x0112  # the number of the tag
TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}


class Unreadable(Exception):
    """A file that is no image, or a damaged one; the message says why, without the path."""


@contextmanager
def opened(path: str | BinaryIO) -> Iterator[Image.Image]:
    """An image whose header has been read.

    Raises:
        Unreadable: here and inside of the block, whatever Pillow raises on damaged files.
    """
    try:
        with Image.open(path, formats=FORMATS) as image:
            if image.width * image.height > MAX_PIXELS:
                raise Unreadable(f"too large: {image.width} x {image.height} pixels")
            yield image
    except (Unreadable, KeyboardInterrupt):
        raise
    except Image.DecompressionBombError:
        raise Unreadable(f"too large: more than {MAX_PIXELS:,} pixels") from None
    except FileNotFoundError:
        raise Unreadable("not there") from None
    except PermissionError:
        raise Unreadable("may not be read (permissions)") from None
    except Image.UnidentifiedImageError:
        raise Unreadable("not an image that Pillow can read") from None
    except Exception as error:  # damaged files fail in as many ways as there are decoders
        raise Unreadable(f"damaged: {str(error) or type(error).__name__}") from error


@contextmanager
def quiet() -> Iterator[None]:
    """Without Pillow's warnings of large images and broken tags; for a whole pass, as filters are the process's."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def decode(path: str, channels: int, *, background: int = 255, white: int = WHITE, near: int = 0) -> Image.Image:
    """Read a file.

    Args:
        path: of the file.
        channels: 1 for grey, 3 for colour.
        background: grey that shows through where the image is transparent, 0 to 255.
        white: the number that is white in 16-bit images.
        near: when above 0, a JPEG may be decoded at a half, a quarter or an eighth of its size, as long as both sides
            are at least twice this; much faster for photographs.

    Returns:
        The upright image in mode "L" or "RGB".

    Raises:
        Unreadable: see `opened`.
    """
    with opened(path) as image:
        if near:
            image.draft(None, (2 * near, 2 * near))
        return eight_bit(upright(image), channels, background=background, white=white)


def upright(image: Image.Image) -> Image.Image:
    """An opened image, decoded, and turned as its EXIF orientation says."""
    image.load()  # first: TIFFs turn themselves, and then forget their orientation
    turn = TURNS.get(image.getexif().get(ORIENTATION, 1))
    return image if turn is None else image.transpose(turn)


def eight_bit(image: Image.Image, channels: int, *, background: int = 255, white: int = WHITE) -> Image.Image:
    """An image of any mode in mode "L" (1 channel) or "RGB" (3); arguments as in `decode`.

    Example:
        >>> eight_bit(Image.new("LA", (1, 1), (0, 0)), 3).getpixel((0, 0))  # black, but quite transparent
        (255, 255, 255)
    """
    target = "L" if channels == 1 else "RGB"
    if image.mode in ("I", "F") or image.mode.startswith("I;16"):
        image = Image.fromarray(_scaled(np.asarray(image), white))
    if image.has_transparency_data:
        solid = image.convert("RGBA")
        ground = Image.new("RGBA", image.size, (background,) * 3 + (255,))
        image = Image.alpha_composite(ground, solid).convert("RGB")
    elif image.mode in ("P", "PA", "CMYK", "YCbCr", "HSV", "LAB"):
        image = image.convert("RGB")  # by way of colour: a palette's numbers are no greys
    return image if image.mode == target else image.convert(target)


def _scaled(values: np.ndarray, white: int) -> np.ndarray:
    """Numbers beyond 8 bits to uint8. Floats are in 0 ... 1, or 0 ... 255, or 0 ... white, whichever holds them."""
    numbers = np.nan_to_num(np.asarray(values, dtype=np.float32), nan=0.0)
    top = float(white)
    if np.issubdtype(values.dtype, np.floating):
        top = next((limit for limit in (1.0, 255.0) if numbers.max(initial=0) <= limit), top)
    return np.clip(np.rint(numbers * (255 / top)), 0, 255).astype(np.uint8)


def is_grey(image: Image.Image) -> bool:
    """Whether an opened image has no colours, by its mode and palette; pixels are not read."""
    if image.mode == "P":
        palette = np.array(image.getpalette("RGB") or [], dtype=np.uint8).reshape(-1, 3)
        return bool((palette == palette[:, :1]).all())
    return image.mode in GREY_MODES
