"""No kernel touches memory beside its tensors, however small they are: the next page may not be read or written."""

import ctypes
import faulthandler
import math
import os
import signal

import pytest
import torch

import spatial_transformer as st
from spatial_transformer import testing
from spatial_transformer.homography import grid
from spatial_transformer.kernels import Linear
from spatial_transformer.ops.resample import cpu, operators
from spatial_transformer.ops.resample.how import how_to_read

# Images as small as a vector and smaller, tails of rows, and for many channels blocks that overlap.
GUARDED = [(1, (3, 2)), (1, (9, 16)), (1, (5, 35)), (9, (5, 7)), (9, (3, 37))]
HOW = how_to_read(Linear(), ("zeros", "border"), (0, 0))


@pytest.mark.pairwise
@pytest.mark.parametrize(("channels", "size"), GUARDED, ids=str)
@pytest.mark.parametrize("source", ["points", "apart", "linear"])
@pytest.mark.parametrize("end", [False, True])
def test_no_page_beside_a_tensor_is_touched(guarded, channels, size, source, end):
    image = testing.random_image(size, channels=channels, dtype=torch.float32)
    theta = testing.random_theta(st.Affine(), spread=0.4, dtype=torch.float32)
    matrix = st.Affine().rows(theta).double()
    points = grid(matrix, size).float()  # (M, K, D)
    where = {"points": points.contiguous(), "apart": points.mT.contiguous().mT, "linear": matrix}[source]
    target, samples = size if source == "linear" else (), torch.randn(2, channels, points.shape[1])
    shaped = samples.unflatten(2, size) if target else samples
    kernels = {name: cpu.prepare(name, image, samples, where, target, HOW) for name in ("pull", "push", "slope")}

    def unwritten(like):
        return guarded(torch.full_like(like, math.nan), end=end)

    near_image, near_samples, near_where = (guarded(tensor, end=end) for tensor in (image, samples, where))
    pulled, pushed = unwritten(samples), unwritten(image)
    kernels["pull"].run(near_image, pulled, near_where)
    kernels["push"].run(pushed, near_samples, near_where)
    parts = kernels["slope"].parts
    slopes = unwritten(where if parts is None else torch.empty(parts, dtype=where.dtype))
    kernels["slope"].run(near_image, near_samples, near_where, slopes)

    where = where.to(image.dtype)
    assert torch.equal(pulled, operators.pull(image, where, HOW, target=target).flatten(2))
    assert torch.equal(pushed, operators.push(shaped, where, HOW, (2, *size), target=target))
    expected = operators.slope(shaped, image, where, HOW, target=target)
    summed = slopes if parts is None else slopes.sum(dim=1)
    found = summed.mT if source == "apart" and parts is not None else summed
    assert torch.equal(found.to(image.dtype), expected)


def test_whoever_touches_such_a_page_dies_of_it(guarded):
    tensor = guarded(torch.ones(3), end=True)
    child = os.fork()
    if not child:
        faulthandler.disable()  # it would tell of what is meant to happen
        ctypes.string_at(tensor.data_ptr() + tensor.nbytes, 1)
        os._exit(0)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == -signal.SIGSEGV
