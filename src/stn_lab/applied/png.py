"""PNG files written fast: every row less the one above, run lengths and Huffman codes.

Pillow tries five filters for every row, which takes longer than everything else that is done to write a crop; for
photographs its files are a few per cent smaller.

Source: PNG specification, third edition, sections 9 to 11: https://www.w3.org/TR/png-3/
"""

import struct
import zlib
from pathlib import Path

import numpy as np

SIGNATURE = b"\x89PNG\r\n\x1a\n"
GREY, COLOUR = 0, 2
UP = 2  # the filter: a byte less the one above it
LEVEL, MEMORY = 1, 9  # of zlib


def write_png(path: Path, pixels: np.ndarray) -> None:
    """Write (1, H, W) grey or (3, H, W) colour pixels, uint8."""
    channels, height, width = pixels.shape
    kind = GREY if channels == 1 else COLOUR
    head = struct.pack(">IIBBBBB", width, height, 8, kind, 0, 0, 0)
    with path.open("wb") as file:
        file.write(SIGNATURE)
        for name, content in ((b"IHDR", head), (b"IDAT", _compressed(_filtered(pixels))), (b"IEND", b"")):
            file.write(struct.pack(">I", len(content)) + name + content)
            file.write(struct.pack(">I", zlib.crc32(name + content)))


def _filtered(pixels: np.ndarray) -> bytes:
    """Rows as the format has them, each behind the number of its filter."""
    channels, height, width = pixels.shape
    rows = pixels.transpose(1, 2, 0).reshape(height, width * channels)
    written = np.empty((height, 1 + width * channels), np.uint8)
    written[:, 0] = UP
    written[0, 1:] = rows[0]  # above the first there is nothing
    np.subtract(rows[1:], rows[:-1], out=written[1:, 1:])  # modulo 256
    return written.tobytes()


def _compressed(content: bytes) -> bytes:
    packer = zlib.compressobj(LEVEL, zlib.DEFLATED, zlib.MAX_WBITS, MEMORY, zlib.Z_RLE)
    return packer.compress(content) + packer.flush()
