"""What is measured: shapes, warps, and the curves over batch, side length, channels and threads. Add a row here."""

import math
from collections.abc import Iterable
from dataclasses import dataclass, replace

from stn_lab.errors import UserError

MATRIX_WARPS = ("affine", "projective")  # computed in the kernel; the others hand it points
PARTS = ("matrix", "short", "second-order", "curves", "memory", "cold-start")
EVERY_PASS = ("forward", "theta", "both")
PASS_NAMES = (*EVERY_PASS, "double")
CURVE_PASSES = ("forward", "both")


@dataclass(frozen=True)
class Row:
    """One problem: an image, a warp, and a size of the output that is the size of the image.

    Attributes:
        shape: (N, C, H, W) or (N, C, D, H, W).
        warp: "affine", "projective", "tps" (4 x 4 control points), or "points" that are given.
        mode: as in `st.warp`.
        channels_last: how the image lies in memory.
        part: "matrix", "short", "second order", or the name of a curve.
        passes: names in `passes.PASSES`.
        threads: that it is measured with; those of the command if empty.
    """

    shape: tuple[int, ...]
    warp: str = "affine"
    mode: str = "bilinear"
    channels_last: bool = False
    part: str = "matrix"
    passes: tuple[str, ...] = EVERY_PASS
    threads: tuple[int, ...] = ()

    @property
    def name(self) -> str:
        words = [self.warp if self.warp != "affine" else "", self.mode if self.mode != "bilinear" else ""]
        words += ["x".join(str(n) for n in self.shape), "channels_last" if self.channels_last else ""]
        return " ".join(word for word in words if word)

    @property
    def size(self) -> tuple[int, ...]:
        return self.shape[2:]

    @property
    def dims(self) -> int:
        return len(self.shape) - 2

    @property
    def samples(self) -> int:
        """Of the whole batch: N times the pixels of the output."""
        return self.shape[0] * math.prod(self.size)

    def small(self) -> "Row":
        """The same kind of problem, small enough for a test."""
        batch, channels, *size = self.shape
        side = 17 if self.dims == 2 else 9
        smaller = (min(batch, 2), min(channels, 9), *(min(n, side) for n in size))
        return replace(self, shape=smaller)


MATRIX = (
    Row((256, 1, 42, 42)),
    Row((256, 1, 60, 60)),
    Row((16, 3, 224, 224)),
    Row((1, 3, 1080, 1920)),
    Row((32, 64, 32, 32)),
    Row((32, 64, 32, 32), channels_last=True),
    Row((1, 1, 96, 96, 96)),
    Row((256, 3, 64, 64)),
    Row((1, 3, 2048, 2048)),
    Row((8, 128, 64, 64), warp="points"),
    Row((8, 128, 64, 64), warp="points", channels_last=True),
    Row((1, 1, 128, 128, 128)),
    Row((256, 1, 60, 60), warp="tps"),
    Row((16, 3, 224, 224), warp="projective"),
    Row((16, 3, 224, 224), mode="bicubic"),
)
# Calls so short that what comes before the kernel counts, and few channels at points that are given or of a spline.
SHORT = tuple(
    Row(shape, warp=warp, part="short")
    for warp, shapes in {
        "affine": ((1, 1, 28, 28), (8, 1, 28, 28), (1, 3, 64, 64), (8, 3, 64, 64), (1, 1, 112, 112), (8, 1, 112, 112)),
        "points": (
            *((1, 1, 28, 28), (8, 1, 28, 28), (1, 3, 64, 64), (8, 3, 64, 64), (1, 1, 112, 112), (8, 1, 112, 112)),
            *((256, 1, 42, 42), (256, 1, 60, 60), (256, 3, 64, 64), (16, 3, 224, 224)),
        ),
        "tps": ((1, 1, 28, 28), (8, 1, 28, 28), (256, 1, 42, 42), (256, 3, 64, 64)),
    }.items()
    for shape in shapes
)
SECOND_ORDER = (
    Row((4, 16, 128, 128), warp="points", part="second order", passes=("forward", "both", "double")),
    Row((4, 16, 128, 128), part="second order", passes=("forward", "both", "double")),
)


def curves(most_threads: int) -> tuple[Row, ...]:
    """One quantity grows, the others stay."""
    doubling = [2**k for k in range(most_threads.bit_length()) if 2**k < most_threads]
    threads = (*doubling, most_threads)
    every = (most_threads,)
    shapes: dict[str, list[tuple[int, ...]]] = {
        "batch": [(n, 3, 128, 128) for n in (1, 2, 4, 8, 16, 32, 64, 128, 256)],
        "side": [(1, 3, n, n) for n in (16, 32, 64, 128, 256, 512, 1024, 2048, 3072)],
        "side of a volume": [(1, 1, n, n, n) for n in (16, 24, 48, 96, 128, 160, 224, 256)],
        "channels": [(8, n, 64, 64) for n in (1, 2, 3, 4, 8, 16, 32, 64, 128, 256)],
    }
    rows = [Row(shape, part=part, passes=CURVE_PASSES, threads=every) for part, of in shapes.items() for shape in of]
    last = [replace(row, part="channels, channels_last", channels_last=True) for row in rows if row.part == "channels"]
    ends = [Row(shape, part="threads", passes=CURVE_PASSES, threads=threads) for shape in ((1, 3, 1024, 1024),)]
    ends += [Row((1, 1, 96, 96, 96), part="threads", passes=CURVE_PASSES, threads=threads)]
    return (*rows, *(row for row in last if row.shape[1] > 1), *ends)


def select(rows: Iterable[Row], words: str) -> tuple[Row, ...]:
    """The rows whose name contains one of the words, which commas separate; all of them without a word.

    Raises:
        UserError: a word is in no name.
    """
    rows, wanted = tuple(rows), [word.strip() for word in words.split(",") if word.strip()]
    for word in wanted:
        if not any(word.lower() in row.name for row in rows):
            names = ", ".join(row.name for row in rows)
            raise UserError(f"--rows: {word!r} is in the name of none of {names}")
    return tuple(row for row in rows if not wanted or any(word.lower() in row.name for word in wanted))
