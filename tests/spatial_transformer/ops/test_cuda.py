"""The kernels for CUDA against the readable twin: on a GPU where there is one, elsewhere in Triton's interpreter."""

import importlib
import importlib.util
import math
import os
import subprocess
import sys

import pytest
import torch

import spatial_transformer as st
from spatial_transformer import backends, testing
from spatial_transformer.kernels import BSpline, Cubic, Linear, Nearest
from spatial_transformer.ops.resample import operators
from spatial_transformer.ops.resample.how import how_to_read

from .test_mirror import Dodgson

ON_GPU = torch.cuda.is_available()
DEVICE = torch.device("cuda" if ON_GPU else "cpu")
DOUBLE = torch.float64
SIZES = {2: (6, 5), 3: (4, 5, 3)}
SOURCES = ["points", "linear", "projective"]
# Every coordinate that could lead out of a buffer.
EXTREMES = [0.0, -1.0, 1.0, 1.5, -7.3, 1e3, -1e9, 1e30, -1e30, math.inf, -math.inf, math.nan]


def import_interpreted():
    """Triton reads the flag when it is imported, and when a kernel is defined; nobody else is to see it."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TRITON_INTERPRET", "1")
        importlib.import_module("spatial_transformer.ops.resample.cuda")


HAS_TRITON = importlib.util.find_spec("triton") is not None
if HAS_TRITON and not ON_GPU:
    import_interpreted()
pytestmark = [
    pytest.mark.skipif(not HAS_TRITON, reason="triton is not installed"),
    pytest.mark.filterwarnings("ignore:`torch.jit.script` is deprecated"),
]


@pytest.fixture(autouse=True)
def interpreter(monkeypatch):
    if not ON_GPU:
        monkeypatch.setenv("TRITON_INTERPRET", "1")


@pytest.fixture
def deterministic():
    torch.use_deterministic_algorithms(True)
    yield
    torch.use_deterministic_algorithms(False)


def arguments(dims, kernel, source="points", *, rules=None, dtype=DOUBLE, channels=3, count=150):
    """Image, source, how and target of a small call."""
    rules = rules or ("zeros",) * dims
    image, margins = kernel.prepare(testing.random_image(SIZES[dims], channels=channels, dtype=dtype), rules)
    how = how_to_read(kernel, rules, margins)
    image = image.to(DEVICE)
    if source == "points":
        return image, testing.random_points(dims, 2, count, spread=1.3, dtype=dtype).to(DEVICE), how, ()
    family = st.Affine(dims=dims) if source == "linear" else st.Projective(dims=dims)
    theta = testing.random_theta(family, spread=0.15, dtype=dtype)
    return image, family.rows(theta).to(DEVICE), how, {2: (9, 16), 3: (3, 5, 6)}[dims]


def read_on(backend, image, source, kernel, rules, target=(), index=None):
    """What is read, and the gradients of image and source for a cotangent that is not constant."""
    image, source = image.detach().requires_grad_(), source.detach().requires_grad_()
    with backends.use(backend):
        if target:
            resampled = st.ops.resample.resample_grid(image, source, target, kernel=kernel, padding=rules, index=index)
        else:
            resampled = st.ops.resample.resample(image, source, kernel=kernel, padding=rules, index=index)
        weights = torch.arange(resampled.numel(), device=DEVICE).reshape(resampled.shape).cos()
        return resampled, *torch.autograd.grad((resampled * weights).sum(), (image, source))


def assert_same(image, source, kernel, rules, *, atol=1e-10, **options):
    ours = read_on("cuda", image, source, kernel, rules, **options)
    expected = read_on("reference", image, source, kernel, rules, **options)
    for actual, other in zip(ours, expected, strict=True):
        torch.testing.assert_close(actual, other, rtol=atol, atol=atol)


RULES_2D = [("zeros", "zeros"), ("border", "wrap"), (0.5, "reflection"), ("wrap", 0.5)]
CASES = [
    *((2, kernel, rules) for kernel in (Nearest(), Linear()) for rules in RULES_2D),
    *((2, Cubic(), rules) for rules in RULES_2D[1:3]),
    (2, BSpline(2), ("border", "reflection")),  # three taps
    (2, BSpline(3), ("zeros", "zeros")),  # with margins
    (2, BSpline(5), ("wrap", "zeros")),  # more taps than are unrolled
    (3, BSpline(2), ("zeros", "wrap", "border")),
    (3, Nearest(), ("reflection", "zeros", "wrap")),
    (3, Linear(), ("zeros", "border", "reflection")),
    (3, Linear(), ("wrap", 0.5, 0.5)),
]


@pytest.mark.parametrize(("dims", "kernel", "rules"), CASES, ids=str)
def test_points_with_extreme_coordinates(dims, kernel, rules):
    image, points, _, _ = arguments(dims, Linear(), count=100)
    choice = torch.randint(len(EXTREMES), points.shape, generator=torch.Generator().manual_seed(0))
    points[:, 1::2] = torch.tensor(EXTREMES, dtype=DOUBLE)[choice].to(DEVICE)[:, 1::2]
    assert_same(image[:1], points[:1], kernel, rules)


# Where positions come from has nothing to do with the number of taps.
@pytest.mark.parametrize(
    ("source", "dims"), [("linear", 2), ("linear", 3), ("projective", 2), ("projective", 3)], ids=str
)
def test_matrices(source, dims):
    rules = ("border", "zeros", "reflection")[:dims]
    image, matrix, _, target = arguments(dims, Linear(), source)
    assert_same(image, matrix, Linear(), rules, target=target)


@pytest.mark.parametrize(("dims", "kernel"), [(2, Linear()), (2, Cubic(-0.5)), (2, Dodgson()), (3, Linear())], ids=str)
def test_where_cells_meet(dims, kernel):
    rules = ("border", "zeros", 0.5)[:dims]
    size = (4, 3) if dims == 2 else (2, 3, 2)  # so small that the samples are one block of one program
    image, margins = kernel.prepare(testing.random_image(size, batch=1, dtype=DOUBLE).to(DEVICE), rules)
    axes = [torch.arange(-1.0, n + 0.5, 0.5 if dims == 2 else 1.0, dtype=DOUBLE) for n in size[::-1]]
    pixels = torch.stack(torch.meshgrid(*axes, indexing="ij"), dim=-1).flatten(0, -2)[None]
    points = st.pixel_to_normalised(pixels, size).to(DEVICE)
    assert_same(image, points, kernel, rules)
    identity = torch.eye(dims, dims + 1, dtype=DOUBLE, device=DEVICE)[None]
    assert_same(image, identity, kernel, rules, target=size)
    how, direction = how_to_read(kernel, rules, margins), torch.ones_like(points)
    how = how._replace(rounding=torch.finfo(DOUBLE).eps)
    samples = torch.arange(3.0 * points.shape[1], device=DEVICE, dtype=DOUBLE).reshape(1, 3, -1).cos()
    with backends.use("cuda"):
        along = operators.slope(samples, image, points, how, direction=direction)
        change = operators.pull(image, points, how, direction=direction)
    expected = operators._reference_slope(samples, image, points, direction, None, how)
    torch.testing.assert_close(along, expected, rtol=1e-10, atol=1e-10)
    torch.testing.assert_close(
        change, operators._reference_pull(image, points, direction, None, how), rtol=1e-10, atol=1e-10
    )


@pytest.mark.parametrize("dtype", [torch.float16, torch.float32, DOUBLE], ids=str)
def test_the_nearest_pixel_is_that_of_whole_numbers(dtype):
    for family in (st.Affine(), st.ThinPlateSpline((2, 2))):
        for length, to in ((42, 21), (126, 63), (6, 9)):
            image = (torch.arange(length) % 97).reshape(1, 1, 1, -1).to(DEVICE, dtype)
            with backends.use("cuda"):
                read = st.warp(image, family.to(DEVICE), family.identity(1).to(DEVICE), (1, to), mode="nearest")
            assert torch.equal(read, image[..., (2 * torch.arange(to) + 1) * length // (2 * to)])


def test_what_lies_behind_the_horizon_is_far_outside():
    matrix = torch.tensor([[[1, 0, 0], [0, 1, 0], [3, 0, 1]]] * 2, dtype=DOUBLE, device=DEVICE)
    image = testing.random_image((6, 5), dtype=DOUBLE).to(DEVICE)
    for rules in (("zeros", "zeros"), ("border", "border")):
        assert_same(image, matrix, Linear(), rules, target=(4, 7))


@pytest.mark.parametrize("source", SOURCES)
def test_float32(source):
    image, where, _, target = arguments(2, Linear(), source, dtype=torch.float32)
    assert_same(image, where, Linear(), ("zeros", "zeros"), target=target, atol=2e-5)


def test_an_index_chooses_the_image_of_each_set_of_points():
    image, points, _, _ = arguments(2, Linear(), count=20)
    index = torch.tensor([1, 0, 1, 1], device=DEVICE)
    assert_same(image, points[[0, 1, 0, 1]].mT.contiguous().mT, Linear(), ("zeros", "border"), index=index)


@pytest.mark.parametrize("channels", [0, 1, 9])
def test_any_number_of_channels(channels):
    image, points, _, _ = arguments(2, Linear(), channels=channels, count=20)
    assert_same(image, points, Linear(), ("zeros", "zeros"))


@pytest.mark.parametrize("case", ["transposed", "expanded", "sliced", "channels last", "one pixel"])
def test_any_strides(case):
    images = {
        "transposed": testing.random_image((7, 9), dtype=DOUBLE).mT,
        "expanded": testing.random_image((9, 7), channels=1, dtype=DOUBLE).expand(-1, 4, -1, -1),
        "sliced": testing.random_image((18, 15), dtype=DOUBLE)[..., ::2, 1::2],
        "channels last": testing.random_image((9, 7), dtype=DOUBLE).contiguous(memory_format=torch.channels_last),
        "one pixel": testing.random_image((1, 1), dtype=DOUBLE),
    }
    points = testing.random_points(2, 2, 30, spread=1.5).mT.contiguous().mT.to(DEVICE)
    assert_same(images[case].to(DEVICE), points, Linear(), ("border", "wrap"))
    matrix = arguments(2, Linear(), "linear")[1].mT.contiguous().mT
    assert_same(images[case].to(DEVICE), matrix, Linear(), ("zeros", "reflection"), target=(4, 7))


@pytest.mark.parametrize(("batch", "count"), [(0, 5), (2, 0)])
def test_empty(batch, count):
    image, points = torch.zeros(batch, 3, 6, 5, device=DEVICE), torch.zeros(batch, count, 2, device=DEVICE)
    assert_same(image, points, Linear(), ("zeros", "zeros"))


@pytest.mark.parametrize(("dims", "kernel"), [(2, Cubic()), (2, BSpline(2)), (3, Linear())], ids=str)
def test_derivatives_along_a_direction(dims, kernel):
    image, points, how, _ = arguments(dims, kernel, rules=("border", "zeros", 0.5)[:dims], count=20)
    points = points[:1]
    direction = testing.random_points(dims, 1, 20, seed=1).to(DEVICE)
    samples = testing.random_image((20,), batch=1, dtype=DOUBLE, seed=2).to(DEVICE)
    index, shape = torch.tensor([1], device=DEVICE), (2, *image.shape[2:])
    linear = how._replace(fill=0.0)
    with backends.use("cuda"):
        pulled = operators.pull(image, points, how, direction=direction, index=index)
        pushed = operators.push(samples, points, linear, shape, direction=direction, index=index)
        slopes = operators.slope(samples, image, points, how, direction=direction, index=index)
    close = {"rtol": 1e-9, "atol": 1e-9}
    torch.testing.assert_close(pulled, operators._reference_pull(image, points, direction, index, how), **close)
    expected = operators._reference_push(samples, points, direction, index, linear, shape)
    torch.testing.assert_close(pushed, expected, **close)
    expected = operators._reference_slope(samples, image, points, direction, index, how)
    torch.testing.assert_close(slopes, expected, **close)


@pytest.mark.usefixtures("deterministic")
@pytest.mark.parametrize("dtype", [torch.float32, DOUBLE])
@pytest.mark.parametrize("directed", [False, True])
def test_deterministic_sums_do_not_depend_on_their_order(dtype, directed):
    _, points, how, _ = arguments(2, Linear(), rules=("border", "border"), dtype=dtype)
    points = points[:1]
    samples = torch.randn(1, 3, 150, generator=torch.Generator().manual_seed(0), dtype=dtype).to(DEVICE)
    direction = testing.random_points(2, 1, 150, seed=1, dtype=dtype).to(DEVICE) if directed else None
    order = torch.randperm(150, generator=torch.Generator().manual_seed(1)).to(DEVICE)

    def push(some, at, along):
        return operators.push(some, at, how, (1, 6, 5), direction=along)

    with backends.use("cuda"):
        pushed = push(samples, points, direction)
        shuffled = push(samples[:, :, order], points[:, order], direction[:, order] if directed else None)
        torch.use_deterministic_algorithms(False)
        floating = push(samples, points, direction)
    assert torch.equal(pushed, shuffled)
    scale = floating.abs().max().item()
    torch.testing.assert_close(pushed, floating, rtol=0, atol=scale * (1e-12 if dtype == DOUBLE else 1e-5))


@pytest.mark.usefixtures("deterministic")
@pytest.mark.parametrize("value", [math.nan, math.inf, 0.0, 1e-300])
def test_deterministic_sums_of_special_values(value):
    _, points, how, _ = arguments(2, Linear(), count=20)
    samples = torch.zeros(2, 3, 20, dtype=DOUBLE, device=DEVICE)
    samples[0, 0, :2] = value
    with backends.use("cuda"):
        pushed = operators.push(samples, points, how, (2, 6, 5))
    if math.isfinite(value):
        assert pushed.isfinite().all()
        assert (pushed.sum() > 0) == (value > 0)
    else:
        assert pushed.isnan().all()


COMPILE = """
import torch, triton
from triton.backends.compiler import GPUTarget
from triton.compiler import ASTSource
from spatial_transformer.ops.resample import triton_kernels
types = {name: "*fp32" for name in ("image", "samples", "source", "direction", "numbers", "result")}
types |= {name: "i64" for name in ("index", "channels", "count", "result_step")} | {"index": "*i64", "scale": "*fp64"}
types |= {name: ("i64",) * 5 for name in ("steps", "samples_step", "source_step", "direction_step")}
types |= {name: ("i32",) * 3 for name in ("size", "margin", "target")} | {"rounding": ("fp32",) * 3}
constants = {"dims": 3, "taps": 2, "kind": 0, "rules": (0, 2, 3), "unrolled": 2, "tile_of_channels": 4, "wide": False}
constants |= {"block": 128, "target": None, "sides": 8}
for name in ("pull", "push", "slope"):
    kernel = getattr(triton_kernels, name)
    known = {argument: value for argument, value in constants.items() if argument in kernel.arg_names}
    given = {argument: types.get(argument, "constexpr") for argument in kernel.arg_names}
    given |= dict.fromkeys(known, "constexpr")
    given["image"] = "*i64" if name == "push" else "*fp32"
    compiled = triton.compile(
        ASTSource(kernel, given, known), target=GPUTarget("cuda", 80, 32), options={"enable_fp_fusion": False}
    )
    assert compiled.asm["cubin"] and "fma.rn.f32" not in compiled.asm["ptx"]
    print(name)
"""


def test_kernels_compile_for_a_gpu_and_fuse_no_products(tmp_path):
    environment = {**os.environ, "TRITON_CACHE_DIR": str(tmp_path), "PYTHONPATH": ":".join(sys.path)}
    environment.pop("TRITON_INTERPRET", None)
    (tmp_path / "compile_kernels.py").write_text(COMPILE)
    run = subprocess.run([sys.executable, tmp_path / "compile_kernels.py"], env=environment, capture_output=True)
    assert run.stdout.split() == [b"pull", b"push", b"slope"], run.stderr.decode()


@pytest.mark.skipif(not ON_GPU, reason="needs a GPU")
def test_calls_are_captured_in_a_graph():
    image, points, how, _ = arguments(2, Linear())
    expected = operators.pull(image, points, how)  # compiles, and times block sizes
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        captured = operators.pull(image, points, how)
    graph.replay()
    assert torch.equal(captured, expected)


def test_it_is_the_first_choice_on_a_gpu_only():
    assert backends.BACKENDS[0].name == "cuda"
    assert backends.current(torch.device("cpu")) != "cuda"


@pytest.mark.skipif(ON_GPU, reason="there is a GPU, and no need of the interpreter")
def test_on_a_cpu_it_runs_in_the_interpreter_or_not_at_all(monkeypatch):
    image, points, _, _ = arguments(2, Linear(), count=3)
    with backends.use("cuda"):
        st.sample(image, points)
        monkeypatch.delenv("TRITON_INTERPRET")
        with pytest.raises(RuntimeError, match="'cuda' was asked for, but cannot run on cpu: it runs on CUDA devices"):
            st.sample(image, points)
    assert "TRITON_INTERPRET" not in os.environ
