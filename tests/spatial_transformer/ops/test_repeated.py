"""Calls that were made before are looked up: the second is as the first, whatever is different about its tensors."""

import pytest
import torch
from torch.autograd import forward_ad
from torch.utils._python_dispatch import TorchDispatchMode

import spatial_transformer as st
from spatial_transformer import testing
from spatial_transformer.ops.resample import plain, repeated

# PyTorch itself uses what it deprecates when it differentiates forwards.
pytestmark = pytest.mark.filterwarnings("ignore:`torch.jit.script` is deprecated")


@pytest.fixture(autouse=True)
def forgotten(monkeypatch):
    monkeypatch.setattr(repeated, "_known", {})


def image_and_points(dtype=torch.float32, size=(9, 7), channels=2):
    image = testing.random_image(size, channels=channels, dtype=dtype)
    return image, testing.random_points(len(size), 2, *(4, 5, 3)[-len(size) :], spread=1.3, dtype=dtype)


def image_and_theta(family, dtype=torch.float32, channels=2):
    image = testing.random_image((9, 7, 5)[: family.dims], channels=channels, dtype=dtype)
    return image, testing.random_theta(family, dtype=dtype)


def outcome(read, *inputs):
    """What comes out, its gradients, and those of their squares."""
    leaves = [tensor.detach().clone().requires_grad_() for tensor in inputs]
    output = read(*leaves)
    cotangent = torch.arange(output.numel(), dtype=output.dtype).reshape(output.shape).cos()
    plainly = torch.autograd.grad(output, leaves, cotangent, retain_graph=True)
    first = torch.autograd.grad(output, leaves, cotangent, create_graph=True)
    again = torch.autograd.grad(sum(gradient.square().sum() for gradient in first), leaves)
    with torch.no_grad():
        unrecorded = read(*inputs)
    return output, unrecorded, *plainly, *first, *again


def assert_repeats(read, *inputs):
    first = outcome(read, *inputs)
    assert len(repeated._known) == 1
    known = dict(repeated._known)
    for expected, actual in zip(first, outcome(read, *inputs), strict=True):
        assert actual.shape == expected.shape
        assert torch.equal(actual, expected)
    assert repeated._known == known


# Any two of mode, channels, size and dtype meet in one, as each is compiled.
READ = [
    ("nearest", 1, (9, 7), torch.float64),
    ("nearest", 9, (4, 5, 3), torch.float32),
    ("bilinear", 1, (4, 5, 3), torch.float32),
    ("bilinear", 9, (9, 7), torch.float64),
    ("bicubic", 1, (4, 5, 3), torch.float64),
    ("bicubic", 9, (9, 7), torch.float32),
]


@pytest.mark.parametrize(("mode", "channels", "size", "dtype"), READ, ids=str)
@pytest.mark.parametrize("rule", st.checks.PADDINGS)
def test_points_a_second_time(mode, rule, channels, size, dtype):
    image, points = image_and_points(dtype, size, channels)
    assert_repeats(lambda i, p: st.sample(i, p, mode=mode, padding=rule), image, points)
    assert_same_as_the_reference(lambda: st.sample(image, points, mode=mode, padding=rule))


@pytest.mark.parametrize("size", [None, (4, 5, 3)], ids=str)
def test_matrices_a_second_time(matrix_family, size):
    image, theta = image_and_theta(matrix_family)
    target = None if size is None else size[: matrix_family.dims]
    assert_repeats(lambda i, t: st.warp(i, matrix_family, t, target), image, theta)
    assert_same_as_the_reference(lambda: st.warp(image, matrix_family, theta, target))


def assert_same_as_the_reference(read):
    found = read()
    with st.backends.use("reference"):
        torch.testing.assert_close(found, read(), rtol=0, atol=1e-5)


@pytest.mark.parametrize("shape", [(2,), (2, 6), (2, 3, 4), (2, 1, 2, 3)], ids=str)
def test_points_of_any_rank(shape):
    image, _ = image_and_points()
    points = testing.random_points(2, *shape, dtype=torch.float32)
    assert_repeats(lambda i, p: st.sample(i, p), image, points)
    assert st.sample(image, points).shape == (*image.shape[:2], *shape[1:])


def test_what_is_wrong_is_refused_after_the_same_was_right():
    image, points = image_and_points()
    st.sample(image, points)
    st.warp(image, st.Affine(), st.Affine().identity(2), (4, 5))
    with pytest.raises(TypeError, match="`mode` must be a name"):
        st.sample(image, points, mode=None)
    with pytest.raises(ValueError, match="`padding` must be one of"):
        st.sample(image, points, padding="nothing")
    with pytest.raises(ValueError, match="`image` must have shape"):
        st.sample(image[0], points)
    with pytest.raises(ValueError, match="as many rows as `image`"):
        st.sample(image, points[[0, 1, 1]])
    with pytest.raises(TypeError, match="must hold whole numbers"):
        st.warp(image, st.Affine(), st.Affine().identity(2), (4.0, 5.0))
    with pytest.raises(ValueError, match="`theta` must have shape"):
        st.warp(image, st.Similarity(), st.Affine().identity(2), (4, 5))
    with st.backends.use("cpu"), pytest.raises(ValueError, match="`index` must have one entry"):
        st.sample(image, points, index=torch.tensor([0]))


def test_another_backend_is_asked_although_one_is_remembered(monkeypatch):
    image, points = image_and_points()
    st.sample(image, points)
    monkeypatch.setattr(repeated.Repeated, "__call__", None)
    with st.backends.use("reference"):
        st.sample(image, points)
    with pytest.raises(TypeError, match="not callable"):
        st.sample(image, points)  # or nothing would have been tested


def test_transformations_see_the_operator():
    image, points = image_and_points()
    expected = outcome(lambda i, p: st.sample(i, p), image, points)
    batched = torch.vmap(st.sample)(torch.stack([image, image]), torch.stack([points, points]))
    torch.testing.assert_close(batched, torch.stack([expected[0]] * 2), rtol=0, atol=1e-6)
    by_transform = torch.func.grad(lambda p: st.sample(image, p).square().sum())(points)
    leaf = points.clone().requires_grad_()
    output = st.sample(image, leaf)
    torch.testing.assert_close(torch.autograd.grad(output.square().sum(), leaf)[0], by_transform)
    tangents = torch.stack([torch.ones_like(output), 2 * torch.ones_like(output)])
    output = st.sample(image, leaf)
    one, two = torch.autograd.grad(output, leaf, tangents, is_grads_batched=True)[0]
    torch.testing.assert_close(2 * one, two)
    with forward_ad.dual_level():
        read = st.sample(image, forward_ad.make_dual(points, torch.ones_like(points)))
        tangent = forward_ad.unpack_dual(read).tangent
    expected = torch.func.jvp(lambda p: st.sample(image, p), (points,), (torch.ones_like(points),))[1]
    torch.testing.assert_close(tangent, expected)


def test_gradients_that_are_spread_or_lie_otherwise():
    image, points = image_and_points()
    for _ in range(2):
        leaves = image.clone().requires_grad_(), points.clone().requires_grad_()
        output = st.sample(*leaves)
        spread = torch.autograd.grad(output.sum(), leaves, retain_graph=True)
        whole = torch.autograd.grad(output, leaves, torch.ones_like(output), retain_graph=True)
        turned = torch.autograd.grad(output, leaves, torch.ones_like(output.mT).mT)
        for one, other, third in zip(spread, whole, turned, strict=True):
            torch.testing.assert_close(one, other)
            torch.testing.assert_close(third, other)


def test_an_axis_of_one_may_have_any_stride():
    """PyTorch calls such tensors contiguous."""
    image, theta = image_and_theta(st.Affine())
    gradient = torch.rand(2, 2, 7).as_strided((2, 2, 7, 1), (14, 7, 1, 7))
    assert gradient.is_contiguous()
    for _ in range(2):
        leaf = theta.clone().requires_grad_()
        output = st.warp(image, st.Affine(), leaf, (7, 1))
        (odd,) = torch.autograd.grad(output, leaf, gradient, retain_graph=True)
        (plain,) = torch.autograd.grad(output, leaf, gradient.clone(memory_format=torch.contiguous_format))
        assert torch.equal(odd, plain)


def test_only_what_is_asked_for_has_a_gradient():
    image, points = image_and_points()
    for _ in range(2):
        leaf = points.clone().requires_grad_()
        (gradient,) = torch.autograd.grad(st.sample(image, leaf).sum(), leaf)
        assert gradient.shape == points.shape
        leaf = image.clone().requires_grad_()
        (gradient,) = torch.autograd.grad(st.sample(leaf, points).sum(), leaf)
        assert gradient.shape == image.shape
        assert not st.sample(image, points).requires_grad
        with torch.inference_mode():
            assert not st.sample(image, points).requires_grad


class Watching(TorchDispatchMode):
    """Writes down the operators that are called."""

    def __init__(self):
        super().__init__()
        self.seen = []

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        self.seen.append(str(function))
        return function(*args, **(kwargs or {}))


def test_whoever_looks_sees_the_operator():
    image, points = image_and_points()
    st.sample(image, points)
    with Watching() as watching:
        st.sample(image, points)
    assert "spatial_transformer.pull.default" in watching.seen
    with torch.profiler.profile() as profile:
        st.sample(image, points)
    assert "spatial_transformer::pull" in {event.key for event in profile.key_averages()}


class Tagged(torch.Tensor):
    """A tensor with a type of its own."""


def test_tensors_that_are_not_what_they_seem_are_not_plain():
    image, points = image_and_points()
    assert plain.are_plain(image, torch.nn.Parameter(points), None)
    negative = torch.complex(image, -image).conj().imag
    for other in (image.as_subclass(Tagged), negative, image.to("meta"), image.to_sparse(), image.numpy(), None):
        assert plain.are_plain(other) == (other is None)
    expected = st.sample(image, points)
    st.sample(image, points)
    assert torch.equal(st.sample(negative, points), expected)
    assert type(st.sample(image.as_subclass(Tagged), points)) is Tagged


def test_no_more_is_remembered_than_fits(monkeypatch):
    monkeypatch.setattr(repeated, "MOST", 3)
    for count in range(1, 8):
        st.sample(torch.ones(1, 1, 3, 3), torch.zeros(1, count, 2))
    assert len(repeated._known) <= 3
