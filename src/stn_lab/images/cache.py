"""Decoded images in a file without a name: memory stays free, and nothing is left behind, however the process ends."""

import os
import shutil
import tempfile
import weakref
from collections.abc import Sequence
from typing import IO

import numpy as np

LIMIT = 8 << 30  # bytes; and never more than half of what is free on the disk


class Cache:
    """Images of one shape by number, kept once they have been decoded.

    They lie in an unlinked file in the folder for temporary files (`TMPDIR`), read and written at offsets: what of it
    is in memory is the operating system's page cache, which gives way to whoever needs memory. Beyond the limit, or
    when the disk is full, images are decoded again each time.

    Args:
        count: how many images there are.
        shape: of each, (C, H, W), uint8.
        limit: bytes.

    Example:
        >>> cache = Cache(10, (1, 2, 2))
        >>> cache.put(3, np.full((1, 2, 2), 7, dtype=np.uint8))
        >>> out = np.zeros((1, 2, 2), dtype=np.uint8)
        >>> cache.get(3, out), int(out.sum()), cache.get(4, out)
        (True, 28, False)
    """

    def __init__(self, count: int, shape: Sequence[int], limit: int = LIMIT) -> None:
        self.shape = tuple(shape)
        self.bytes_each = int(np.prod(self.shape))
        free = shutil.disk_usage(tempfile.gettempdir()).free
        self.capacity = min(count, min(limit, free // 2) // self.bytes_each)
        self._there = bytearray(count)  # of each image, whether it has been written
        self._file: IO[bytes] | None = tempfile.TemporaryFile() if self.capacity else None  # noqa: SIM115
        if self._file is not None:
            weakref.finalize(self, self._file.close)

    def get(self, number: int, out: np.ndarray) -> bool:
        """Copy an image into `out`, contiguous; False where it is not kept."""
        if self._file is None or not self._there[number]:
            return False
        return os.preadv(self._file.fileno(), [out.data], number * self.bytes_each) == self.bytes_each

    def put(self, number: int, pixels: np.ndarray) -> None:
        """Keep an image, if there is room."""
        if self._file is None or number >= self.capacity:
            return
        data = np.ascontiguousarray(pixels, dtype=np.uint8).tobytes()
        try:
            written = os.pwrite(self._file.fileno(), data, number * self.bytes_each)
        except OSError:  # the disk is full: go on without
            self.capacity = 0
            return
        self._there[number] = written == self.bytes_each

    def __len__(self) -> int:
        return sum(self._there)
