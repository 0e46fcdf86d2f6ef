"""Averages over footprints larger than the image: values of a direct sum, and how much is read for them."""

import math

import pytest
import torch
from torch.nn.functional import affine_grid, grid_sample

import spatial_transformer as st
from spatial_transformer import averaging, testing

DOUBLE = torch.float64
IMAGE, OUTPUT = (12, 9), (6, 4)


def direct(image, matrix, size, fill=0.0, fine=150):
    """PyTorch's own sampler at `fine` x `fine` points of each output pixel, averaged: (*size)."""
    grid = affine_grid(matrix[None, :2], (1, 1, *size), align_corners=False)  # (1, *size, 2) centres
    steps = (torch.arange(fine, dtype=DOUBLE) + 0.5) / fine * 2 - 1
    x, y = torch.meshgrid(steps / size[1], steps / size[0], indexing="xy")
    within = torch.stack([x, y], dim=-1) @ matrix[:2, :2].T  # (fine, fine, 2)
    each = [grid_sample(image - fill, (at + within)[None], align_corners=False).mean() for at in grid.flatten(0, 2)]
    return torch.stack(each).reshape(size) + fill


RUNAWAY = {
    "zoom": (st.Attention(), [30.0, 0.4, -0.3]),
    "turn": (st.Similarity(), [20.0, 0.7, 0.1, 0.2]),
    "stretch": (st.Affine(), [40.0, 3.0, 0.2, 0.5, 1.5, 0.1]),
    "shear": (st.Affine(), [1.0, 25.0, 0.0, 0.0, 1.0, 0.0]),
}


@pytest.mark.parametrize("padding", ["zeros", 0.5], ids=str)
@pytest.mark.parametrize("name", RUNAWAY)
def test_a_footprint_beyond_the_image_is_averaged_where_it_meets_it(name, padding):
    family, theta = RUNAWAY[name]
    theta = torch.tensor([theta], dtype=DOUBLE)
    image = testing.random_image(IMAGE, batch=1, channels=1, dtype=DOUBLE)
    fill = 0.0 if padding == "zeros" else padding
    expected = direct(image, family.matrix(theta)[0], OUTPUT, fill)
    warped = st.warp(image, family, theta, OUTPUT, antialias=True, padding=padding)[0, 0]
    covered = direct(torch.ones_like(image), family.matrix(theta)[0], OUTPUT)  # by the image
    assert 0 < (warped - expected).abs().max() < 0.05 * covered.max() < 0.05


def points_read(monkeypatch, *args, **options):
    """How many points `warp` reads."""
    read = []

    def counted(image, points, **how):
        read.append(points[..., 0].numel())
        return st.sample(image, points, **how)

    monkeypatch.setattr(averaging, "sample", counted)
    st.warp(*args, antialias=True, **options)
    return sum(read)


@pytest.mark.parametrize("scale", [16.0, 1e3, 1e6, -1e30])
@pytest.mark.parametrize("family", [st.Attention(), st.Affine(), st.Affine(3), st.Projective()], ids=str)
def test_a_runaway_theta_reads_little_more_than_the_image(family, scale, monkeypatch):
    size = (16,) * family.dims
    image, theta = torch.rand(4, 1, *size), family.identity(4)
    sane = points_read(monkeypatch, image, family, theta, (8,) * family.dims)
    theta[2] *= scale
    assert points_read(monkeypatch, image, family, theta, (8,) * family.dims) < sane + 40 * math.prod(size)


def test_other_rows_are_as_they_are_alone():
    family, image = st.Attention(), torch.rand(3, 2, 16, 16)
    theta = torch.tensor([[1.0, 0, 0], [500.0, 0, 0], [0.7, 0.1, 0.2]])
    both = st.warp(image, family, theta, (8, 8), antialias=True)
    for row in (0, 2):
        alone = st.warp(image[row : row + 1], family, theta[row : row + 1], (8, 8), antialias=True)
        torch.testing.assert_close(both[row], alone[0], atol=1e-6, rtol=0)


@pytest.mark.parametrize("padding", ["border", "reflection", "wrap"])
def test_where_the_padding_continues_the_image_a_constant_stays_one(padding):
    theta = torch.tensor([[300.0, 0.2, 0.1]])
    warped = st.warp(torch.full((1, 1, 8, 8), 0.7), st.Attention(), theta, (4, 4), antialias=True, padding=padding)
    torch.testing.assert_close(warped, torch.full((1, 1, 4, 4), 0.7))


@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_a_theta_that_is_not_finite_leaves_the_other_rows(value):
    family, image = st.Affine(), torch.rand(2, 1, 8, 8)
    theta = family.identity(2)
    expected = st.warp(image, family, theta, (4, 4), antialias=True)[0]
    theta[1, 0] = value
    torch.testing.assert_close(st.warp(image, family, theta, (4, 4), antialias=True)[0], expected)


def test_one_theta_for_many_images_and_an_index():
    family, image = st.Attention(), torch.rand(3, 2, 8, 8)
    theta = torch.tensor([[60.0, 0.1, 0.0]])
    each = st.warp(image, family, theta.expand(3, -1), (4, 4), antialias=True)
    torch.testing.assert_close(st.warp(image, family, theta, (4, 4), antialias=True), each)
    index = torch.tensor([2, 0])
    picked = st.warp(image, family, theta.expand(2, -1), (4, 4), antialias=True, index=index)
    torch.testing.assert_close(picked, each[index])


def test_a_runaway_theta_has_the_gradient_of_the_area_it_covers():
    image, theta = torch.ones(1, 1, 8, 8, dtype=DOUBLE), torch.tensor([[32.0, 0.0, 0.0]], dtype=DOUBLE)
    theta.requires_grad_()
    st.warp(image, st.Attention(), theta, (1, 1), antialias=True).backward()
    assert theta.grad[0, 0].item() == pytest.approx(-2 / 32**3, rel=0.05)  # the image is 1 / s^2 of the footprint
