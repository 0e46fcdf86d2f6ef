"""Pixels that are NaN or infinite, and what is filled with NaN: where they count."""

import math

import pytest
import torch

import spatial_transformer as st
from spatial_transformer import ops
from spatial_transformer.kernels import Cubic, Gaussian, Linear, Nearest

pytestmark = pytest.mark.usefixtures("backend")

LENGTH, WHERE = 16, 6  # of a row, and the pixel that is missing
LAYOUTS = {"plane": 1, "planes": 3, "packed": 9, "channels_last": 9}


def row(layout, value):
    image = torch.rand(1, LAYOUTS[layout], 2, LENGTH, generator=torch.Generator().manual_seed(0))
    image[..., WHERE] = value
    return image.contiguous(memory_format=torch.channels_last) if layout == "channels_last" else image


def at(positions):
    return st.pixel_to_normalised(torch.stack([positions, 0 * positions], dim=-1), (2, LENGTH))[None]


@pytest.mark.parametrize("value", [math.nan, math.inf], ids=str)
@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize(("kernel", "support"), [(Nearest(), 0.5), (Linear(), 1), (Cubic(), 2)], ids=repr)
@pytest.mark.parametrize("differentiated", [False, True])
def test_a_pixel_counts_for_all_that_touch_it_with_weight_zero_too(kernel, support, layout, value, differentiated):
    positions = torch.arange(0, LENGTH - 1, 0.25)
    points = at(positions).requires_grad_(differentiated)
    values = ops.resample.resample(row(layout, value), points, kernel=kernel, padding=("border",) * 2)
    first = (positions - support).floor() + 1  # the first pixel that a position touches
    touched = (first <= WHERE) & (first + 2 * support > WHERE)
    assert torch.equal(values[0, 0].isfinite(), ~touched)
    assert torch.equal(values[0].isfinite(), ~touched.expand(LAYOUTS[layout], -1))
    if differentiated:
        (slope,) = torch.autograd.grad(values.nan_to_num().sum(), points)
        near = (positions - WHERE).abs() <= support  # where two cells meet both are looked at
        assert slope[0, ~near].isfinite().all()
        if kernel != Nearest():
            assert slope[0, near, 0].isnan().any()


def test_a_kernel_of_no_polynomials_counts_what_is_within_its_support():
    positions = torch.arange(0, LENGTH - 1, 0.25)
    with st.backends.use("reference"):
        values = st.sample(row("plane", math.nan), at(positions), mode=Gaussian(0.6), padding="border")
    assert torch.equal(values[0, 0].isnan(), (positions - WHERE).abs() <= 2.4)


def test_what_to_do_instead_is_to_fill_and_to_warp_a_mask():
    image = row("plane", math.nan)
    known, family = image.isfinite().float(), st.Translation()
    theta = torch.tensor([[0.5 / LENGTH, 0.0]])
    weight = st.warp(known, family, theta)
    filled = st.warp(image.nan_to_num(), family, theta) / weight
    assert filled.isfinite().all()
    assert weight[0, 0, 0, WHERE] == 0.25


@pytest.mark.parametrize("fill", [math.nan, math.inf, -math.inf], ids=str)
@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("family", [st.Translation(), st.Projective(), st.ThinPlateSpline((2, 2))], ids=str)
def test_the_nearest_pixel_is_copied_so_anything_may_be_filled_with(family, layout, fill):
    image = row(layout, 0.5).requires_grad_()
    theta = (family.identity(1) + 0.25).requires_grad_()
    zeros = st.warp(image, family, theta, mode="nearest", padding=-1)
    read = st.warp(image, family, theta, mode="nearest", padding=fill)
    assert (zeros == -1).any()
    torch.testing.assert_close(read, torch.where(zeros == -1, fill, zeros), equal_nan=True, rtol=0, atol=0)
    gradients = torch.autograd.grad(read[zeros != -1].sum(), (image, theta), create_graph=True)
    assert gradients[0].sum() == (zeros != -1).sum()
    assert (gradients[1] == 0).all()
    assert (torch.autograd.grad(gradients[1].sum(), theta)[0] == 0).all()


@pytest.mark.filterwarnings("ignore:`torch.jit.script` is deprecated")  # by `torch.func.jvp` itself
def test_forwards_what_is_copied_does_not_change():
    points = at(torch.arange(-3.0, LENGTH))
    image = row("plane", 0.5)
    _, change = torch.func.jvp(
        lambda where: st.sample(image, where, mode="nearest", padding=math.nan), (points,), (torch.ones_like(points),)
    )
    assert (change == 0).all()


def test_one_nan_is_as_good_as_another_and_may_stand_for_one_axis():
    image, points = row("plane", 0.5), at(torch.arange(-3.0, LENGTH))
    both = st.sample(image, points, mode="nearest", padding=(float("nan"), float("nan")))
    across = st.sample(image, points, mode="nearest", padding=("border", float("nan")))
    assert torch.equal(both.isnan(), across.isnan())
    assert both.isnan().sum() == 3


def test_a_spline_of_order_zero_copies_labels_as_the_nearest_does():
    image, points = torch.arange(12).reshape(1, 1, 3, 4), st.target_points((6, 8))
    with st.backends.use("reference"):
        labels = st.sample(image, points, mode=st.kernels.BSpline(0), padding=7)
    expected = image.repeat_interleave(2, dim=2).repeat_interleave(2, dim=3)
    assert torch.equal(labels, expected)
