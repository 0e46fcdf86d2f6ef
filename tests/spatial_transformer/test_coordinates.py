"""The convention: -1 and +1 are the outer edges of the border pixels, x comes first."""

import pytest
import torch
import torch.nn.functional as F

import spatial_transformer as st
from spatial_transformer import testing

SIZES = [(1, 1), (1, 7), (17, 11), (28, 28), (1, 1, 1), (3, 1, 5), (4, 6, 5)]


def close(actual, expected):
    torch.testing.assert_close(actual, expected, rtol=0, atol=testing.TOLERANCES[torch.float64])


@pytest.mark.parametrize("size", SIZES, ids=str)
def test_target_points_are_the_identity_grid_of_torch(size):
    dims = len(size)
    eye = torch.eye(dims, dims + 1, dtype=torch.float64)[None]
    close(st.target_points(size, dtype=torch.float64), F.affine_grid(eye, [1, 1, *size], align_corners=False))


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=str)
@pytest.mark.parametrize("size", SIZES, ids=str)
def test_target_points_fall_exactly_on_whole_pixels(size, dtype):
    pixels = st.normalised_to_pixel(st.target_points(size, dtype=dtype), size)
    whole = torch.stack(torch.meshgrid(*map(torch.arange, size), indexing="ij")[::-1], dim=-1)[None]
    assert torch.equal(pixels, whole.to(dtype))


def test_target_points_put_x_first():
    points = st.target_points((2, 4))
    assert points.shape == (1, 2, 4, 2)
    assert points[0, 0, :, 0].tolist() == [-0.75, -0.25, 0.25, 0.75]
    assert points[0, :, 0, 1].tolist() == [-0.5, 0.5]


def test_edges_of_the_image_are_at_minus_and_plus_one():
    edges = torch.tensor([[-1.0, -1.0, -1.0], [1.0, 1.0, 1.0]])
    assert st.normalised_to_pixel(edges, (4, 6, 10)).tolist() == [[-0.5, -0.5, -0.5], [9.5, 5.5, 3.5]]


@pytest.mark.parametrize("size", SIZES, ids=str)
def test_pixel_to_normalised_undoes_normalised_to_pixel(size):
    points = testing.random_points(len(size), 5, 3, spread=2)
    close(st.pixel_to_normalised(st.normalised_to_pixel(points, size), size), points)
    assert st.pixel_to_normalised(torch.zeros(len(size)), size).tolist() == pytest.approx(
        [1 / n - 1 for n in size[::-1]]
    )


@pytest.mark.parametrize("size", [(17, 11), (1, 7), (3, 4, 5)], ids=str)
def test_from_align_corners_reads_the_same_pixels_as_torch_does(size):
    image = testing.random_image(size, channels=1, dtype=torch.float64)
    foreign = testing.random_points(len(size), 2, *size, spread=1.2)
    expected = F.grid_sample(image, foreign, align_corners=True)
    close(st.sample(image, st.from_align_corners(foreign, size)), expected)


def test_to_align_corners_undoes_from_align_corners():
    points = testing.random_points(3, 4, 2)
    close(st.to_align_corners(st.from_align_corners(points, (4, 5, 6)), (4, 5, 6)), points)
    assert st.to_align_corners(torch.tensor([0.9, 0.75]), (4, 10)).tolist() == pytest.approx([1, 1])


def test_converters_are_differentiable():
    points = testing.random_points(2, 3).requires_grad_()
    convert = (st.normalised_to_pixel, st.pixel_to_normalised, st.from_align_corners, st.to_align_corners)
    for converter in convert:
        assert torch.autograd.gradcheck(lambda p, of=converter: of(p, (4, 7)), points)
