"""PyTorch's own functions as the oracle: values, both gradients, warnings, errors, and what is out of the ordinary."""

import itertools
import threading
import warnings

import pytest
import torch
import torch.nn.functional as F

import spatial_transformer as st
from spatial_transformer import backends, compat, testing
from spatial_transformer.compat import operators, speed
from spatial_transformer.ops.resample import reference

SIZES = {2: ((31, 7), (9, 28)), 3: ((5, 4, 31), (3, 7, 4))}


@pytest.fixture
def any_size(monkeypatch):
    """Ours are called for small images as well, which tests are made of."""
    monkeypatch.setattr(speed, "FEWEST_VALUES", dict.fromkeys(speed.FEWEST_VALUES, 0))
    monkeypatch.setattr(speed, "FEWEST_POINTS_OF_A_GRID", 0)


@pytest.fixture
def calls(monkeypatch):
    """How often the kernels have been called, and not PyTorch."""
    counted, pull, matmul = [], operators.operators.pull, torch.baddbmm
    monkeypatch.setattr(operators.operators, "pull", lambda *a, **b: counted.append("sample") or pull(*a, **b))
    monkeypatch.setattr(torch, "baddbmm", lambda *a, **b: counted.append("grid") or matmul(*a, **b))
    return counted


def thetas(dims, dtype, kind, size):
    """(2, D, D+1): with the identity, whole pixels and halves samples lie where cells meet, and gradients jump."""
    theta = torch.eye(dims, dims + 1, dtype=dtype).repeat(2, 1, 1)
    if kind == "a shift by a pixel":
        theta[:, :, -1] = 2 / torch.tensor(size[::-1], dtype=dtype)
    if kind == "anything":
        spread = testing.random_theta(st.Affine(dims), spread=0.3).unflatten(1, (dims, dims + 1))
        theta = spread.to(dtype)
    return theta


def warp(affine_grid, grid_sample, image, theta, target, align_corners, **how):
    grid = affine_grid(theta, (*image.shape[:2], *target), align_corners)
    return grid_sample(image, grid, align_corners=align_corners, **how)


def result(functions, image, theta, *rest, **how):
    """Value and both gradients."""
    image, theta = image.clone().requires_grad_(), theta.clone().requires_grad_()
    value = warp(*functions, image, theta, *rest, **how)
    cotangent = testing.random_image(
        tuple(value.shape[2:]), batch=2, channels=value.shape[1], dtype=image.dtype, seed=9
    )
    return value, *torch.autograd.grad(value, (image, theta), cotangent)


OURS, THEIRS = (compat.torch.affine_grid, compat.torch.grid_sample), (F.affine_grid, F.grid_sample)


def same(actual, expected, dtype):
    for one, other in zip(actual, expected, strict=True):
        scale = max(1.0, float(other.detach().abs().max()))  # gradients are sums, over up to thousands of points
        torch.testing.assert_close(one, other, rtol=0, atol=16 * testing.TOLERANCES[dtype] * scale)


@pytest.mark.pairwise
@pytest.mark.parametrize("align_corners", [False, True])
@pytest.mark.parametrize("padding", ["zeros", "border", "reflection"])
@pytest.mark.parametrize("mode", ["bilinear", "nearest", "bicubic"])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("channels", [1, 9])
@pytest.mark.parametrize("kind", ["the identity", "a shift by a pixel", "twice as large", "anything"])
def test_values_and_gradients(dims, align_corners, padding, mode, dtype, channels, kind, any_size):
    if (dims, mode) == (3, "bicubic"):
        mode = "bilinear"
    source, other = SIZES[dims]
    target = {"twice as large": tuple(2 * n for n in source), "anything": other}.get(kind, source)
    arguments = (
        testing.random_image(source, channels=channels, dtype=dtype),
        thetas(dims, dtype, kind, source),
        target,
        align_corners,
    )
    how = {"mode": mode, "padding_mode": padding}
    same(result(OURS, *arguments, **how), result(THEIRS, *arguments, **how), dtype)


@pytest.mark.parametrize(("padding", "steps"), [("zeros", [1, 3, 5, -9]), ("border", [0, 3, 5, 0])])
def test_a_sample_where_cells_meet_has_the_gradient_of_the_cell_that_pytorch_takes(padding, steps, any_size, calls):
    """By hand: on a pixel it is the step to the right, and nothing at a border that positions are clipped to."""
    image = torch.tensor([[[[0.0, 1.0, 4.0, 9.0]]]])
    grid = torch.tensor([-0.75, -0.25, 0.25, 0.75]).view(1, 1, 4, 1) * torch.tensor([1.0, 0.0])
    grid.requires_grad_()
    compat.torch.grid_sample(image, grid, padding_mode=padding, align_corners=False).sum().backward()
    assert grid.grad[0, 0, :, 0].tolist() == [2 * step for step in steps]  # 2 pixels for 1 of the grid
    assert calls == ["sample"]


@pytest.mark.parametrize("align_corners", [False, True])
@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf"), 1e30, -3e9])
def test_points_that_are_nowhere(dims, value, align_corners, any_size):
    image = testing.random_image((5, 4, 3)[:dims])
    grid = testing.random_points(dims, 2, 6, dtype=torch.float32).view(2, 6, *(1,) * (dims - 1), dims).clone()
    grid[0, 1, ..., 0] = value
    options = {"padding_mode": "zeros", "align_corners": align_corners}
    ours, theirs = compat.torch.grid_sample(image, grid, **options), F.grid_sample(image, grid, **options)
    torch.testing.assert_close(ours, theirs, equal_nan=True, rtol=0, atol=1e-6)


@pytest.mark.parametrize("mode", ["bilinear", "bicubic"])
def test_the_readable_twin(dims, mode):
    """Of the kernels for PyTorch's conventions, off the places where cells meet: it does not fuse sums."""
    if (dims, mode) == (3, "bicubic"):
        mode = "nearest"
    image = testing.random_image(SIZES[dims][0], dtype=torch.float64)
    points = testing.random_points(dims, 2, 50, seed=3) * 1.3  # (2, 50, D)
    for padding, align_corners in itertools.product(("zeros", "border"), (False, True)):
        number = ("bilinear", "nearest", "bicubic").index(mode)
        how = operators._how(dims, number, operators.PADDINGS.index(padding), align_corners)
        grid = points.view(2, 50, *(1,) * (dims - 1), dims)
        expected = F.grid_sample(image, grid, mode, padding, align_corners).flatten(2)
        torch.testing.assert_close(reference.pull(image, points, how), expected, rtol=0, atol=1e-10)


def test_gradients_of_gradients(dims, any_size, calls):
    image = testing.random_image((4, 5, 3)[:dims], batch=1, channels=1, dtype=torch.float64).requires_grad_()
    grid = (testing.random_points(dims, 1, 3) * 0.9).view(1, 3, *(1,) * (dims - 1), dims).requires_grad_()
    torch.autograd.gradgradcheck(lambda i, g: compat.torch.grid_sample(i, g, align_corners=False), (image, grid))
    assert "sample" in calls


# --- what is left to PyTorch ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision(dims, dtype, any_size):
    image = testing.random_image((5, 4, 3)[:dims], dtype=dtype)
    arguments = (image, thetas(dims, dtype, "anything", ()), SIZES[dims][1], False)
    for ours, theirs in zip(result(OURS, *arguments), result(THEIRS, *arguments), strict=True):
        assert ours.dtype == dtype
        assert torch.equal(ours, theirs)


def test_an_autocast_region(any_size):
    image, theta = testing.random_image((9, 8)), thetas(2, torch.float32, "anything", ())
    with torch.autocast("cpu", torch.bfloat16):
        ours, theirs = (warp(*functions, image, theta, (5, 6), False) for functions in (OURS, THEIRS))
    assert ours.dtype == theirs.dtype
    assert torch.equal(ours, theirs)


@pytest.mark.parametrize("shape", [(0, 3, 4, 5), (2, 0, 4, 5), (0, 1, 3, 4, 5)])
def test_empty_batches(shape, any_size):
    image, dims = torch.zeros(shape), len(shape) - 2
    grid = torch.zeros(shape[0], *(2,) * dims, dims)
    assert compat.torch.grid_sample(image, grid, align_corners=False).shape == (*shape[:2], *(2,) * dims)


def test_no_points(any_size):
    assert compat.torch.grid_sample(torch.ones(2, 1, 4, 4), torch.zeros(2, 0, 3, 2), align_corners=False).shape[2:] == (
        0,
        3,
    )


IMAGE, GRID = torch.ones(1, 1, 4, 4), torch.zeros(1, 2, 2, 2)
MISTAKES = {
    "mode": lambda f: f[1](IMAGE, GRID, mode="cubic", align_corners=False),
    "padding": lambda f: f[1](IMAGE, GRID, padding_mode="wrap", align_corners=False),
    "bicubic volume": lambda f: f[1](IMAGE[None], torch.zeros(1, 2, 2, 2, 3), mode="bicubic", align_corners=False),
    "integers": lambda f: f[1](IMAGE.int(), GRID, align_corners=False),
    "complex": lambda f: f[1](IMAGE + 0j, GRID, align_corners=False),
    "two dtypes": lambda f: f[1](IMAGE, GRID.double(), align_corners=False),
    "two devices": lambda f: f[1](IMAGE, GRID.to("meta"), align_corners=False),
    "batches": lambda f: f[1](IMAGE, GRID.expand(2, 2, 2, 2), align_corners=False),
    "dimensions": lambda f: f[1](IMAGE, torch.zeros(1, 2, 2, 3), align_corners=False),
    "no batch": lambda f: f[1](IMAGE[0], GRID, align_corners=False),
    "no pixels": lambda f: f[1](IMAGE[..., :0], GRID, align_corners=False),
    "no tensor": lambda f: f[1](IMAGE.numpy(), GRID, align_corners=False),
    "theta": lambda f: f[0](torch.eye(3)[None], (1, 1, 4, 4), align_corners=False),
    "integer theta": lambda f: f[0](torch.ones(1, 2, 3).int(), (1, 1, 4, 4), align_corners=False),
    "size": lambda f: f[0](torch.eye(2, 3)[None], (1, 4, 4), align_corners=False),
    "no size": lambda f: f[0](torch.eye(2, 3)[None], (1, 1, 0, 4), align_corners=False),
    "batches of thetas": lambda f: f[0](torch.eye(2, 3)[None], (2, 1, 4, 4), align_corners=False),
}


@pytest.mark.parametrize("mistake", MISTAKES.values(), ids=MISTAKES)
def test_mistakes_are_refused_as_pytorch_refuses_them(mistake, any_size):
    with pytest.raises((ValueError, TypeError, RuntimeError, NotImplementedError), match=r".") as theirs:
        mistake(THEIRS)
    with pytest.raises(theirs.type) as ours:
        mistake(OURS)
    assert str(ours.value) == str(theirs.value)


@pytest.mark.parametrize("number", [0, 1], ids=["affine_grid", "grid_sample"])
def test_whoever_leaves_out_align_corners_is_warned_where_they_did(number):
    arguments = [(torch.eye(2, 3)[None], (1, 1, 2, 2)), (IMAGE, GRID)][number]
    heard = []
    for functions in (OURS, THEIRS):
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            value = functions[number](*arguments)
        assert torch.equal(value, functions[number](*arguments, align_corners=False))
        heard.append([(str(one.message), one.category, one.filename) for one in caught])
    assert heard[0] == heard[1]
    assert len(heard[0]) == 1


def test_one_pixel_along_an_axis(any_size):
    for align_corners in (False, True):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # PyTorch's, that nobody means this
            arguments = (testing.random_image((1, 6)), thetas(2, torch.float32, "anything", ()), (1, 5), align_corners)
            same(result(OURS, *arguments), result(THEIRS, *arguments), torch.float32)


def test_strides(any_size):
    image = testing.random_image((12, 10))
    grid = F.affine_grid(torch.eye(2, 3).expand(2, 2, 3), (2, 3, 6, 5), align_corners=False)
    for turned in (
        image.mT,
        image[:, :, ::2],
        image.contiguous(memory_format=torch.channels_last),
        image[:1].expand(2, -1, -1, -1),
    ):
        for points in (grid, grid[:1].expand(2, -1, -1, -1), grid.movedim(-1, 1).contiguous().movedim(1, -1)):
            ours = compat.torch.grid_sample(turned, points, align_corners=False)
            theirs = F.grid_sample(turned, points, align_corners=False)
            assert ours.stride() == theirs.stride()
            torch.testing.assert_close(ours, theirs, rtol=0, atol=1e-6)


@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning", "ignore::torch.jit.TracerWarning")
def test_whoever_looks_on_sees_pytorch(any_size):
    image, theta = testing.random_image((6, 5)), torch.eye(2, 3).expand(2, 2, 3)

    def turned(image):
        grid = F.affine_grid(theta[: len(image)], image.shape, align_corners=False)
        return F.grid_sample(image, grid, align_corners=False)

    class Module(torch.nn.Module):
        def forward(self, image):
            return turned(image)

    with compat.accelerate():
        torch.testing.assert_close(torch.vmap(lambda one: turned(one[None])[0])(image), image)
        torch.testing.assert_close(torch.jit.trace(turned, image)(image), image)
        program = torch.export.export(Module(), (image,))
        compiled = torch.compile(turned, backend="eager", fullgraph=True)(image)
    torch.testing.assert_close(compiled, image)
    operators_of = {str(node.target) for node in program.graph.nodes}
    assert not any("spatial_transformer" in name for name in operators_of)
    torch.testing.assert_close(program.module()(image), image)


def test_another_backend_is_respected(any_size, calls):
    with backends.use("reference"):
        compat.torch.grid_sample(IMAGE, GRID, align_corners=False)
    assert not calls


# --- accelerate -------------------------------------------------------------------------------------------------------

grid_sample_from_before = F.grid_sample


def imported_before():
    return grid_sample_from_before(IMAGE, GRID, align_corners=False)


def test_a_block_reaches_names_that_were_imported_before(any_size, calls):
    with compat.accelerate():
        imported_before()
        F.affine_grid(torch.eye(2, 3)[None], (1, 1, 2, 2), align_corners=False)
    assert calls == ["sample", "grid"]
    imported_before()
    assert calls == ["sample", "grid"]


def test_a_block_is_left_as_it_was_entered(any_size, calls):
    before = torch.grid_sampler, torch.affine_grid_generator
    with pytest.raises(ZeroDivisionError), compat.accelerate(), compat.accelerate():
        raise ZeroDivisionError
    assert (torch.grid_sampler, torch.affine_grid_generator) == before
    with compat.accelerate():
        with compat.accelerate():
            imported_before()
        imported_before()
    assert calls == ["sample", "sample"]
    assert (torch.grid_sampler, torch.affine_grid_generator) == before


def test_a_block_is_of_its_thread(any_size, calls):
    inside, leave = threading.Event(), threading.Event()

    def other():
        with compat.accelerate():
            inside.set()
            leave.wait(10)
            imported_before()

    thread = threading.Thread(target=other)
    thread.start()
    assert inside.wait(10)
    imported_before()
    assert not calls
    with compat.accelerate():
        imported_before()
    assert calls == ["sample"]
    leave.set()
    thread.join(10)
    assert calls == ["sample", "sample"]
    assert not hasattr(torch.grid_sampler, "__wrapped__")


def test_a_block_for_each_call(any_size, calls):
    compat.accelerate()(imported_before)()
    assert calls == ["sample"]


def test_small_calls_are_left_to_pytorch(calls):
    compat.torch.grid_sample(IMAGE, GRID, align_corners=False)
    compat.torch.affine_grid(torch.eye(2, 3)[None], (1, 1, 2, 2), align_corners=False)
    assert not calls
    compat.torch.affine_grid(torch.eye(2, 3)[None], (1, 1, 128, 128), align_corners=False)
    compat.torch.grid_sample(torch.ones(1, 1, 4, 4, 4), torch.zeros(1, 40, 40, 40, 3), align_corners=False)
    assert calls == ["grid", "sample"]
