"""Splines under PyTorch's compiler and exporters: coefficients belong to no trace and no mode."""

from dataclasses import dataclass

import numpy as np
import pytest
import torch
from torch import nn

import spatial_transformer as st
from spatial_transformer import testing
from spatial_transformer.kernels import BSpline, Cubic
from spatial_transformer.ops.resample.how import how_to_read
from spatial_transformer.prefilter import _remembered, spline_coefficients

quiet = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning")
# Every order with each of the two systems that are solved, and every padding.
CASES = [(order, padding) for order in (2, 3, 4, 5) for padding in ("wrap", "reflection")]
CASES += [(2, "border"), (3, "zeros"), (4, 0.5)]


class Coefficients(nn.Module):
    """Those of every case in one graph: each tracing takes seconds."""

    def forward(self, line):
        return torch.cat([spline_coefficients(line, order, (padding,))[0].flatten() for order, padding in CASES])


class Warp(nn.Module):
    """What is done with them."""

    def forward(self, image, theta):
        return st.warp(image, st.Affine(), theta, mode=BSpline(3), padding="reflection")


LINE = testing.random_image((5, 1))[..., 0].clone()
IMAGE = testing.random_image((5, 4), batch=1)
THETA = testing.random_theta(st.Affine(), batch=1, dtype=torch.float32)
PROBLEMS = [(Coefficients(), [LINE]), (Warp(), [IMAGE, THETA])]


@pytest.fixture(autouse=True)
def nothing_remembered():
    _remembered.cache_clear()
    torch.compiler.reset()


@quiet
@pytest.mark.parametrize(("module", "inputs"), PROBLEMS)
def test_compiled_in_one_graph_they_are_the_same(module, inputs):
    inputs = [value.clone().requires_grad_() for value in inputs]
    compiled, eager = torch.compile(module, fullgraph=True, backend="eager")(*inputs), module(*inputs)
    torch.testing.assert_close(compiled, eager, rtol=0, atol=1e-5)
    slopes = [torch.autograd.grad(output.square().sum(), inputs) for output in (compiled, eager)]
    torch.testing.assert_close(*slopes, rtol=1e-5, atol=1e-4)


@quiet
@pytest.mark.parametrize(("module", "inputs"), PROBLEMS)
def test_exported_they_are_the_same_and_leave_nothing_behind(module, inputs):
    program = torch.export.export(module, tuple(inputs), strict=module is PROBLEMS[0][0])
    torch.testing.assert_close(program.module()(*inputs), module(*inputs), rtol=0, atol=1e-5)


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


class Tent(st.Kernel):
    """A kernel of one's own."""

    support = 1.0

    def __init__(self, height=1.0):
        self.height = height

    def weight(self, distance):
        return self.height * (1 - distance.abs())

    def polynomials(self):
        return self.height * np.array([[1.0, -1.0], [0.0, 1.0]])


@dataclass(frozen=True)
class FrozenTent(Tent):
    height: float = 1.0


@quiet
@pytest.mark.parametrize(
    ("kind", "argument"), [(BSpline, 5), (BSpline, 2), (Cubic, -0.5), (Tent, 0.5), (FrozenTent, 0.5)]
)
def test_a_kernel_made_while_compiling_keeps_its_arguments(kind, argument):
    def table(x):
        return x + torch.tensor(how_to_read(kind(argument), ("wrap",), (0,)).table)

    compiled = torch.compile(table, fullgraph=True, backend="eager")
    assert torch.equal(compiled(torch.zeros(1)), table(torch.zeros(1)))
