"""npz: keys, shapes, ranges and labels; right values are given by hand."""

import numpy as np
import pytest

from stn_lab.errors import UserError
from stn_lab.images import ReadOptions, read

GREY = np.random.default_rng(0).integers(0, 256, (12, 8, 8), dtype=np.uint8)
GREY[0, 0, 0], GREY[0, 0, 1] = 255, 0  # so that the range is known
COLOUR = np.random.default_rng(1).integers(0, 256, (12, 8, 10, 3), dtype=np.uint8)
LABELS = np.arange(12) % 2


@pytest.fixture
def saved(tmp_path):
    def save(**arrays):
        path = tmp_path / "set.npz"
        np.savez(path, **arrays)
        return path

    return save


def in_order(images):
    """(N, C, H, W), uint8, by the name of the image."""
    order = sorted(range(len(images)), key=lambda index: int(images.name(index).split("[")[1][:-1]))
    return images.pixels(order)[0].numpy()


@pytest.mark.parametrize(
    "names",
    [
        ("x_train", "y_train", "x_valid", "y_valid", "x_test", "y_test"),
        ("X_train", "Y_train", "X_val", "Y_val", "X_test", "Y_test"),
        ("train_images", "train_labels", "val_images", "val_labels", "test_images", "test_labels"),
        ("xTrain", "yTrain", "xDev", "yDev", "xTest", "yTest"),
        ("TRAINING DATA", "training target", "validation.data", "validation.target", "testing-data", "testing-target"),
    ],
)
def test_keys(saved, names):
    data = read(saved(**{name: LABELS if number % 2 else GREY for number, name in enumerate(names)}))
    for images in (data.train, data.validation, data.test):
        assert len(images) == 12
        np.testing.assert_array_equal(in_order(images)[:, 0], GREY)
    assert data.test.name(3) == f"{names[4]}[3]"


@pytest.mark.parametrize("names", [("x", "y"), ("images", "labels"), ("data", "target")])
def test_without_splits(saved, names):
    data = read(saved(**dict(zip(names, (GREY, LABELS), strict=True))))
    assert (len(data.train), len(data.validation), len(data.test)) == (8, 2, 2)


@pytest.mark.parametrize(
    ("images", "expected"),
    [
        (GREY, GREY[:, None]),
        (GREY[..., None], GREY[:, None]),
        (GREY[:, None], GREY[:, None]),
        (GREY.reshape(12, 64), GREY[:, None]),
        (COLOUR, COLOUR.transpose(0, 3, 1, 2)),
        (COLOUR.transpose(0, 3, 1, 2), COLOUR.transpose(0, 3, 1, 2)),
        (COLOUR[:, :, :8].transpose(0, 3, 1, 2).reshape(12, -1), COLOUR[:, :, :8].transpose(0, 3, 1, 2)),
        (np.concatenate([COLOUR, np.full_like(COLOUR[..., :1], 255)], axis=3), COLOUR.transpose(0, 3, 1, 2)),
        (np.asfortranarray(GREY), GREY[:, None]),
    ],
    ids=["NHW", "NHW1", "N1HW", "flat", "NHWC", "NCHW", "flat colour", "RGBA", "Fortran order"],
)
def test_shapes(saved, images, expected):
    data = read(saved(x_train=images, y_train=LABELS, x_val=images, y_val=LABELS, x_test=images, y_test=LABELS))
    np.testing.assert_array_equal(in_order(data.train), expected)


@pytest.mark.parametrize(
    "change",
    [
        lambda x: x.astype(np.float32) / 255,
        lambda x: x.astype(np.float64),
        lambda x: x.astype(np.float16) / 255,
        lambda x: x.astype(np.int64),
        lambda x: x.astype(np.uint16) * 257,
        lambda x: x.astype(np.float32) / 127.5 - 1,
        lambda x: x.astype(np.float32) * 7 - 90,
        lambda x: x.astype(">f4"),
    ],
    ids=["0...1", "0...255", "half", "int64", "uint16", "-1...1", "any", "big endian"],
)
def test_ranges(saved, change):
    x = change(GREY)
    dark = change(GREY[:6] // 8)  # read in the range of the training images, not in its own
    data = read(saved(x_train=x, y_train=LABELS, x_val=dark, y_val=LABELS[:6], x_test=x, y_test=LABELS))
    np.testing.assert_allclose(in_order(data.train)[:, 0].astype(int), GREY, atol=1 if x.dtype == np.float16 else 0)
    np.testing.assert_allclose(in_order(data.validation)[:, 0].astype(int), GREY[:6] // 8, atol=1)


def test_pictures_of_zeros_and_ones(saved):
    x = GREY > 99
    data = read(saved(x_train=x, y_train=LABELS, x_val=x, y_val=LABELS, x_test=x.astype(np.uint8), y_test=LABELS))
    np.testing.assert_array_equal(in_order(data.train)[:, 0], 255 * x)
    np.testing.assert_array_equal(in_order(data.test)[:, 0], 255 * x)


@pytest.mark.parametrize(
    ("labels", "classes"),
    [
        (LABELS, ("0", "1")),
        (LABELS[:, None], ("0", "1")),
        (np.eye(2)[LABELS], ("0", "1")),
        (np.eye(2, dtype=bool)[LABELS], ("0", "1")),
        (LABELS.astype(np.float32), ("0", "1")),
        (np.array(["ant", "bee"])[LABELS], ("ant", "bee")),
        (np.array([b"ant", b"bee"])[LABELS], ("ant", "bee")),
        (LABELS * 100 + 9, ("9", "109")),
    ],
)
def test_labels(saved, labels, classes):
    data = read(saved(x=GREY, y=labels))
    assert data.classes == classes
    index = [int(data.train.name(i)[2:-1]) for i in range(len(data.train))]
    assert data.train.labels.tolist() == LABELS[index].tolist()


def test_images_that_are_no_numbers_are_listed(saved):
    x = GREY.astype(np.float32)
    x[3, 2, 2] = np.nan
    data = read(saved(X=x, y=LABELS))
    assert data.skipped == (("X[3]", "not finite numbers"),)
    assert len(data.train) + len(data.validation) + len(data.test) == 11


def test_another_size(saved):
    assert read(saved(x=GREY, y=LABELS), ReadOptions(size=(16, 20))).train[0].image.shape == (1, 16, 20)


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({"x_train": np.array([{}, 1], dtype=object), "y_train": LABELS}, "Python objects"),
        ({"x_train": GREY, "y_train": np.array([{}] * 12, dtype=object)}, "Python objects"),
        ({"x_train": GREY}, "'x_train' has no labels beside it; its keys are 'x_train'"),
        ({"y_train": LABELS}, "'y_train' has no images beside it"),
        ({"a": GREY, "b": LABELS}, "no images to train on; its keys are 'a', 'b'; call them x_train and y_train"),
        ({"x_test": GREY, "y_test": LABELS}, "no images to train on"),
        ({"x": GREY, "y": LABELS[:5]}, "12 images and 'y' 5 labels"),
        ({"x": GREY, "X": GREY, "y": LABELS}, "'x' and 'X' mean the same"),
        ({"x": GREY.reshape(12, 64)[:, :50], "y": LABELS}, "rows of 50 numbers, which are no square"),
        ({"x": COLOUR[..., :2], "y": LABELS}, r"shape \(12, 8, 10, 2\); understood are"),
        ({"x": GREY[None], "y": LABELS}, "understood are"),
        ({"x": LABELS, "y": LABELS}, "understood are"),
        ({"x": GREY.astype(str), "y": LABELS}, "should be numbers"),
        ({"x": GREY.astype(complex), "y": LABELS}, "should be numbers"),
        ({"x": GREY, "y": np.random.default_rng(0).random(12)}, "should be classes"),
        ({"x": GREY, "y": np.random.default_rng(0).random((12, 4))}, "one-hot"),
        ({"x": GREY, "y": np.zeros(12)}, "one class only, '0'"),
        ({"x": GREY, "y": np.arange(12)}, "class '0' has 1 image"),
        ({"x": GREY[:0], "y": LABELS[:0]}, "none of its 0 images"),
    ],
)
def test_one_line_says_what_is_wrong(saved, arrays, message):
    with pytest.raises(UserError, match=message) as error:
        read(saved(**arrays))
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    "harm",
    [lambda b: b[: len(b) // 2], lambda b: b"", lambda b: b"text", lambda b: b[:300] + b"x" * 50 + b[350:]],
    ids=["half", "empty", "text", "overwritten"],
)
@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
def test_damaged_files(tmp_path, save, harm):
    path = tmp_path / "set.npz"
    save(path, x=GREY, y=LABELS)
    path.write_bytes(harm(path.read_bytes()))
    with pytest.raises(UserError, match=r"no whole \.npz|damaged"):
        read(path)


def test_arrays_that_are_not_needed_may_be_anything(saved):
    data = read(saved(x=GREY, y=LABELS, about=np.array([{}], dtype=object)))
    assert len(data.train) == 8


def test_an_npy_that_is_called_npz(tmp_path):
    np.save(tmp_path / "set.npy", GREY)
    (tmp_path / "set.npy").rename(tmp_path / "set.npz")
    with pytest.raises(UserError, match="no whole"):
        read(tmp_path / "set.npz")


def test_groups_need_paths(saved):
    with pytest.raises(UserError, match="--group-by"):
        read(saved(x=GREY, y=LABELS), ReadOptions(group_by="x"))
