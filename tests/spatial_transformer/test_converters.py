"""Matrices of other software: what the converters do, whatever the software. It itself is asked in oracles/."""

from functools import partial

import pytest
import torch

import spatial_transformer as st
from spatial_transformer import converters, testing

ATOL = testing.TOLERANCES[torch.float64]
SIZES = {2: ((17, 11), (13, 19)), 3: ((7, 9, 6), (8, 5, 10))}
GEOMETRIES = {
    2: (
        converters.ImageGeometry((17, 11), (0.7, 1.5), (3.0, -2.0), (0.6, -0.8, 0.8, 0.6)),
        converters.ImageGeometry((13, 19), (1.1, 0.4), (-1.0, 4.0)),
    ),
    3: (
        converters.ImageGeometry((7, 9, 6), (0.7, 1.5, 2.0), (3.0, -2.0, 1.0), (0, 1, 0, -0.6, 0, 0.8, 0.8, 0, 0.6)),
        converters.ImageGeometry((8, 5, 10), (1.1, 0.4, 0.9), (-1.0, 4.0, 0.5)),
    ),
}


def pair(name, affine, dims, **options):
    to, back = (getattr(converters, f"{way}_{name}") for way in ("to", "from"))
    return pytest.param(partial(to, **options), partial(back, **options), affine, id=f"{name}{options or ''}"), dims


PAIRS = [
    pair("pixel_matrix", False, (2, 3)),
    pair("opencv", False, (2,)),
    pair("skimage", False, (2,)),
    pair("scipy", True, (2, 3)),
    pair("torch", True, (2, 3), align_corners=False),
    pair("torch", True, (2, 3), align_corners=True),
    pair("kornia", False, (2, 3)),
    pair("kornia_homography", False, (2,), align_corners=False),
    pair("kornia_homography", False, (2, 3), align_corners=True),
    pair("simpleitk", True, (2, 3)),
]
CASES = [pytest.param(*case.values, d, id=f"{case.id}-{d}D") for case, dims in PAIRS for d in dims]


def matrices(dims, *, affine, **options):
    family = st.Affine(dims) if affine else st.Projective(dims)
    return family.matrix(testing.random_theta(family, spread=0.2, **options))


def places(to, dims):
    """The two last arguments: sizes for all converters but SimpleITK's."""
    return GEOMETRIES[dims] if to.func is converters.to_simpleitk else SIZES[dims]


def close(actual, expected):
    torch.testing.assert_close(actual, expected, rtol=0, atol=ATOL)


@pytest.mark.parametrize(("to", "back", "affine", "dims"), CASES)
def test_there_and_back_is_where_it_started(to, back, affine, dims):
    matrix = matrices(dims, affine=affine)
    there = to(matrix, *places(to, dims))
    assert there.shape == (2, dims + 1, dims + 1)
    again = back(there, *places(to, dims))
    close(again / again[:, -1:, -1:], matrix)
    again = to(back(matrix, *places(to, dims)), *places(to, dims))
    close(again / again[:, -1:, -1:], matrix)


@pytest.mark.parametrize(("to", "back", "affine", "dims"), CASES)
def test_converters_are_differentiable(to, back, affine, dims):
    matrix = matrices(dims, affine=True, batch=1)[:, :-1].requires_grad_()
    for convert in (to, back):
        assert torch.autograd.gradcheck(lambda m, by=convert: by(m, *places(to, dims)), matrix)


@pytest.mark.parametrize(("to", "back", "affine", "dims"), CASES)
def test_dtype_stays_and_a_matrix_without_last_row_is_completed(to, back, affine, dims):
    matrix = matrices(dims, affine=True, dtype=torch.float32)
    for convert in (to, back):
        converted = convert(matrix, *places(to, dims))
        assert converted.dtype == torch.float32
        assert torch.equal(convert(matrix[:, :-1], *places(to, dims)), converted)


@pytest.mark.parametrize(("to", "back", "affine", "dims"), CASES)
def test_an_empty_batch_stays_empty(to, back, affine, dims):
    nothing = torch.zeros(0, dims + 1, dims + 1)
    for convert in (to, back):
        assert convert(nothing, *places(to, dims)).shape == nothing.shape


@pytest.mark.parametrize(("to", "back", "affine", "dims"), CASES)
def test_autocast_does_not_touch_coordinates(to, back, affine, dims):
    matrix = matrices(dims, affine=True, dtype=torch.float32)
    for convert in (to, back):
        expected = convert(matrix, *places(to, dims))
        with torch.autocast("cpu", dtype=torch.bfloat16):
            assert torch.equal(convert(matrix, *places(to, dims)), expected)


@pytest.mark.parametrize("projective", [False, True])
def test_a_pixel_matrix_takes_pixels_where_the_family_takes_points(dims, projective):
    family = st.Projective(dims) if projective else st.Affine(dims)
    theta = testing.random_theta(family, spread=0.2)
    source, target = SIZES[dims]
    pixels = 6 * testing.random_points(dims, 2, 5)
    homogeneous = torch.cat([pixels, torch.ones_like(pixels[..., :1])], dim=-1)  # (2, 5, D+1)
    mapped = homogeneous @ converters.to_pixel_matrix(family.matrix(theta), source, target).mT
    expected = family.points(theta, st.pixel_to_normalised(pixels, target))
    close(mapped[..., :-1] / mapped[..., -1:], st.normalised_to_pixel(expected, source))


@pytest.mark.parametrize("length", [1, 2, 3, 49, 64, 1023])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=str)
def test_the_identity_between_equal_sizes_is_exact(length, dtype):
    # A position a rounding error outside of the image reads as the fill value in software that does not blend there.
    eye, size = torch.eye(3, dtype=dtype)[None], (length, 7)
    for convert in (converters.to_pixel_matrix, converters.from_pixel_matrix, converters.to_scipy):
        assert torch.equal(convert(eye, size, size), eye)


def test_scipy_has_rows_first():
    shift = torch.tensor([[[1.0, 0.0, 0.5], [0.0, 1.0, 0.0]]])  # a quarter of the width
    assert converters.to_scipy(shift, (4, 8), (4, 8))[0].tolist() == [[1, 0, 0], [0, 1, 2], [0, 0, 1]]


def test_opencv_goes_from_source_to_target():
    shift = torch.tensor([[[1.0, 0.0, 0.5], [0.0, 1.0, 0.0]]])
    assert converters.to_opencv(shift, (4, 8), (4, 8))[0].tolist() == [[1, 0, -2], [0, 1, 0], [0, 0, 1]]


def test_a_multiple_of_a_homography_is_the_same_homography():
    matrix = matrices(2, affine=False)
    family = st.Projective()
    once, thrice = (converters.from_opencv(factor * matrix, *SIZES[2]) for factor in (1, 3))
    close(family.from_matrix(thrice), family.from_matrix(once))


def test_a_geometry_is_read_from_an_image():
    class Image:
        GetSize = staticmethod(lambda: (11, 17))
        GetSpacing = staticmethod(lambda: (0.5, 2.0))
        GetOrigin = staticmethod(lambda: (1.0, 3.0))
        GetDirection = staticmethod(lambda: (0.0, 1.0, 1.0, 0.0))

    expected = converters.ImageGeometry((17, 11), (0.5, 2.0), (1.0, 3.0), (0.0, 1.0, 1.0, 0.0))
    assert converters.ImageGeometry.of(Image()) == expected
    assert expected.pixels_to_physical().tolist() == [[0, 2, 1], [0.5, 0, 3], [0, 0, 1]]


def test_with_align_corners_an_axis_of_one_pixel_goes_one_way_only():
    eye = torch.eye(3)[None]
    for name in ("torch", "kornia_homography"):
        to, back = (getattr(converters, f"{way}_{name}") for way in ("to", "from"))
        with pytest.raises(ValueError, match="every entry of `source_size` must be at least 2"):
            to(eye, (1, 5), (4, 4), align_corners=True)
        with pytest.raises(ValueError, match="every entry of `target_size` must be at least 2"):
            back(eye, (4, 4), (1, 5), align_corners=True)
        assert back(eye, (1, 5), (4, 4), align_corners=True).isfinite().all()


@pytest.mark.parametrize(("to", "back", "affine", "dims"), CASES)
def test_wrong_shapes_are_refused(to, back, affine, dims):
    for convert in (to, back):
        with pytest.raises(ValueError, match=r"Pass `matrix\[None\]` for a batch of one"):
            convert(torch.eye(dims + 1), *places(to, dims))
        with pytest.raises(TypeError, match=r"`torch.as_tensor\(matrix\)`"):
            convert(torch.eye(dims + 1).numpy(), *places(to, dims))
        source, target = places(to, dims)[0], places(to, 5 - dims)[1]
        with pytest.raises(ValueError, match="must be"):
            convert(torch.eye(dims + 1)[None], source, target)


@pytest.mark.parametrize("name", ["opencv", "skimage"])
def test_volumes_are_refused_where_the_other_side_has_images_only(name):
    for way in ("to", "from"):
        with pytest.raises(ValueError, match=r"`source_size` must be \(H, W\)"):
            getattr(converters, f"{way}_{name}")(torch.eye(4)[None], *SIZES[3])


def test_volumes_are_refused_where_kornia_mixes_conventions():
    for convert in (converters.to_kornia_homography, converters.from_kornia_homography):
        with pytest.raises(ValueError, match="`align_corners` must be True for volumes"):
            convert(torch.eye(4)[None], *SIZES[3], align_corners=False)


@pytest.mark.parametrize(("to", "back", "affine", "dims"), [case for case in CASES if case.values[2]])
def test_a_homography_is_refused_where_the_other_side_has_affine_maps_only(to, back, affine, dims):
    for convert in (to, back):
        with pytest.raises(ValueError, match="`matrix` must be affine for"):
            convert(matrices(dims, affine=False), *places(to, dims))


@pytest.mark.parametrize("name", ["opencv", "kornia"])
def test_a_matrix_without_inverse_is_refused(name):
    flat = torch.eye(3).repeat(2, 1, 1)
    flat[1, 0, 0] = 0
    for way in ("to", "from"):
        with pytest.raises(ValueError, match="matrix 1 has no inverse"):
            getattr(converters, f"{way}_{name}")(flat, *SIZES[2])


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"spacing": (1.0, 0.0)}, "`spacing` must hold positive numbers"),
        ({"spacing": (1.0,)}, "`spacing` must hold 2 numbers"),
        ({"origin": (0.0, float("nan"))}, "`origin` must hold finite numbers"),
        ({"direction": (1.0, 0.0)}, "`direction` must hold 4 numbers"),
        ({"direction": (1.0, 0.0, 1.0, 0.0)}, "no inverse"),
    ],
)
def test_impossible_geometries_are_refused(options, message):
    with pytest.raises(ValueError, match=message):
        converters.ImageGeometry((4, 4), **options)


def test_a_center_of_another_length_is_refused():
    with pytest.raises(ValueError, match="`center` must hold 2 numbers"):
        converters.to_simpleitk(torch.eye(3)[None], *GEOMETRIES[2], center=(1.0, 2.0, 3.0))
