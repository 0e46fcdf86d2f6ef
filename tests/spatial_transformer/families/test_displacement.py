"""Dense flow: agreement with SciPy, exactness at pixel centres, the way to and from a flow."""

import numpy as np
import pytest
import torch
from scipy.ndimage import map_coordinates

import spatial_transformer as st
from spatial_transformer import testing

ATOL = testing.TOLERANCES[torch.float64]
sizes = pytest.mark.parametrize("size", [(5, 4), (1, 6), (1, 1), (3, 4, 2), (1, 1, 3)], ids=str)


@sizes
def test_points_agree_with_scipy(size):
    family = st.Displacement(size)
    theta, points = testing.random_theta(family, batch=1), testing.random_points(len(size), 50, spread=1.5)
    pixels = st.normalised_to_pixel(points, size).flip(-1).T.numpy()
    moved = (family.points(theta, points)[0] - points).T.numpy()
    for channel, flow in enumerate(family.to_flow(theta)[0].numpy()):
        np.testing.assert_allclose(
            moved[channel], map_coordinates(flow, pixels, order=1, mode="nearest"), rtol=0, atol=ATOL
        )


@sizes
def test_at_pixel_centres_it_is_the_flow(size):
    family = st.Displacement(size)
    flow = testing.random_image(size, channels=len(size), dtype=torch.float64)
    points = st.target_points(size, dtype=torch.float64)
    expected = points + flow.movedim(1, -1)
    torch.testing.assert_close(family.grid(family.from_flow(flow), size), expected, rtol=0, atol=ATOL)


@sizes
def test_to_flow_undoes_from_flow(size):
    family = st.Displacement(size)
    flow = testing.random_image(size, channels=len(size))
    assert torch.equal(family.to_flow(family.from_flow(flow)), flow)


def test_a_warp_by_whole_pixels_copies_them():
    image = testing.random_image((4, 5), channels=1)
    flow = torch.zeros(1, 2, 4, 5)
    flow[:, 0] = 2 / 5  # one pixel to the right, so the picture moves left
    family = st.Displacement((4, 5))
    warped = st.warp(image, family, family.from_flow(flow), padding="border")
    torch.testing.assert_close(warped[..., :-1], image[..., 1:])
    torch.testing.assert_close(warped[..., -1], image[..., -1])


BAD = {
    "no size": (lambda: st.Displacement(8), TypeError, r"`size` must be a tuple .* write \(8, 8\)"),
    "empty size": (lambda: st.Displacement((0, 4)), ValueError, "every entry of `size` must be at least 1"),
    "last channels": (
        lambda: st.Displacement((4, 5)).from_flow(torch.zeros(1, 4, 5, 2)),
        ValueError,
        r"`flow` must have shape \(N, 2, 4, 5\), channels x first; got \(1, 4, 5, 2\). .*`flow.movedim\(-1, 1\)`",
    ),
    "no batch": (
        lambda: st.Displacement((4, 5)).from_flow(torch.zeros(2, 4, 5)),
        ValueError,
        r"got \(2, 4, 5\). Pass `flow\[None\]`",
    ),
    "half precision": (
        lambda: st.Displacement((4, 5)).from_flow(torch.zeros(1, 2, 4, 5).half()),
        TypeError,
        "`flow` must be float32 or float64",
    ),
    "theta of another size": (
        lambda: st.Displacement((4, 5)).to_flow(torch.zeros(1, 30)),
        ValueError,
        r"`theta` must have shape \(N, 40\)",
    ),
}


@pytest.mark.parametrize(("call", "error", "message"), BAD.values(), ids=BAD)
def test_bad_input_is_refused(call, error, message):
    with pytest.raises(error, match=message):
        call()
