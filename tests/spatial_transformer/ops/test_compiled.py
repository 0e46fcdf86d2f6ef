"""The cache of compiled kernels, and the ways in which samples are blended, against the readable twin."""

import numpy as np
import pytest
import torch

import spatial_transformer as st
from spatial_transformer import testing
from spatial_transformer.kernels import Cubic, Linear
from spatial_transformer.ops.resample import cells, compiled, cpu, operators
from spatial_transformer.ops.resample.how import how_to_read


@pytest.fixture
def compile_into(monkeypatch, nothing_planned):
    """Call the cheapest kernel as a new process would, whose cache is the given folder."""

    def call(cache):
        monkeypatch.setenv(compiled.FOLDER, str(cache))
        monkeypatch.setattr(compiled, "_loaded", {})
        with st.backends.use("cpu"):
            return st.sample(torch.ones(1, 1, 8, 8), torch.zeros(1, 64, 2), mode="nearest").sum().item()

    return call


def test_a_damaged_kernel_is_compiled_again(compile_into, tmp_path):
    assert compile_into(tmp_path) == 64
    (kernel,) = tmp_path.glob("*.kernel")
    whole = kernel.read_bytes()
    for damaged in (whole[:100], b"", whole[:200] + b"\x00" * 50 + whole[250:]):
        kernel.write_bytes(damaged)
        assert compile_into(tmp_path) == 64
        assert kernel.read_bytes() == whole


def test_a_kernel_that_is_kept_is_not_compiled_again(compile_into, tmp_path, monkeypatch):
    assert compile_into(tmp_path) == 64
    monkeypatch.setattr(compiled, "_compile", None)
    assert compile_into(tmp_path) == 64


def test_where_nothing_can_be_kept_kernels_are_compiled_for_the_process(compile_into, tmp_path):
    folder = tmp_path / "a file"
    folder.write_text("where a folder should be")
    assert compile_into(folder) == 64
    assert folder.read_text() == "where a folder should be"
    assert list(tmp_path.iterdir()) == [folder]


@pytest.mark.parametrize("family", [st.Affine(), st.Projective(3), st.ThinPlateSpline((2, 2))], ids=str)
@pytest.mark.parametrize(("batch", "channels"), [(0, 1), (0, 9), (2, 0)])
def test_for_nothing_no_kernel_is_compiled(family, batch, channels, monkeypatch, nothing_planned):
    monkeypatch.setattr(compiled, "_loaded", {})
    monkeypatch.setattr(compiled, "_machine_code", None)
    image = testing.random_image((4, 3, 5)[: family.dims], batch=batch, channels=channels).requires_grad_()
    theta = family.identity(batch).requires_grad_()
    with st.backends.use("cpu"):
        warped = st.warp(image, family, theta)
        gradients = torch.autograd.grad(warped.sum(), (image, theta), create_graph=True)
        assert st.sample(torch.rand(2, 1, 4, 3), torch.zeros(2, 0, 2)).shape == (2, 1, 0)
    assert warped.shape == image.shape
    assert all(not gradient.count_nonzero() for gradient in gradients)


# Channels and sizes for planes, packed blocks of 8 and of 16 channels that overlap, and rows of less than a group.
SHAPES = [(2, 17, 21), (9, 17, 21), (35, 6, 7), (16, 20, 40), (20, 1, 40), (9, 1, 1), (2, 9, 8, 17), (19, 5, 6, 17)]


def in_layout(image, layout):
    if layout == "channels_last":
        return image.contiguous(memory_format=torch.channels_last if image.ndim == 4 else torch.channels_last_3d)
    return image if layout == "rows" else image.transpose(-1, -2).contiguous().transpose(-1, -2)


@pytest.mark.pairwise
@pytest.mark.parametrize("layout", ["rows", "channels_last", "columns"])
@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_every_way_of_blending_agrees_with_the_reference(shape, layout, padding):
    family = st.Affine(dims=len(shape) - 1)
    image = in_layout(testing.random_image(shape[1:], channels=shape[0], dtype=torch.float64), layout).requires_grad_()
    generator = torch.Generator().manual_seed(0)
    theta = family.identity(len(image), dtype=torch.float64)
    theta = (theta + 0.3 * torch.randn(theta.shape, generator=generator, dtype=torch.float64)).requires_grad_()
    found = []
    for backend in ("reference", "cpu"):
        with st.backends.use(backend):
            output = st.warp(image, family, theta, padding=padding)
        cotangent = torch.arange(output.numel(), dtype=torch.float64).reshape(output.shape).cos()
        found.append((output, *torch.autograd.grad(output, (image, theta), cotangent)))
    for expected, actual in zip(*found, strict=True):
        torch.testing.assert_close(actual, expected, rtol=1e-12, atol=1e-11)


def turned(family, count, angle, dtype, scale=0.9):
    """(N, P) rotations, moved so that no sample lies where the slope jumps."""
    matrix = st.rotation_matrix(torch.full((count,), angle, dtype=dtype))  # (N, 3, 3)
    matrix[:, :2] *= scale
    return family.from_matrix(matrix) + 0.0137


def differences(size, channels, kernel, padding, angle, family, dtype, scale=0.9):
    """The largest differences between backends of outputs and gradients, relative to the largest values."""
    image = testing.random_image(size, channels=channels, dtype=dtype).requires_grad_()
    theta = turned(family, len(image), angle, dtype, scale).requires_grad_()
    found = []
    for backend in ("reference", "cpu"):
        with st.backends.use(backend):
            output = st.warp(image, family, theta, size=(size[0] + 5, size[1] + 9), mode=kernel, padding=padding)
        cotangent = torch.arange(output.numel(), dtype=dtype).reshape(output.shape).cos()
        found.append((output, *torch.autograd.grad(output, (image, theta), cotangent)))
    return [((a - e).abs().max() / e.abs().max()).item() for e, a in zip(*found, strict=True)]


@pytest.mark.pairwise
@pytest.mark.parametrize(("angle", "scale"), [(0.0, 0.9), (0.1, 1.2), (0.25, 0.9), (0.3, 1.4), (0.8, 0.9)])
@pytest.mark.parametrize("size", [(12, 12), (20, 16), (30, 25), (40, 70)], ids=str)
@pytest.mark.parametrize(("kernel", "channels"), [("bilinear", 1), ("bilinear", 2), ("bicubic", 1), ("bicubic", 2)])
def test_samples_from_rows_read_whole_agree_with_the_reference(size, channels, kernel, angle, scale, padding):
    found = differences(size, channels, kernel, padding, angle, st.Affine(), torch.float32, scale)
    assert max(found) < 2e-5


@pytest.fixture(params=["one by one", *["gathered"] * compiled.can("avx512f")])
def gathers(request, monkeypatch, nothing_planned):
    """As on processors that load pixels one by one, or gather them where this one can, whichever it does."""
    monkeypatch.setattr(compiled, "gathers", lambda: request.param == "gathered")


@pytest.mark.pairwise
@pytest.mark.parametrize("angle", [0.0, 0.25])
@pytest.mark.parametrize("size", [(20, 16), (30, 45)], ids=str)
@pytest.mark.parametrize("channels", [1, 2])
@pytest.mark.parametrize("kernel", ["nearest", "bilinear", "bicubic"])
def test_pixels_are_the_same_gathered_or_one_by_one(gathers, size, channels, kernel, angle, padding):
    found = differences(size, channels, kernel, padding, angle, st.Affine(), torch.float32)
    assert max(found[:2] if kernel == "nearest" else found) < 2e-5


@pytest.mark.pairwise
@pytest.mark.parametrize("layout", ["rows", "columns", "channels_last"])
@pytest.mark.parametrize("shape", [(1, 17, 21), (2, 17, 21), (2, 9, 8, 17)], ids=str)
def test_pixels_at_points_are_the_same_gathered_or_one_by_one(gathers, shape, layout, padding):
    dims = len(shape) - 1
    image = in_layout(testing.random_image(shape[1:], channels=shape[0], dtype=torch.float32), layout)
    points = 1.3 * torch.rand(len(image), 75, dims, generator=torch.Generator().manual_seed(0)) * 2 - 1.3
    found = []
    for backend in ("reference", "cpu"):
        leaf = points.clone().requires_grad_()
        with st.backends.use(backend):
            output = st.sample(image, leaf, padding=padding)
        found.append((output, *torch.autograd.grad(output.square().sum(), leaf)))
    for expected, actual in zip(*found, strict=True):
        assert (actual - expected).abs().max() < 2e-5 * expected.abs().max()


@pytest.mark.pairwise
@pytest.mark.parametrize("missing", ["x", "y", "both", "some"])
@pytest.mark.parametrize(
    ("mode", "channels"), [("nearest", 1), ("bilinear", 1), ("bilinear", 2), ("bilinear", 9), ("bicubic", 2)]
)
def test_points_that_are_no_numbers_read_what_is_filled(gathers, mode, channels, missing, padding):
    image = 1 + testing.random_image((13, 32), channels=channels, dtype=torch.float32)
    points = 1.6 * torch.rand(len(image), 54, 2, generator=torch.Generator().manual_seed(0)) - 0.8
    where = {"x": (..., 0), "y": (..., 1), "both": (...,), "some": (slice(None), slice(0, 40, 3), 0)}[missing]
    points[where] = torch.nan
    found = []
    for backend in ("reference", "cpu"):
        leaf, source = points.clone().requires_grad_(), image.clone().requires_grad_()
        with st.backends.use(backend):
            output = st.sample(source, leaf, mode=mode, padding=padding)
        found.append((output, *torch.autograd.grad(output.square().sum(), (source, leaf))))
    for expected, actual in zip(*found, strict=True):
        assert (actual - expected).abs().max() <= 2e-5 * expected.abs().max()


# Where positions come from has nothing to do with how samples are blended: one shape of each kind will do.
@pytest.mark.parametrize(
    ("shape", "layout"),
    [((2, 17, 21), "rows"), ((9, 17, 21), "rows"), ((9, 17, 21), "channels_last"), ((2, 9, 8, 17), "rows")],
    ids=str,
)
def test_points_with_coordinates_apart_are_as_others(shape, layout, padding):
    image = in_layout(testing.random_image(shape[1:], channels=shape[0], dtype=torch.float64), layout).requires_grad_()
    together = testing.random_points(len(shape) - 1, len(image), 50, spread=1.3, dtype=torch.float64)
    apart = together.permute(2, 0, 1).contiguous().permute(1, 2, 0)
    found = []
    for points in (together, apart):
        leaf = points.detach().requires_grad_()
        output = st.sample(image, leaf, padding=padding)
        cotangent = torch.arange(output.numel(), dtype=torch.float64).reshape(output.shape).cos()
        found.append((output, *torch.autograd.grad(output, (image, leaf), cotangent)))
        assert found[-1][-1].stride() == points.stride()
    for expected, actual in zip(*found, strict=True):
        torch.testing.assert_close(actual, expected, rtol=0, atol=1e-12)


# Each combination is compiled: any two of mode, family and channels meet in one.
REGIONS = [
    *(("bilinear", st.Affine(), channels) for channels in (1, 2)),
    *(("bilinear", st.Projective(), channels) for channels in (2, 9)),
    *(("bicubic", st.Affine(), channels) for channels in (2, 9)),
    *(("bicubic", st.Projective(), channels) for channels in (1, 2)),
]


@pytest.mark.pairwise
@pytest.mark.parametrize("angle", [0.0, 0.25, 1.5])
@pytest.mark.parametrize(("mode", "family", "channels"), REGIONS, ids=str)
def test_an_image_in_regions_has_the_gradient_of_the_reference(
    mode, family, channels, angle, padding, monkeypatch, nothing_planned
):
    monkeypatch.setattr(compiled, "near_cache", lambda: 2**14)
    monkeypatch.setattr(cells, "NARROW", 64)
    monkeypatch.setattr(cpu, "COPY", 0)
    image = testing.random_image((150, 180), channels=channels, dtype=torch.float64).requires_grad_()
    theta, target = turned(family, len(image), angle, torch.float64), (155, 189)
    with st.backends.use("reference"):
        output = st.warp(image, family, theta, target, mode=mode, padding=padding)
    cotangent = torch.arange(output.numel(), dtype=torch.float64).reshape(output.shape).cos()
    (expected,) = torch.autograd.grad(output, image, cotangent)
    # `push` alone, since the others are compiled for as long and know no regions.
    how = how_to_read({"bilinear": Linear(), "bicubic": Cubic()}[mode], (padding,) * 2, (0, 0))
    shape = [len(image), *image.shape[2:]]
    with st.backends.use("cpu"):
        actual = operators.push(cotangent, family.rows(theta), how, shape, target=target)
    torch.testing.assert_close(actual, expected, rtol=0, atol=1e-10 * expected.abs().max().item())


@pytest.mark.parametrize("shape", [(1, 46_400, 46_400), (1, 1_300, 1_300, 1_300)], ids=str)
def test_offsets_beyond_32_bits(shape):
    """Only the far corner of the image is ever written or read: the rest is never handed out by the system."""
    try:
        image = torch.from_numpy(np.empty((1, *shape), np.float32))  # that of `torch.empty` is filled in these tests
    except MemoryError:
        pytest.skip("the system does not promise as much memory")
    dims, side = len(shape) - 1, 24
    corner = testing.random_image((side,) * dims, channels=1, dtype=torch.float32)[:1]
    image[(..., *(slice(-side, None),) * dims)] = corner
    family = st.Affine(dims=dims)
    # The window is the corner: its half-width and its middle in the coordinates of the image.
    half, middle = side / shape[-1], 1 - side / shape[-1]
    matrix = torch.eye(dims, dims + 1, dtype=torch.float64) * half
    matrix[:, -1] = middle
    points = family.grid(family.from_matrix(matrix[None].float().double()), (side,) * dims)
    seen = st.sample(image, points.float(), mode="nearest")
    torch.testing.assert_close(seen, corner, rtol=0, atol=0)


def test_kernels_can_be_read(compile_into, tmp_path, monkeypatch):
    monkeypatch.setenv(compiled.DUMP, str(tmp_path / "dump"))
    assert compile_into(tmp_path) == 64
    written = sorted((tmp_path / "dump").iterdir())
    assert [path.name.partition(".")[2] for path in written] == ["ll", "opt.ll", "s"]
    assert all(path.name.startswith("pull_Variant") for path in written)
    assert "define void" in written[0].read_text()
