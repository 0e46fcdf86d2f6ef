"""What PyTorch asks of an operator: schemas, derivatives of every kind, compilation, threads, memory."""

import math
import subprocess
import sys
import threading

import pytest
import torch
from torch.autograd import forward_ad

import spatial_transformer as st
from spatial_transformer import backends, testing
from spatial_transformer.kernels import BSpline, Cubic, Kernel, Linear, Nearest
from spatial_transformer.ops import resample
from spatial_transformer.ops.resample import cpu, operators
from spatial_transformer.ops.resample.how import how_to_read

# PyTorch itself uses what it deprecates when it differentiates forwards.
pytestmark = pytest.mark.filterwarnings("ignore:`torch.jit.script` is deprecated")

DOUBLE = torch.float64
SIZES = {2: (6, 5), 3: (4, 5, 3)}
SOURCES = ["points", "linear", "projective"]


def arguments(dims, kernel, source="points", *, padding="zeros", dtype=DOUBLE, channels=1):
    """Image, source, how and target of a small call; BSplines read a prepared image, as they do in `resample`.

    For each number of channels kernels are compiled anew: where it is not the point it is one.
    """
    rules = (padding,) * dims
    image, margins = kernel.prepare(testing.random_image(SIZES[dims], channels=channels, dtype=dtype), rules)
    how = how_to_read(kernel, rules, margins)
    if source == "points":
        return image, testing.random_points(dims, 2, 20, spread=1.3, dtype=dtype), how, ()
    family = st.Affine(dims=dims) if source == "linear" else st.Projective(dims=dims)
    theta = testing.random_theta(family, spread=0.15, dtype=dtype)
    return image, family.rows(theta), how, (3, 4, 2)[-dims:]


# Every number of taps in 2D and 3D, every source in 2D and 3D and with few and many taps; each is compiled.
DERIVATIVES = [
    (2, Nearest(), "points"),
    (3, Nearest(), "linear"),
    (2, Linear(), "projective"),
    (2, Linear(), "linear"),
    (3, Linear(), "points"),
    (3, Linear(), "projective"),
    (2, Cubic(), "points"),
    (2, Cubic(), "projective"),
    (3, Cubic(), "linear"),
    (2, BSpline(2), "points"),
    (3, BSpline(2), "points"),
    (2, BSpline(3), "projective"),
    (3, BSpline(3), "linear"),
    (2, BSpline(5), "points"),
    (3, BSpline(5), "points"),
]


@pytest.mark.parametrize(("dims", "kernel", "source"), DERIVATIVES, ids=repr)
def test_derivatives_of_first_and_second_order(dims, kernel, source):
    image, where, how, target = arguments(dims, kernel, source)

    def read(image, where):
        return operators.pull(image, where, how, target=target)

    inputs = image.requires_grad_(), where.requires_grad_()
    torch.autograd.gradcheck(read, inputs, check_forward_ad=True, fast_mode=True)
    torch.autograd.gradgradcheck(read, inputs, check_fwd_over_rev=True, fast_mode=True)


@pytest.mark.parametrize("source", SOURCES)
def test_derivatives_forwards_where_no_graph_is_recorded(source):
    image, where, how, target = arguments(2, Cubic(), source)
    tangent = torch.ones_like(where)

    def read(where):
        return operators.pull(image, where, how, target=target)

    expected = torch.autograd.functional.jvp(read, where, tangent)[1]  # by reverse mode, twice
    with torch.no_grad(), forward_ad.dual_level():
        actual = forward_ad.unpack_dual(read(forward_ad.make_dual(where, tangent))).tangent
        torch.testing.assert_close(actual, expected, rtol=0, atol=1e-9)
    with torch.no_grad():
        torch.testing.assert_close(torch.func.jvp(read, (where,), (tangent,))[1], expected, rtol=0, atol=1e-9)
        torch.testing.assert_close(torch.func.grad(lambda w: read(w).sum())(where), slopes(read, where))


def slopes(read, where):
    with torch.enable_grad():
        where = where.clone().requires_grad_()
        return torch.autograd.grad(read(where).sum(), where)[0]


@pytest.mark.parametrize("grad", [True, False])
def test_a_view_that_means_the_negative_of_its_memory(grad):
    image, points, how, _ = arguments(2, Linear())
    negative = torch.complex(image, -image).conj().imag  # `image`, in memory `-image`
    assert negative.is_neg()
    with torch.set_grad_enabled(grad):
        expected = operators.pull(image, points, how)
        torch.testing.assert_close(operators.pull(negative, points, how), expected, rtol=0, atol=0)


@pytest.mark.parametrize("dims", [2, 3])
def test_derivatives_of_third_order(dims):
    image, points, how, _ = arguments(dims, Cubic())
    image, points = image[:1].requires_grad_(), points[:1, :3].contiguous().requires_grad_()

    def slope(image, points):
        read = operators.pull(image, points, how)
        return torch.autograd.grad(read.sin().sum(), (image, points), create_graph=True)

    torch.autograd.gradgradcheck(slope, (image, points), fast_mode=True)


@pytest.mark.parametrize("source", SOURCES)
def test_the_hessian_is_that_of_the_reference(source):
    image, where, _, target = arguments(2, Cubic(), source)

    def energy(where):
        rules = ("reflection",) * 2
        if target:
            return resample.resample_grid(image, where, target, kernel=Cubic(), padding=rules).square().sum()
        return resample.resample(image, where, kernel=Cubic(), padding=rules).square().sum()

    ours = torch.func.hessian(energy)(where)
    with backends.use("reference"):
        expected = torch.func.hessian(energy)(where)
    torch.testing.assert_close(ours, expected, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize(("source", "channels"), [("points", 9), ("linear", 3), ("projective", 9)])
def test_opcheck(source, channels):
    image, where, how, target = arguments(2, Linear(), source, channels=channels, dtype=torch.float32)
    image = image.contiguous(memory_format=torch.channels_last).requires_grad_()
    where = where.requires_grad_()
    samples = operators.pull(image, where, how, target=target).detach()
    ops, rest = torch.ops.spatial_transformer, (list(target), *how)
    torch.library.opcheck(ops.pull, (image, where, None, None, *rest))
    torch.library.opcheck(ops.push, (samples, where.detach(), None, None, *rest, [2, *image.shape[2:]]))
    torch.library.opcheck(ops.slope, (samples, image.detach(), where.detach(), None, None, *rest))


@pytest.mark.parametrize("dims", [2, 3])
def test_opcheck_along_a_direction_and_with_an_index(dims):
    image, points, how, _ = arguments(dims, Linear())
    points, index = points[[0, 1, 1]].contiguous(), torch.tensor([1, 1, 0])
    direction = testing.random_points(dims, 3, 20, seed=1)
    samples = torch.rand(3, 1, 20, dtype=DOUBLE)
    ops, rest = torch.ops.spatial_transformer, ([], *how)
    torch.library.opcheck(ops.pull, (image, points, direction, index, *rest))
    torch.library.opcheck(ops.push, (samples, points, direction, index, *rest, [2, *image.shape[2:]]))
    torch.library.opcheck(ops.slope, (samples, image, points, direction, index, *rest))


class AnotherTwin(Kernel):
    """The linear kernel, written by a user with its polynomials."""

    support = 1.0

    def weight(self, distance):
        return Linear().weight(distance)

    def polynomials(self):
        return Linear().polynomials()


def test_a_kernel_of_ones_own_runs_compiled_if_it_says_its_polynomials():
    image, points = testing.random_image((6, 5), channels=1), testing.random_points(2, 2, 9, dtype=torch.float32)
    with backends.use("cpu"):
        torch.testing.assert_close(st.sample(image, points, mode=AnotherTwin()), st.sample(image, points))


class Broad(Kernel):
    """The mean of eight pixels along each axis."""

    support = 4.0

    def weight(self, distance):
        return torch.ones_like(distance) / 8

    def polynomials(self):
        return torch.eye(8)[:1].expand(8, 8).numpy() / 8


def test_a_kernel_of_more_taps_than_there_is_room_for_runs_on_the_reference():
    image, points = (
        testing.random_image((9, 10, 11), channels=1),
        testing.random_points(3, 2, 5, 7, dtype=torch.float32),
    )
    with backends.use("cpu"), pytest.raises(RuntimeError, match="reads 512 pixels for a sample, and it has room for"):
        st.sample(image, points, mode=Broad())
    with backends.use("reference"):
        expected = st.sample(image, points, mode=Broad())
    assert torch.equal(st.sample(image, points, mode=Broad()), expected)
    plane, points = testing.random_image((9, 10), channels=1), testing.random_points(2, 2, 5, 7, dtype=torch.float32)
    with backends.use("reference"):
        expected = st.sample(plane, points, mode=Broad())
    with backends.use("cpu"):
        torch.testing.assert_close(st.sample(plane, points, mode=Broad()), expected)


@pytest.mark.pairwise
@pytest.mark.parametrize("entry", [math.inf, -math.inf, math.nan, 1e30, 1e7])
@pytest.mark.parametrize("padding", ["zeros", "border", "reflection", "wrap", 0.5])
@pytest.mark.parametrize("place", range(6))
def test_a_matrix_that_leads_far_away(place, padding, entry):
    family, image = st.Affine(), testing.random_image((9, 11), channels=1, dtype=DOUBLE)
    theta = family.identity(2, dtype=DOUBLE)
    theta[0, place] = entry
    with backends.use("reference"):
        expected = st.warp(image, family, theta, size=(7, 9), padding=padding)
    torch.testing.assert_close(st.warp(image, family, theta, size=(7, 9), padding=padding), expected, rtol=0, atol=1e-6)


@pytest.mark.parametrize("entry", [math.inf, -math.inf, math.nan, 1e30])
@pytest.mark.parametrize("place", range(8))
def test_a_homography_that_is_not_finite_has_gradients_that_say_so(place, entry):
    family, image = st.Projective(), testing.random_image((57, 39), channels=1, dtype=DOUBLE).requires_grad_()
    found = []
    for backend in ("reference", "cpu"):
        theta = family.identity(len(image), dtype=DOUBLE)
        theta[0, place] = entry
        theta.requires_grad_()
        with backends.use(backend):
            output = st.warp(image, family, theta, size=(3, 60))
        found.append(torch.autograd.grad(output.square().sum(), (image, theta)))
    for expected, actual in zip(*found, strict=True):
        assert torch.equal(actual.isnan(), expected.isnan())


@pytest.mark.parametrize("mode", testing.MODES)
def test_compiled_by_torch_the_result_is_the_same(mode):
    torch.compiler.reset()
    image, family = testing.random_image((9, 7), channels=1).requires_grad_(), st.Affine()
    theta = testing.random_theta(family, dtype=torch.float32).requires_grad_()

    def loss(image, theta):
        return st.warp(image, family, theta, (5, 6), mode=mode).square().sum()

    # "aot_eager" traces as the default compiler does, forwards and backwards, and needs no C++ compiler.
    compiled = torch.compile(loss, fullgraph=True, backend="aot_eager")
    expected = torch.autograd.grad(loss(image, theta), (image, theta))
    for ours, eager in zip(torch.autograd.grad(compiled(image, theta), (image, theta)), expected, strict=True):
        torch.testing.assert_close(ours, eager)


def test_what_is_exported_consists_of_standard_operators():
    family = st.Affine()

    class Warp(torch.nn.Module):
        def forward(self, image, theta):
            return st.warp(image, family, theta)

    image, theta = testing.random_image((9, 7), channels=1), testing.random_theta(family, dtype=torch.float32)
    program = torch.export.export(Warp(), (image, theta))
    assert "spatial_transformer" not in str(program.graph)
    torch.testing.assert_close(program.module()(image, theta), st.warp(image, family, theta), rtol=0, atol=1e-5)


@pytest.mark.pairwise
@pytest.mark.parametrize("source", SOURCES)
@pytest.mark.parametrize("channels", [1, 9])
@pytest.mark.parametrize("channels_last", [False, True])
def test_the_number_of_threads_does_not_change_a_bit(source, channels, channels_last, monkeypatch, nothing_planned):
    monkeypatch.setattr(cpu, "WORTH_A_THREAD", 1)
    image = testing.random_image((96, 80), batch=1, channels=channels)
    if channels_last:
        image = image.contiguous(memory_format=torch.channels_last)
    family = {"linear": st.Affine(), "projective": st.Projective()}.get(source)
    theta = testing.random_theta(family or st.Affine(), batch=1, spread=0.2, dtype=torch.float32)
    where = family.rows(theta) if family else st.Affine().grid(theta, (90, 70)).flatten(1, 2)
    target = (90, 70) if family else ()
    how = how_to_read(Linear(), ("border",) * 2, (0, 0))
    samples = torch.rand(operators.pull(image, where, how, target=target).shape)

    def everything():
        return (
            operators.pull(image, where, how, target=target),
            operators.push(samples, where, how, (1, 96, 80), target=target),
            operators.slope(samples, image, where, how, target=target),
        )

    before = torch.get_num_threads()
    try:
        results = []
        for threads in (1, 2, 3, 2):
            torch.set_num_threads(threads)
            results.append(everything())
    finally:
        torch.set_num_threads(before)
    for other in results[1:]:
        assert all(torch.equal(a, b) for a, b in zip(results[0], other, strict=True))


def test_several_python_threads_at_once():
    image, family = testing.random_image((32, 32), channels=1), st.Affine()
    thetas = [testing.random_theta(family, dtype=torch.float32, seed=seed) for seed in range(4)]
    expected = [st.warp(image, family, theta) for theta in thetas]
    wrong = []

    def work(theta, result):
        wrong.extend(1 for _ in range(20) if not torch.equal(st.warp(image, family, theta), result))

    threads = [threading.Thread(target=work, args=pair) for pair in zip(thetas, expected, strict=True)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong


class Warped(torch.utils.data.Dataset):
    """Images that are warped in the process that loads them."""

    def __len__(self):
        return 4

    def __getitem__(self, item):
        theta = testing.random_theta(st.Affine(), batch=1, dtype=torch.float32, seed=item)
        return st.warp(testing.random_image((8, 9), batch=1, channels=1), st.Affine(), theta)[0]


@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_in_forked_workers_of_a_data_loader():
    data = Warped()
    here = torch.stack([data[i] for i in range(4)])  # the threads exist before the fork
    loader = torch.utils.data.DataLoader(data, batch_size=2, num_workers=2, multiprocessing_context="fork")
    torch.testing.assert_close(torch.cat(list(loader)), here)


# Every coordinate that could lead out of a buffer.
EXTREMES = [0.0, -1.0, 1.0, 1.5, -7.3, 1e3, -1e9, 1e30, -1e30, math.inf, -math.inf, math.nan]


# Any two of dimension, mode and channels meet in one, as each is compiled.
READ = [
    *((dims, mode, 1) for dims, mode in ((2, "bilinear"), (3, "nearest"), (3, "bicubic"))),
    *((dims, mode, 9) for dims, mode in ((3, "bilinear"), (2, "nearest"), (2, "bicubic"))),
]


@pytest.mark.parametrize(("dims", "mode", "channels"), READ, ids=str)
def test_nothing_is_read_or_written_out_of_bounds(dims, mode, padding, channels):
    # The image lies between NaNs, and so would show any pixel read beyond it; the gradients lie between guards.
    size = SIZES[dims]
    whole = torch.full((2, channels, *(n + 8 for n in size)), math.nan, dtype=DOUBLE)
    if channels == 9:
        whole = whole.contiguous(memory_format=torch.channels_last if dims == 2 else torch.channels_last_3d)
    image = whole[(..., *(slice(4, 4 + n) for n in size))]
    image.copy_(testing.random_image(size, channels=channels, dtype=DOUBLE))
    generator = torch.Generator().manual_seed(0)
    choice = torch.randint(len(EXTREMES), (2, 400, dims), generator=generator)
    points = torch.tensor(EXTREMES, dtype=DOUBLE)[choice]
    points[:, ::2] = testing.random_points(dims, 2, 200, spread=2)
    image, points = image.requires_grad_(), points.requires_grad_()
    ours = st.sample(image, points, mode=mode, padding=padding)
    gradients = torch.autograd.grad(ours.sum(), (image, points))
    with backends.use("reference"):
        expected = st.sample(image, points, mode=mode, padding=padding)
        expected_gradients = torch.autograd.grad(expected.sum(), (image, points))
    torch.testing.assert_close(ours, expected, rtol=0, atol=1e-9)
    for actual, other in zip(gradients, expected_gradients, strict=True):
        torch.testing.assert_close(actual, other, rtol=0, atol=1e-8)


@pytest.mark.pairwise
@pytest.mark.parametrize("case", ["transposed", "expanded", "sliced", "one of many"])
def test_any_strides(case, mode, padding):
    images = {
        "transposed": testing.random_image((7, 9), channels=2).mT,
        "expanded": testing.random_image((9, 7), channels=1).expand(-1, 2, -1, -1),
        "sliced": testing.random_image((18, 15), channels=2)[..., ::2, 1::2],
        "one of many": testing.random_image((9, 7), batch=5, channels=2)[2:4],
    }
    image, points = images[case], testing.random_points(2, 2, 3, 30, spread=1.5, dtype=torch.float32).movedim(1, 2)
    expected = st.sample(image.contiguous(), points.contiguous(), mode=mode, padding=padding)
    # The same but for rounding: rows that lie next to each other in memory are read in groups of taps.
    torch.testing.assert_close(st.sample(image, points, mode=mode, padding=padding), expected)


@pytest.mark.parametrize(("batch", "channels", "count"), [(0, 3, 5), (2, 0, 5), (2, 3, 0)])
def test_empty(batch, channels, count, dims):
    image = torch.zeros(batch, channels, *SIZES[dims], requires_grad=True)
    points = torch.zeros(batch, count, dims, requires_grad=True)
    read = st.sample(image, points)
    assert read.shape == (batch, channels, count)
    for gradient in torch.autograd.grad(read.sum(), (image, points)):
        assert (gradient == 0).all()


def test_vmap_over_images_thetas_and_both():
    family, images = st.Affine(), testing.random_image((6, 5), batch=3, channels=2)[:, None]  # (3, 1, C, H, W)
    thetas = testing.random_theta(family, batch=3, dtype=torch.float32)[:, None]  # (3, 1, P)

    def warp(image, theta):
        return st.warp(image, family, theta)

    both = torch.stack([warp(image, theta) for image, theta in zip(images, thetas, strict=True)])
    torch.testing.assert_close(torch.func.vmap(warp)(images, thetas), both)
    over_thetas = torch.stack([warp(images[0], theta) for theta in thetas])
    torch.testing.assert_close(torch.func.vmap(warp, (None, 0))(images[0], thetas), over_thetas)
    over_images = torch.stack([warp(image, thetas[0]) for image in images])
    torch.testing.assert_close(torch.func.vmap(warp, (0, None))(images, thetas[0]), over_images)


COLD_START = """
import torch, spatial_transformer as st
st.warp(torch.rand(1, 1, 8, 8), st.Affine(), st.Affine().identity(1))
"""


def test_two_processes_that_compile_at_once_into_one_cache(tmp_path):
    environment = {"SPATIAL_TRANSFORMER_CACHE": str(tmp_path), "PYTHONPATH": ":".join(sys.path)}
    processes = [subprocess.Popen([sys.executable, "-c", COLD_START], env=environment) for _ in range(2)]
    assert [process.wait(timeout=120) for process in processes] == [0, 0]
    assert list(tmp_path.rglob("*.kernel"))
    assert subprocess.run([sys.executable, "-c", COLD_START], env=environment, timeout=120).returncode == 0
