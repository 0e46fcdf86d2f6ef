"""How an image is divided for `push`: each region is written by one task, which looks for the samples that touch it.

For a linear map the rows of the output that may touch a region, and in each row the columns, are intervals, which are
solved for; for a projective map the columns. For points every sample is looked at.
"""

from .how import How
from .job import BORDER, FILL, LINEAR, PROJECTIVE
from .lanes import F64, I1, I64, Value, choose
from .positions import Positions
from .tiles import Row
from .variant import Variant

ANYWHERE = 1e15  # pixels: further than any position counts
# Where each region looks at every sample, there are at most so many in a batch, for as many threads, and for each of
# them an image has so many samples: with four regions rather than one it takes a third longer, or more.
FEW, WORTH_A_REGION = 4, 2**15
PARALLEL = 1e-9  # axes of the output whose images in the source span less than this share of their lengths


def most(variant: Variant, how: How, count: int, width: int, samples: int) -> int:
    """Into how many regions an image may be divided without finding their samples taking too long.

    Args:
        variant: of the kernel.
        how: samples are read.
        count: of images.
        width: of an image.
        samples: that it has.
    """
    if looks_at_all(variant, how):
        return max(1, min(FEW // max(1, count), samples // WORTH_A_REGION))
    return 2**30 if variant.kind == LINEAR else max(FEW, width // 16)  # each looks at every row of the output


def looks_at_all(variant: Variant, how: How) -> bool:
    """Whether a region looks at every sample, or knows where to find its own."""
    if variant.kind == LINEAR:
        return max(how.padding) > BORDER
    return variant.kind != PROJECTIVE or any(how.padding)


class Region:
    """A part of an image.

    Args:
        positions: finds those of samples.
        part: the number of the region; those along x come first.

    Attributes:
        limits: along each axis the first pixel, and the first behind.
    """

    def __init__(self, positions: Positions, part: Value) -> None:
        self.kernel, self.variant, self.job = positions.kernel, positions.variant, positions.job
        self._positions, self.limits = positions, list[tuple[Value, Value]]()
        for axis in range(self.variant.dims):
            size, length = self.job.size[axis], self.job.region[axis]
            count = (size + length - 1) // length
            low = part % count * length
            self.limits.append((low, (low + length).least(size)))
            part = part // count
        self._bounds = [self._reach(axis) for axis in range(self.variant.dims)]

    def _reach(self, axis: int) -> tuple[Value, Value]:
        """Between which positions samples may touch it; a little more, as positions are rounded."""
        (low, high), size, rule = self.limits[axis], self.job.size[axis], self.job.padding[axis]
        before, after = self.variant.taps - self.variant.before - 0.25, self.variant.before + 0.25
        filled, border = rule.is_(FILL), rule.is_(BORDER)
        return (
            choose(filled | border & (low > 0), low.to(F64) - before, -ANYWHERE),
            choose(filled | border & (high < size), high.to(F64) + after, ANYWHERE),
        )

    def rows(self) -> tuple[Value, Value]:
        """The rows of the output that may touch it: from and to."""
        height = self.job.target[1] * self.job.target[2]
        if self.variant.kind == LINEAR:  # in each row the same
            self._inverses = [1 / line.step for line in self._positions.row(self.kernel.number(0)).lines]
        if self.variant.kind != LINEAR or self.variant.dims != 2:
            return self.kernel.number(0), height
        first, second, last = (
            self._positions.row(row) for row in (self.kernel.number(0), self.kernel.number(1), height - 1)
        )
        (x, y), across = first.lines, [b.begin - a.begin for a, b in zip(first.lines, second.lines, strict=True)]
        # A position is begin + column step + row across; of these, row is solved for.
        one, other = across[0] * y.step, across[1] * x.step
        span = one - other
        assert first.near is not None
        assert last.near is not None
        solvable = first.near & last.near & ((span * span) > (one * one + other * other) * PARALLEL**2)
        corners = [
            ((u - x.begin) * y.step - (v - y.begin) * x.step) / span for u in self._bounds[0] for v in self._bounds[1]
        ]
        least, most = corners[0], corners[0]
        for corner in corners[1:]:
            least, most = least.least(corner), most.most(corner)
        begin = _clipped(least.floor() - 1, height)
        end = _clipped(most.floor() + 2, height)
        return choose(solvable, begin, 0), choose(solvable, end, height)

    def columns(self, row: Row) -> tuple[Value, Value]:
        """The columns of a row of the output that may touch it: from and to."""
        width = self.job.target[0]
        if not self.variant.on_grid:
            return self.kernel.number(0), width
        begin, end = self.kernel.variable(self.kernel.number(0)), self.kernel.variable(width)
        assert row.near is not None
        # Where an image is one region, few samples are elsewhere, and to have as many in each row is faster.
        with self.kernel.when((self.job.tiles > 1) & row.near & self._is_narrow()):
            least, most = self._interval(row) if self.variant.kind == LINEAR else self._projective_interval(row)
            begin.set(_clipped(least.floor(), width))
            end.set(_clipped(most.floor() + 1, width))
        return begin.get(), end.get()

    def _interval(self, row: Row) -> tuple[Value, Value]:
        """Between which columns all coordinates of a row are between their bounds; none, if it ends before it begins.

        Where a coordinate does not change it crosses its bounds at infinity, or is on one of them and says nothing.
        """
        least, most = self.kernel.number(0.0, F64), self.job.target[0].to(F64)
        for line, inverse, bounds in zip(row.lines, self._inverses, self._bounds, strict=True):
            one, other = ((bound - line.begin) * inverse for bound in bounds)
            least, most = one.least(other).most(least), one.most(other).least(most)  # what is not a number loses
        return least, most

    def _projective_interval(self, row: Row) -> tuple[Value, Value]:
        """The same; each bound is crossed in a direction of its own."""
        least, most = self.kernel.number(0.0, F64), self.job.target[0].to(F64)
        weight = row.lines[-1]
        for line, shift, bounds in zip(row.lines, self.job.shift, self._bounds, strict=False):
            for bound, sign in zip(bounds, (1, -1), strict=True):
                # By how much the first position exceeds the bound, and by how much more each following; both times the
                # homogeneous coordinate, which is positive where anything is read.
                start = line.begin - (bound - shift) * weight.begin
                step = line.step - (bound - shift) * weight.step
                rises, falls = step * sign > 0, step * sign < 0
                never = ~rises & ~falls & (start * sign < 0)
                root = -1 * start / step
                least = least.most(choose(rises, root, -1.0))
                most = choose(never, 0.0, most.least(choose(falls, root, ANYWHERE)))
        return least, most

    def _is_narrow(self) -> Value:
        """A projective map sends samples far away which are behind its horizon; there may be a border."""
        if self.variant.kind == LINEAR:
            return self.kernel.number(1, I1)
        rules = self.job.padding[0]
        for axis in range(1, self.variant.dims):
            rules = rules | self.job.padding[axis]
        return rules.is_(FILL)


def _clipped(place: Value, count: Value) -> Value:
    return place.most(0.0).least(count.to(F64)).to(I64)
