"""Which pixel is the nearest: the one at floor(x + 0.5) of the exact position, by arithmetic in whole numbers."""

from fractions import Fraction
from math import floor

import pytest
import torch

import spatial_transformer as st
from spatial_transformer import testing

pytestmark = pytest.mark.usefixtures("backend")

FLOATS = (torch.float16, torch.bfloat16, torch.float32, torch.float64, torch.complex64)
INTEGERS = (torch.bool, torch.uint8, torch.int8, torch.int16, torch.int32, torch.int64)
RATIOS = [(1, 2), (2, 1), (1, 3), (3, 2), (2, 3), (3, 4), (5, 2), (1, 1)]


def row(length, dtype):
    """(1, 1, 1, length) labels of which no neighbours are alike."""
    return (
        (torch.arange(length) % 2 if dtype == torch.bool else torch.arange(length) % 97).reshape(1, 1, 1, -1).to(dtype)
    )


def read(image, family, size, *, theta=torch.float32):
    """Integers are read by the readable twin, which is not asked for by name."""
    if image.is_floating_point() or image.is_complex():
        return st.warp(image, family, family.identity(1, dtype=theta), size, mode="nearest")
    with st.backends.use("reference"):
        return st.warp(image, family, family.identity(1, dtype=theta), size, mode="nearest")


def resized(length, to):
    """The pixels that are read where an axis of `length` pixels becomes one of `to`."""
    return (2 * torch.arange(to) + 1) * length // (2 * to)


@pytest.mark.parametrize("theta", [torch.float32, torch.float64], ids=str)
@pytest.mark.parametrize("dtype", [torch.float32, torch.uint8], ids=str)
def test_every_length_up_to_512(dtype, theta):
    family, wrong = st.Affine(), []
    for length in range(1, 513):
        up, down = RATIOS[length % len(RATIOS)]
        for to in {max(1, length // 2), max(1, length * up // down)}:
            image = row(length, dtype)
            got = read(image, family, (1, to), theta=theta)
            if not torch.equal(got, image[..., resized(length, to)]):
                wrong.append((length, to))
    assert not wrong


@pytest.mark.parametrize("dtype", [*FLOATS, *INTEGERS], ids=str)
def test_every_dtype(dtype):
    for length, to in ((42, 21), (126, 63), (354, 177), (6, 9), (300, 200)):
        image = row(length, dtype)
        for theta in (torch.float32, torch.float64):
            assert torch.equal(read(image, st.Affine(), (1, to), theta=theta), image[..., resized(length, to)])
            column = read(image.mT.contiguous(), st.Affine(), (to, 1), theta=theta)
            assert torch.equal(column.mT, image[..., resized(length, to)])


@pytest.mark.parametrize("dtype", [torch.float32, torch.int64], ids=str)
def test_every_family(family, dtype):
    pixels = torch.arange(6 * 42 * 10).reshape(1, 1, 6, 42, 10) % 97
    image = (pixels if family.dims == 3 else pixels[0]).to(dtype)[:1, :1]
    for size in ((3, 21, 5), (9, 63, 15)):
        to = size[-family.dims :]
        expected = image
        for axis, n in enumerate(to, start=2):
            expected = expected.index_select(axis, resized(image.shape[axis], n))
        for theta in (torch.float32, torch.float64):
            assert torch.equal(read(image, family, to, theta=theta), expected)


# Rows of matrices whose entries are a few eighths, and moves by so many halves of a pixel.
ROWS = [
    ((1, 0), 1),
    ((-1, 0), 1),
    ((0, 1), -1),
    ((0, -1), 3),
    ((0.5, 0), 0),
    ((0.5, 0.5), 1),
    ((2, 0), -1),
    ((0.75, 0.25), 2),
]


@pytest.mark.parametrize("linear", ROWS, ids=str)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=str)
def test_moved_turned_and_magnified(linear, dtype):
    (a, b), halves = linear
    for width in (8, 14, 42):
        height, image = 10, row(width, torch.float32)
        matrix = torch.tensor([[[a, b, halves / width], [0, 1, 0]]], dtype=dtype)
        read = st.sample(image, st.Affine().grid(matrix.flatten(1), (height, width)), mode="nearest", padding="border")
        warped = st.warp(image, st.Affine(), matrix.flatten(1), (height, width), mode="nearest", padding="border")
        for j in range(height):
            for i in range(width):
                x = Fraction(a) * Fraction(2 * i + 1 - width, width) + Fraction(b) * Fraction(
                    2 * j + 1 - height, height
                )
                position = (x + Fraction(halves, width)) * width / 2 + Fraction(width - 1, 2)
                expected = min(max(floor(position + Fraction(1, 2)), 0), width - 1) % 97
                assert warped[0, 0, j, i] == read[0, 0, j, i] == expected


def test_quarter_turns_are_rot90_for_every_size():
    for side in (6, 7, 42):
        image = testing.random_image((side, side), channels=1)
        for quarters in (1, 2, 3):
            theta = torch.tensor([[quarters * torch.pi / 2, 0.0, 0.0]])
            turned = st.warp(image, st.Rigid(), theta, (2 * side, 2 * side), mode="nearest", padding="border")
            larger = image.repeat_interleave(2, dim=2).repeat_interleave(2, dim=3)
            assert torch.equal(turned, larger.rot90(quarters, dims=(2, 3)))
