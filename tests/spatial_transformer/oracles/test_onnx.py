"""The ONNX specification as an oracle: its own test cases for the operators GridSample and AffineGrid."""

import importlib
from unittest import mock

import numpy as np
import onnx
import pytest
import torch
from onnx.backend.test.case import node

import spatial_transformer as st
from spatial_transformer import converters

MODES = {"linear": "bilinear", "bilinear": "bilinear", "cubic": "bicubic", "bicubic": "bicubic", "nearest": "nearest"}


def collect():
    """The cases of the two operators. `collect_testcases` would import those of all others too, for ten seconds."""

    def only_ours(package):
        for name in ("gridsample", "affinegrid"):
            importlib.import_module(f"{package.__name__}.{name}")

    with mock.patch.object(node, "import_recursive", only_ours):
        cases = node.collect_testcases(None)
    return {operator: [c for c in cases if c.model.graph.node[0].op_type == operator] for operator in OPERATORS}


OPERATORS = ("GridSample", "AffineGrid")
CASES = collect()


def attributes(case):
    found = {a.name: onnx.helper.get_attribute_value(a) for a in case.model.graph.node[0].attribute}
    return {name: value.decode() if isinstance(value, bytes) else value for name, value in found.items()}


def tensors(arrays):
    return [torch.from_numpy(np.array(array)) for array in arrays]


def test_there_are_as_many_cases_as_when_this_was_written():
    assert len(CASES["GridSample"]) >= 18
    assert len(CASES["AffineGrid"]) >= 4


@pytest.mark.parametrize("case", CASES["GridSample"], ids=lambda case: case.name)
def test_grid_sample(case):
    options = attributes(case)
    inputs, outputs = case.data_sets[0]
    image, grid = tensors(inputs)
    (expected,) = tensors(outputs)
    points = st.from_align_corners(grid, image.shape[2:]) if options.get("align_corners", 0) else grid
    if options.get("mode") == "nearest":
        points = ties_to_even(points, image.shape[2:])
    ours = st.sample(
        image, points, mode=MODES[options.get("mode", "linear")], padding=options.get("padding_mode", "zeros")
    )
    # The expected values are literals with four or five digits after the point.
    torch.testing.assert_close(ours, expected, rtol=0, atol=case.atol + 6e-5)


def ties_to_even(points, size):
    """ONNX reads half-way between two pixels the even one, this library the one further right: go to the even one."""
    pixels = st.normalised_to_pixel(points, size)
    tie = (pixels - pixels.floor() - 0.5).abs() < 1e-5
    return st.pixel_to_normalised(torch.where(tie, pixels.round(), pixels), size)


@pytest.mark.parametrize("case", CASES["AffineGrid"], ids=lambda case: case.name)
def test_affine_grid(case):
    inputs, outputs = case.data_sets[0]
    theta, output_size = tensors(inputs)
    (expected,) = tensors(outputs)
    size = output_size.tolist()[2:]
    family = st.Affine(dims=len(size))
    align_corners = bool(attributes(case).get("align_corners", 0))
    matrix = converters.from_torch(theta, size, size, align_corners=align_corners)
    grid = family.grid(family.from_matrix(matrix), size)
    ours = st.to_align_corners(grid, size) if align_corners else grid
    torch.testing.assert_close(ours, expected, rtol=0, atol=1e-6)
