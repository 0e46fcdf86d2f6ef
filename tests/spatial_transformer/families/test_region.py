"""What a warp samples, in pixels: against algebra done by hand."""

import math

import pytest
import torch

import spatial_transformer as st
from spatial_transformer import testing

SIZE = (20, 40)  # height, width
CORNERS = [[0.0, 0.0], [40.0, 0.0], [40.0, 20.0], [0.0, 20.0]]
HALF = math.sqrt(0.5)


def turned(*, pixels):
    """Corners of an image of `SIZE`, turned by 45 degrees about its centre: in pixels, or in normalised units."""
    across, down = (20, 10) if pixels else (1, 1)
    corners = [(x * across, y * down) for x, y in ((-1, -1), (1, -1), (1, 1), (-1, 1))]
    back = (1, 1) if pixels else (20, 10)
    return [[20 + back[0] * HALF * (x - y), 10 + back[1] * HALF * (x + y)] for x, y in corners]


# Family, theta, and the corners that it samples, clockwise from the one that becomes the top left.
STRAIGHT = {
    "translation": (st.Translation(), [0.5, -0.2], [[x + 10, y - 2] for x, y in CORNERS]),
    "attention": (st.Attention(), [0.5, 0.5, 0.0], [[20, 5], [40, 5], [40, 15], [20, 15]]),
    "rigid": (st.Rigid(), [math.pi / 4, 0.0, 0.0], turned(pixels=False)),
    "rigid, to scale": (st.Rigid(extent=(40, 20)), [math.pi / 4, 0.0, 0.0], turned(pixels=True)),
    "mirror": (st.Affine(), [-1.0, 0, 0, 0, 1, 0], [[40, 0], [0, 0], [0, 20], [40, 20]]),
    "shear": (st.Affine(), [1.0, 0.5, 0, 0, 1, 0], [[-10, 0], [30, 0], [50, 20], [10, 20]]),
    # x / (x / 2 + 1) is -2 at the left edge and 2/3 at the right one; y likewise, from -2 and from 2/3.
    "homography": (
        st.Projective(),
        [1.0, 0, 0, 0, 1, 0, 0.5, 0],
        [[-20, -10], [100 / 3, 10 / 3], [100 / 3, 50 / 3], [-20, 30]],
    ),
}


@pytest.mark.parametrize("name", STRAIGHT)
def test_corners_are_those_of_hand_algebra(name):
    family, theta, corners = STRAIGHT[name]
    theta = torch.tensor([theta, family.identity(1)[0].tolist()], dtype=torch.float64)
    outline, box = family.region(theta, SIZE)
    expected = torch.tensor([corners, CORNERS], dtype=torch.float64)
    torch.testing.assert_close(outline, expected, rtol=0, atol=1e-12)
    (left, top), (right, bottom) = expected.amin(dim=1).T, expected.amax(dim=1).T
    torch.testing.assert_close(box, torch.stack([left, top, right, bottom], dim=1), rtol=0, atol=1e-12)


def test_similarity_turns_and_scales():
    family = st.Similarity(extent=(40, 20))
    theta = family.from_matrix(  # about the centre, in pixels: twice as large, turned by a quarter
        st.scale_matrix(torch.tensor([[1 / 20, 1 / 10]]))
        @ st.rotation_matrix(torch.tensor([math.pi / 2]))
        @ st.scale_matrix(torch.tensor([[40.0, 20.0]]))
    )
    _, box = family.region(theta, SIZE)
    torch.testing.assert_close(box, torch.tensor([[0.0, -30.0, 40.0, 50.0]]), rtol=0, atol=1e-4)


def test_a_bent_side_is_a_polyline_and_its_box_holds_the_kinks():
    family = st.PiecewiseAffine((2, 3))
    theta = family.identity(1)
    theta[0, 3] = -3.0  # y of the middle of the upper side: 20 pixels above the image's edge
    outline, box = family.region(theta, SIZE)
    assert outline.shape == (1, 96, 2)
    assert outline[0, 0].tolist() == [0, 0]
    assert outline[0, 12].tolist() == [20, -20]
    torch.testing.assert_close(outline[0, 6], torch.tensor([10.0, -10.0]))
    assert box.tolist() == [[0, -20, 40, 20]]


@pytest.mark.parametrize(
    "family",
    [st.ThinPlateSpline(), st.BSpline(), st.Velocity(), st.Displacement((4, 4)), st.Structured(torch.sin)],
    ids=str,
)
def test_curved_outlines_go_round_through_the_corners(family):
    theta = family.identity(1, dtype=torch.float64)
    outline, box = family.region(theta, SIZE, per_side=4)
    assert outline[0, ::4].tolist() == CORNERS
    assert outline[0, :5].tolist() == [[0, 0], [10, 0], [20, 0], [30, 0], [40, 0]]
    assert box.tolist() == [[0, 0, 40, 20]]
    theta = testing.random_theta(family, batch=1)
    outline, _ = family.region(theta, SIZE, per_side=2)
    corners = family.points(theta, torch.tensor([[-1.0, -1], [1, -1], [1, 1], [-1, 1]], dtype=torch.float64))
    torch.testing.assert_close(st.pixel_to_normalised(outline[:, ::2] - 0.5, SIZE), corners)


def test_a_volume_has_eight_corners_and_a_box_in_space():
    theta = torch.tensor([[0.5, 0.5, 0.0, -0.5]])
    outline, box = st.Attention(3).region(theta, (8, 20, 40))
    assert box.tolist() == [[20, 5, 0, 40, 15, 4]]
    assert outline[0, :4].tolist() == [[20, 5, 0], [40, 5, 0], [40, 15, 0], [20, 15, 0]]
    assert outline[0, 4:, 2].tolist() == [4, 4, 4, 4]


def test_the_box_in_space_holds_what_bulges_between_the_corners():
    family = st.PiecewiseAffine((2, 3, 3))
    theta = family.identity(1)
    theta.view(1, 2, 3, 3, 3)[0, 0, 1, 1, 2] = -2.0  # z of the middle of the first slice: 4 pixels in front of it
    outline, box = family.region(theta, (8, 20, 40))
    assert outline[0, :, 2].tolist() == [0, 0, 0, 0, 8, 8, 8, 8]
    assert box.tolist() == [[0, 0, -4, 40, 20, 8]]


def test_a_region_without_end_has_everything_in_its_box():
    theta = torch.tensor([[1.0, 0, 0, 0, 1, 0, 2, 0], [1.0, 0, 0, 0, 1, 0, 0, 0]])  # the horizon at x = -1/2, and none
    _, box = st.Projective().region(theta, SIZE)
    assert (box[0, :2] < -1e6).all()
    assert (box[0, 2:] > 1e6).all()
    assert box[1].tolist() == [0, 0, 40, 20]


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=str)
def test_every_family_has_regions_of_no_one_and_of_many_with_gradients(family, dtype):
    size = (7, 5, 3)[-family.dims :]
    theta = testing.random_theta(family, dtype=dtype).requires_grad_()
    outline, box = family.region(theta, size, per_side=2)
    assert outline.shape == (2, 8, family.dims)
    assert box.shape == (2, 2 * family.dims)
    assert outline.dtype == box.dtype == dtype
    (slope,) = torch.autograd.grad(box.sum() + outline.sum(), theta)
    assert slope.isfinite().all()
    assert family.region(theta[:0], size, per_side=2).box.shape == (0, 2 * family.dims)
    assert family.region(theta.detach().to("meta"), size, per_side=2).box.shape == box.shape
    assert family.region(theta.detach() * torch.nan, size, per_side=2).box.isnan().all()
