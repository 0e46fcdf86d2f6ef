"""What is decided when a kernel is compiled, and not while it runs."""

from typing import Any, NamedTuple

from .job import LINEAR, PROJECTIVE
from .lanes import F32, F64, I32, I64

PLANES, CELLS, PIXELS, PACKED = "planes", "cells", "pixels", "packed"


class Variant(NamedTuple):
    """A kind of kernel.

    Attributes:
        double: whether images and samples are float64.
        large: whether offsets within an image need 64 bits.
        dims: 2 or 3.
        taps: along an axis.
        foreign: whether points are those of PyTorch's `grid_sample`.
        kind: where positions come from: POINTS, APART, LINEAR or PROJECTIVE.
        directional: whether weights are differentiated along a direction.
        sides: from how many cells a sample is read that lies where cells meet: 1 if the kernel is smooth enough for the
            derivatives that are taken; 2, to the right and to the left of it along all axes, for the first derivative;
            those along each axis, 2^dims, for the second; 0 if these derivatives are zero.
        layout: PLANES, if the samples of a group are blended together, channel by channel; PIXELS, if one by one, the
            channels of a pixel being next to each other in memory; PACKED, if so in a copy of some of the channels;
            CELLS, for `push`, as PLANES, but by way of a copy with a number for each tap of a pixel.
        block: how many channels a task deals with; of PIXELS, how many are in a vector.
        strips: whether samples that lie close together may be taken from whole rows.
        gathers: whether the pixels of a group are loaded by one instruction.
        dense: whether samples next to each other in a row are so in memory, and for PLANES and CELLS pixels too.
    """

    double: bool
    large: bool
    dims: int
    taps: int
    foreign: bool
    kind: int
    directional: bool
    sides: int
    layout: str
    block: int
    strips: bool
    gathers: bool
    dense: bool

    @property
    def element(self) -> Any:
        return F64 if self.double else F32

    @property
    def integer(self) -> Any:
        return I64 if self.large else I32

    @property
    def total(self) -> int:
        """Taps of a sample."""
        return self.taps**self.dims

    @property
    def rows(self) -> int:
        """Of taps next to each other along x."""
        return self.taps ** (self.dims - 1)

    @property
    def before(self) -> int:
        """From the first tap to the central one."""
        return (self.taps - 1) // 2

    @property
    def low(self) -> float:
        """The fraction of a position at which a cell begins."""
        return 0.0 if self.taps % 2 == 0 else -0.5

    @property
    def on_grid(self) -> bool:
        return self.kind in (LINEAR, PROJECTIVE)

    @property
    def unit(self) -> bool:
        """Whether pixels next to each other in a row are so in memory."""
        return self.layout in (PLANES, CELLS) and self.dense
