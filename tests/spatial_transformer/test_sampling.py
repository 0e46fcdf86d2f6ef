"""Reading an image at points: what every mode and padding have in common."""

import pytest
import torch
import torch.nn.functional as F

import spatial_transformer as st
from spatial_transformer import testing

SIZES = {2: (5, 4), 3: (5, 4, 3)}
ATOL = testing.TOLERANCES[torch.float64]
NAN, INF = float("nan"), float("inf")


def close(actual, expected):
    torch.testing.assert_close(actual, expected, rtol=0, atol=ATOL)


@pytest.mark.parametrize("padding", ["zeros", "border", "reflection"])
@pytest.mark.parametrize("mode", testing.MODES)
def test_a_grid_of_points_gives_the_image_that_torch_gives(mode, padding):
    image = testing.random_image((9, 7), dtype=torch.float64)
    points = testing.random_points(2, 2, 13, 10, spread=2)
    expected = F.grid_sample(image, points, mode=mode, padding_mode=padding, align_corners=False)
    close(st.sample(image, points, mode=mode, padding=padding), expected)


@pytest.mark.pairwise
def test_points_of_any_rank(dims, mode, padding):
    image, points = (
        testing.random_image(SIZES[dims], channels=1, dtype=torch.float64),
        testing.random_points(dims, 2, 6, spread=1.5),
    )
    rows = st.sample(image, points, mode=mode, padding=padding)
    assert rows.shape == (2, 1, 6)
    for shape in ((6, 1), (2, 3), (1, 3, 2), (3, 1, 2, 1)):
        again = st.sample(image, points.unflatten(1, shape), mode=mode, padding=padding)
        assert again.shape == (2, 1, *shape)
        assert torch.equal(again.flatten(2), rows)
    assert torch.equal(st.sample(image, points[:, 0], mode=mode, padding=padding), rows[..., 0])  # (N, D): (N, C)
    assert st.sample(image, points[:, :0], mode=mode, padding=padding).shape == (2, 1, 0)


@pytest.mark.pairwise
def test_one_image_is_read_at_many_sets_of_points_and_the_other_way_round(dims, mode, padding):
    images, points = (
        testing.random_image(SIZES[dims], channels=1, batch=3),
        testing.random_points(dims, 3, 6, dtype=torch.float32),
    )
    options = {"mode": mode, "padding": padding}
    one_image = st.sample(images[:1], points, **options)
    assert torch.equal(one_image, st.sample(images[:1].expand_as(images), points, **options))
    one_set = st.sample(images, points[:1], **options)
    assert torch.equal(one_set, st.sample(images, points[:1].expand_as(points), **options))
    for n in range(3):
        assert torch.equal(one_image[n : n + 1], st.sample(images[:1], points[n : n + 1], **options))
        assert torch.equal(one_set[n : n + 1], st.sample(images[n : n + 1], points[:1], **options))


@pytest.mark.pairwise
def test_an_empty_batch_gives_an_empty_result(dims, mode, padding):
    nothing = testing.random_image(SIZES[dims], channels=1, batch=0).requires_grad_()
    points = testing.random_points(dims, 1, 6, dtype=torch.float32).requires_grad_()
    for at in (points, points[:0]):
        read = st.sample(nothing, at, mode=mode, padding=padding)
        assert read.shape == (0, 1, 6)
        read.sum().backward()
    assert (points.grad == 0).all()
    one = testing.random_image(SIZES[dims], batch=1, channels=1)
    assert st.sample(one, points[:0], mode=mode, padding=padding).shape == (0, 1, 6)


def test_no_channels_give_no_channels():
    assert st.sample(torch.rand(2, 0, 4, 3), torch.zeros(2, 5, 2)).shape == (2, 0, 5)


def unusual_points(dims, values, dtype):
    """Each value as each coordinate, the others being 0.1; then as all coordinates."""
    rows = [[value if axis == d else 0.1 for axis in range(dims)] for value in values for d in range(dims)]
    return torch.tensor([rows + [[value] * dims for value in values]], dtype=dtype)


@pytest.mark.pairwise
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=str)
def test_nan_reads_as_the_fill_value_whatever_the_padding(dims, mode, padding, dtype):
    image = testing.random_image(SIZES[dims], channels=1, dtype=dtype).add(1).requires_grad_()
    points = unusual_points(dims, [NAN], dtype).requires_grad_()
    read = st.sample(image, points, mode=mode, padding=padding)
    assert (read == (0.0 if isinstance(padding, str) else padding)).all()
    for gradient in torch.autograd.grad(read.sum(), (image, points)):
        assert (gradient == 0).all()


@pytest.mark.pairwise
def test_nan_does_not_spread_to_other_points(dims, mode, padding):
    image = testing.random_image(SIZES[dims], channels=1, dtype=torch.float64)
    points = testing.random_points(dims, 2, 6)
    expected = st.sample(image, points, mode=mode, padding=padding)
    points[:, 2, 0] = NAN
    read = st.sample(image, points.requires_grad_(), mode=mode, padding=padding)
    kept = [0, 1, 3, 4, 5]
    assert torch.equal(read[..., kept], expected[..., kept])
    (gradient,) = torch.autograd.grad(read.sum(), points)
    assert gradient.isfinite().all()


@pytest.mark.pairwise
@pytest.mark.parametrize("padding", ["zeros", 0.5], ids=str)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=str)
def test_infinite_and_huge_coordinates_are_outside(dims, mode, padding, dtype):
    image = testing.random_image(SIZES[dims], channels=1, dtype=dtype).add(1)
    points = unusual_points(
        dims, [INF, -INF, 1e30, -1e30, 1e9, -1e9, torch.finfo(dtype).max, torch.finfo(dtype).min], dtype
    )
    read = st.sample(image, points, mode=mode, padding=padding)
    fill = torch.full_like(read, 0.0 if padding == "zeros" else padding)
    torch.testing.assert_close(read, fill, rtol=0, atol=testing.TOLERANCES[dtype])


@pytest.mark.pairwise
@pytest.mark.parametrize("padding", ["border", "reflection", "wrap"])
def test_infinite_and_huge_coordinates_read_some_pixel_when_the_image_goes_on_for_ever(dims, mode, padding):
    image = testing.random_image(SIZES[dims], channels=1, dtype=torch.float64).add(1)
    read = st.sample(image, unusual_points(dims, [INF, -INF, 1e30, -1e300], torch.float64), mode=mode, padding=padding)
    assert read.isfinite().all()
    corners = st.sample(
        image, torch.tensor([[[INF] * dims, [-INF] * dims]], dtype=torch.float64), mode=mode, padding="border"
    )
    close(corners[..., 0], image.flatten(2)[..., -1])
    close(corners[..., 1], image.flatten(2)[..., 0])


@pytest.mark.pairwise
def test_infinite_and_huge_coordinates_give_no_nan_gradient(dims, mode, padding):
    image = testing.random_image(SIZES[dims], channels=1).requires_grad_()
    points = unusual_points(dims, [INF, -INF, 1e30, -1e30], torch.float32).requires_grad_()
    read = st.sample(image, points, mode=mode, padding=padding)
    to_image, to_points = torch.autograd.grad(read.sum(), (image, points))
    assert to_image.isfinite().all()
    assert to_points.isfinite().all()


@pytest.mark.pairwise
@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16], ids=str)
def test_half_precision_images_are_read_in_float32_and_rounded_once(dims, mode, padding, dtype):
    image = testing.random_image(SIZES[dims], channels=1, dtype=dtype)
    points = testing.random_points(dims, 2, 40, spread=1.5, dtype=torch.float32)
    read = st.sample(image, points, mode=mode, padding=padding)
    assert read.dtype == dtype
    assert torch.equal(read, st.sample(image.float(), points, mode=mode, padding=padding).to(dtype))


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16], ids=str)
def test_half_precision_images_give_full_precision_gradients_to_points(dims, dtype):
    image = testing.random_image(SIZES[dims], channels=1, dtype=dtype).requires_grad_()
    points = testing.random_points(dims, 2, 40, dtype=torch.float32).requires_grad_()
    to_image, to_points = torch.autograd.grad(st.sample(image, points).sum(), (image, points))
    in_full = image.detach().float().requires_grad_()
    expected = torch.autograd.grad(st.sample(in_full, points).sum(), (in_full, points))
    assert to_image.dtype == dtype
    torch.testing.assert_close(to_image, expected[0].to(dtype))
    torch.testing.assert_close(to_points, expected[1])


def test_the_dtype_of_the_result_is_that_of_the_image():
    for image_dtype in (torch.float32, torch.float64):
        for points_dtype in (torch.float32, torch.float64):
            image, points = (
                testing.random_image((4, 3), channels=1, dtype=image_dtype),
                testing.random_points(2, 2, 5, dtype=points_dtype),
            )
            assert st.sample(image, points).dtype == image_dtype


@pytest.mark.pairwise
def test_a_double_precision_image_is_read_in_double_precision(dims, mode, padding):
    image = testing.random_image(SIZES[dims], channels=1, dtype=torch.float64)
    points = testing.random_points(dims, 2, 20, spread=1.5, dtype=torch.float32)
    expected = st.sample(image, points.double(), mode=mode, padding=padding)
    close(st.sample(image, points, mode=mode, padding=padding), expected)


LABELS = [torch.bool, torch.uint8, torch.int8, torch.int16, torch.int32, torch.int64]


@pytest.mark.pairwise
@pytest.mark.parametrize("fill", [1, 1.0, "border", "zeros", "wrap"], ids=repr)
@pytest.mark.parametrize("dtype", LABELS, ids=str)
def test_label_images_are_copied_exactly(dims, dtype, fill):
    largest = 1 if dtype == torch.bool else torch.iinfo(dtype).max
    labels = torch.full((1, 1, *SIZES[dims]), largest, dtype=dtype)
    labels[0, 0, 0] = 0
    points = st.target_points(SIZES[dims])
    read = st.sample(labels, torch.cat([points, points + 4], dim=-2), mode="nearest", padding=fill)
    assert read.dtype == dtype
    assert torch.equal(read[..., : SIZES[dims][-1]], labels)
    if not isinstance(fill, str):
        assert (read[..., SIZES[dims][-1] :] == 1).all()


def test_labels_above_two_to_the_24_do_not_pass_through_float32():
    labels = torch.tensor([[[[2**24 + 1, 2**40 + 1, 2**53 + 1, 2**62 + 1]]]])
    assert torch.equal(st.sample(labels, st.target_points((1, 4)), mode="nearest"), labels)
    assert torch.equal(st.sample(labels, st.target_points((1, 4)), mode="nearest", padding=7.0), labels)
    far = torch.full((1, 1, 2), 9.0)
    assert st.sample(labels, far, mode="nearest", padding=2**40 + 1).item() == 2**40 + 1


@pytest.mark.pairwise
@pytest.mark.parametrize(
    ("dims", "memory_format"), [(2, torch.channels_last), (3, torch.channels_last_3d)], ids=["2D", "3D"]
)
def test_memory_format_in_is_memory_format_out(dims, memory_format, mode, padding):
    image = testing.random_image(SIZES[dims], channels=2, dtype=torch.float64)
    points = testing.random_points(dims, 2, *(6, 3, 2)[-dims:])
    plain = st.sample(image, points, mode=mode, padding=padding)
    last = st.sample(image.contiguous(memory_format=memory_format), points, mode=mode, padding=padding)
    assert plain.is_contiguous()
    assert last.is_contiguous(memory_format=memory_format)
    assert not last.is_contiguous()
    close(last, plain)


def test_an_image_of_one_pixel_counts_as_plain_memory():
    # Its strides fit both formats.
    assert st.sample(torch.rand(2, 3, 1, 1), torch.zeros(2, 4, 5, 2)).is_contiguous()


@pytest.mark.pairwise
def test_transposed_and_sliced_memory_gives_the_same(dims, mode, padding):
    image = testing.random_image(SIZES[dims], channels=2, dtype=torch.float64)
    points = testing.random_points(dims, 2, 6)
    expected = st.sample(image, points, mode=mode, padding=padding)
    transposed = image.transpose(0, -1).contiguous().transpose(0, -1)
    with_nan_between = torch.stack([image, torch.full_like(image, NAN)], dim=-1)[..., 0]
    scattered = points.transpose(0, -1).contiguous().transpose(0, -1)
    for other in (transposed, with_nan_between):
        assert not other.is_contiguous()
        close(st.sample(other, scattered, mode=mode, padding=padding), expected)


def test_the_arguments_are_not_changed(mode, padding):
    image, points = (
        testing.random_image((4, 3), channels=1),
        testing.random_points(2, 2, 6, spread=2, dtype=torch.float32),
    )
    before = image.clone(), points.clone()
    st.sample(image, points, mode=mode, padding=padding)
    assert torch.equal(image, before[0])
    assert torch.equal(points, before[1])


def test_autocast_does_not_touch_the_sampler(mode):
    image, points = testing.random_image((9, 7), channels=1), testing.random_points(2, 2, 6, dtype=torch.float32)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        read = st.sample(image, points, mode=mode)
    assert torch.equal(read, st.sample(image, points, mode=mode))


@pytest.mark.parametrize("pixel", [float("nan"), float("inf")])
@pytest.mark.parametrize("channels", [1, 9])
@pytest.mark.parametrize(("mode", "touched"), [("nearest", [3]), ("bilinear", [2, 3]), ("bicubic", [1, 2, 3, 4])])
def test_a_pixel_that_is_no_number_reaches_every_sample_that_touches_it(backend, mode, touched, channels, pixel):
    """Also with a weight of zero, as docs/conventions.md says, from points and from matrices, in both layouts."""
    image = torch.ones(1, channels, 1, 7)
    image[..., 3] = pixel
    family = st.Affine()
    expected = [i in touched for i in range(7)]
    for laid in (image, image.contiguous(memory_format=torch.channels_last)):
        warped = st.warp(laid, family, family.identity(1), mode=mode)
        sampled = st.sample(laid, st.target_points((1, 7)), mode=mode)
        for found in (warped, sampled):
            assert (~found[0, -1, 0].isfinite()).tolist() == expected
