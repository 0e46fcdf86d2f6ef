"""Splines under PyTorch's compiler and exporters: coefficients belong to no trace and no mode."""

import numpy as np
import pytest
import torch

import spatial_transformer as st
from spatial_transformer import testing
from spatial_transformer.kernels import BSpline, Cubic
from spatial_transformer.ops.resample.how import how_to_read
from spatial_transformer.prefilter import _remembered, spline_coefficients

quiet = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning")
# Every order, dimension and padding, and each pair of an order and a system that is solved.
CASES = [
    (2, 2, "wrap"),
    (2, 3, "border"),
    (3, 2, "zeros"),
    (3, 3, "wrap"),
    (4, 2, ("wrap", 0.5)),
    (4, 3, "reflection"),
    (5, 2, "reflection"),
    (5, 3, "wrap"),
]
cases = pytest.mark.parametrize(("order", "dims", "padding"), CASES)


class Warp(torch.nn.Module):
    def __init__(self, order, dims, padding):
        super().__init__()
        self.family, self.mode, self.padding = st.Affine(dims=dims), BSpline(order), padding

    def forward(self, image, theta):
        return st.warp(image, self.family, theta, mode=self.mode, padding=self.padding)


@pytest.fixture(autouse=True)
def nothing_remembered():
    _remembered.cache_clear()
    torch.compiler.reset()


def problem(order, dims, padding):
    warp = Warp(order, dims, padding)
    image = testing.random_image((5, 4, 3)[:dims], dtype=torch.float32)
    return warp, image, testing.random_theta(warp.family, dtype=torch.float32)


@quiet
@cases
def test_compiled_in_one_graph_it_is_the_same(order, dims, padding):
    warp, image, theta = problem(order, dims, padding)
    image.requires_grad_()
    compiled = torch.compile(warp, fullgraph=True, backend="aot_eager")(image, theta)
    eager = warp(image, theta)
    torch.testing.assert_close(compiled, eager, rtol=0, atol=1e-5)
    slopes = [torch.autograd.grad(output.square().sum(), image)[0] for output in (compiled, eager)]
    torch.testing.assert_close(*slopes, rtol=0, atol=1e-4)


@quiet
@cases
@pytest.mark.parametrize("strict", [False, True])
def test_exported_it_is_the_same_and_leaves_nothing_behind(order, dims, padding, strict):
    warp, image, theta = problem(order, dims, padding)
    program = torch.export.export(warp, (image, theta), strict=strict)
    torch.testing.assert_close(program.module()(image, theta), warp(image, theta), rtol=0, atol=1e-5)


def test_what_inference_mode_computed_can_be_trained_with():
    image = testing.random_image((5, 4))
    with torch.inference_mode():
        spline_coefficients(image, 3, ("wrap", "wrap"))
    image.requires_grad_()
    spline_coefficients(image, 3, ("wrap", "wrap"))[0].sum().backward()
    assert image.grad.isfinite().all()


@pytest.mark.parametrize("order", [2, 3, 4, 5])
@pytest.mark.parametrize("length", [1, 2, 3, 8])
@pytest.mark.parametrize(("padding", "mode"), [("wrap", "wrap"), ("reflection", "symmetric")])
def test_the_spline_passes_through_the_pixels(order, length, padding, mode):
    image = testing.random_image((length, 1)).double()
    ours, _ = spline_coefficients(image, order, (padding, padding))
    weights = [float(BSpline(order).weight(torch.tensor(float(d), dtype=torch.float64))) for d in range(-2, 3)]
    around = np.pad(ours[0, 0, :, 0].numpy(), 2, mode=mode)
    np.testing.assert_allclose(
        np.convolve(around, weights, mode="valid"), image[0, 0, :, 0].numpy(), rtol=0, atol=1e-12
    )


@quiet
@pytest.mark.parametrize(("kind", "argument"), [(BSpline, 5), (BSpline, 2), (Cubic, -0.5)])
def test_a_kernel_made_while_compiling_keeps_its_arguments(kind, argument):
    def table(x):
        return x + torch.tensor(how_to_read(kind(argument), ("wrap",), (0,)).table)

    compiled = torch.compile(table, fullgraph=True, backend="eager")
    assert torch.equal(compiled(torch.zeros(1)), table(torch.zeros(1)))
