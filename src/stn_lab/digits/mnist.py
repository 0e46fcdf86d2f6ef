"""The four MNIST files: from `$STN_DATA/mnist` when they are there, else fetched into a cache, always checked."""

import gzip
import hashlib
from pathlib import Path

import numpy as np

from ..download import folder_with
from ..errors import UserError

SOURCE = "https://ossci-datasets.s3.amazonaws.com/mnist/"
SHA256 = {
    "train-images-idx3-ubyte.gz": "440fcabf73cc546fa21475e81ea370265605f56be210a4024d2ca8f203523609",
    "train-labels-idx1-ubyte.gz": "3552534a0a558bbed6aed32b30c495cca23d567ec52cac8be1a0730e8010255c",
    "t10k-images-idx3-ubyte.gz": "8d422c7b0a1c1c79245a5bcf07fe86e33eeafee792b84584aec276f5a2dbc4e6",
    "t10k-labels-idx1-ubyte.gz": "f7ae60f92e00ec6debd23a6088c31dbd2371eca3ffa0defaefb259924204aec6",
}


def load() -> tuple[tuple[np.ndarray, np.ndarray], tuple[np.ndarray, np.ndarray]]:
    """Training and test set, each as images (N, 28, 28) uint8 and labels (N,) uint8.

    Raises:
        UserError: `STN_DATA` is not a folder, a file is damaged, or the files are neither here nor to be fetched.
    """
    folder = folder_with("MNIST", "mnist", SHA256, SOURCE)
    arrays = [_read(folder / name) for name in SHA256]
    return (arrays[0], arrays[1]), (arrays[2], arrays[3])


def _read(path: Path) -> np.ndarray:
    """One gzipped IDX file of unsigned bytes."""
    packed = path.read_bytes()
    digest = hashlib.sha256(packed).hexdigest()
    if digest != SHA256[path.name]:
        raise UserError(
            f"{path} is damaged: its SHA-256 is {digest[:12]}…, expected {SHA256[path.name][:12]}…; delete it and "
            "fetch it again"
        )
    raw = gzip.decompress(packed)
    rank = raw[3]  # bytes 0-3: zero, zero, type (8 = unsigned byte), rank; then one big-endian length per axis
    shape = np.frombuffer(raw, ">u4", count=rank, offset=4)
    return np.frombuffer(raw, np.uint8, offset=4 + 4 * rank).reshape(shape).copy()
