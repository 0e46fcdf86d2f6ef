"""The loader on files this test writes in the format of the real ones, with the checksums of the written ones."""

import gzip
import hashlib
import struct

import numpy as np
import pytest

from stn_lab.digits import mnist
from stn_lab.errors import UserError


def idx(array):
    header = struct.pack(f">BBBB{array.ndim}I", 0, 0, 8, array.ndim, *array.shape)
    return gzip.compress(header + array.tobytes())


@pytest.fixture
def folder(tmp_path, monkeypatch):
    random = np.random.default_rng(0)
    arrays = {
        "train-images-idx3-ubyte.gz": random.integers(0, 256, (5, 28, 28), np.uint8),
        "train-labels-idx1-ubyte.gz": np.arange(5, dtype=np.uint8),
        "t10k-images-idx3-ubyte.gz": random.integers(0, 256, (3, 28, 28), np.uint8),
        "t10k-labels-idx1-ubyte.gz": np.arange(3, dtype=np.uint8),
    }
    (tmp_path / "mnist").mkdir()
    for name, array in arrays.items():
        (tmp_path / "mnist" / name).write_bytes(idx(array))
        digest = hashlib.sha256((tmp_path / "mnist" / name).read_bytes()).hexdigest()
        monkeypatch.setitem(mnist.SHA256, name, digest)
    monkeypatch.setenv("STN_DATA", str(tmp_path))
    return tmp_path / "mnist", arrays


def test_files_are_read_as_they_were_written(folder):
    _, arrays = folder
    (train_images, train_labels), (test_images, test_labels) = mnist.load()
    for got, name in zip((train_images, train_labels, test_images, test_labels), mnist.SHA256, strict=True):
        np.testing.assert_array_equal(got, arrays[name])


def test_a_damaged_file_is_named(folder):
    path = folder[0] / "train-images-idx3-ubyte.gz"
    path.write_bytes(path.read_bytes()[:-3])
    with pytest.raises(UserError, match=r"train-images-idx3-ubyte\.gz is damaged.*expected"):
        mnist.load()


def test_a_missing_folder_is_named(monkeypatch, tmp_path):
    monkeypatch.setenv("STN_DATA", str(tmp_path / "nowhere"))
    with pytest.raises(UserError, match=r"STN_DATA is .*nowhere.*not a folder"):
        mnist.load()


def test_without_files_and_network_it_says_what_to_put_where(monkeypatch, tmp_path):
    monkeypatch.setenv("STN_DATA", str(tmp_path))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(mnist, "SOURCE", "http://127.0.0.1:9/")  # nothing listens there
    with pytest.raises(UserError, match=r"cannot be fetched.*train-images-idx3-ubyte\.gz.*set STN_DATA"):
        mnist.load()
