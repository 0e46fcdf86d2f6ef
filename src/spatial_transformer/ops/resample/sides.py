"""Samples that lie where two cells meet: read from both, of which the mean is taken.

A derivative of a kernel may jump from cell to cell: at a whole pixel the slope of the linear kernel is another one to
the right than to the left. A group with such a sample goes through a loop once for each side, and all others go through
it once. What is done for the few is kept in memory, so that it takes no registers of the many.
"""

import functools
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from .lanes import I32, Kernel, Value, Variable, choose
from .positions import Places
from .variant import Variant


class Sides:
    """Writes the loop.

    Args:
        kernel: where instructions are written.
        variant: of it.
    """

    def __init__(self, kernel: Kernel, variant: Variant) -> None:
        self.kernel, self.variant, self.job = kernel, variant, kernel.job
        integers, numbers = kernel.lanes(I32).type, kernel.lanes(variant.element).type
        self._centres = kernel.room(integers, max(1, variant.sides) * variant.dims)
        self._fractions = kernel.room(numbers, max(1, variant.sides) * variant.dims)
        self._sums = kernel.room(numbers, variant.dims)

    @contextmanager
    def each(self, places: Places, sums: Sequence[Variable] = ()) -> Iterator[Places]:
        """The sides from which a group is read, one after the other: its own cells, and those that they meet.

        Args:
            places: of the group.
            sums: what is found out from a side, of which the mean is taken; without, weights are multiplied by a share.
        """
        kernel, variant = self.kernel, self.variant
        if variant.sides == 1:
            yield places
            return
        if variant.sides == 0:
            with kernel.loop(0, 0):  # which the compiler leaves out
                yield places
            return
        several = self._prepare(places, len(sums))
        count, part = (
            choose(several, kernel.number(variant.sides), 1),
            kernel.number(1 / variant.sides, variant.element),
        )
        centres = [kernel.variable(centre) for centre in places.centres]
        fractions = [kernel.variable(fraction) for fraction in places.fractions]
        with kernel.loop(0, count) as side:
            here = places._replace(
                centres=[centre.get() for centre in centres],
                fractions=[fraction.get() for fraction in fractions],
                share=None if sums else choose(several, part, 1),
                again=~side.is_(0),
            )
            for one in sums:
                one.set(kernel.lanes(variant.element))
            yield here
            with kernel.when(side + 1 < count, likely=False):
                self._turn_to(side + 1, centres, fractions)
                for earlier, one in self._with_earlier(sums):
                    earlier.store(earlier.load() + one.get())
        with kernel.when(several, likely=False):
            for earlier, one in self._with_earlier(sums):
                one.set((earlier.load() + one.get()) * part)

    def _prepare(self, places: Places, sums: int) -> Value:
        """Whether some sample of a group lies where cells meet; then keep where it lies in each of them."""
        low, limits = self.variant.low, self.job.rounding[: self.variant.dims]
        limits = [limit.to(self.variant.element) for limit in limits]
        # (f - low) (low + 1 - f), from the beginning of a cell times from its end, is small near both.
        ways = [(0.25 if low else fraction) - fraction * fraction for fraction in places.fractions]
        several = (functools.reduce(Value.least, ways) <= functools.reduce(Value.most, limits)).any()
        with self.kernel.when(several, likely=False):
            for side in range(1, self.variant.sides):
                for axis, (way, limit) in enumerate(zip(ways, limits, strict=True)):
                    self._keep(side, axis, places, way <= limit)
            for number in range(sums):
                self.kernel.spill(self.kernel.lanes(self.variant.element), self._sums.at(number))
        return several

    def _keep(self, side: int, axis: int, places: Places, on_end: Value) -> None:
        """Keep where a group lies along an axis, as it is counted from a side."""
        kernel, number = self.kernel, side * self.variant.dims + axis
        centre, fraction = places.centres[axis], places.fractions[axis]
        if self.variant.sides == 2 or side >> axis & 1:  # from the cells that it meets along this axis
            before = fraction < self.variant.low + 0.5
            step = choose(on_end, choose(before, kernel.lanes(I32, -1), 1), 0)
            centre, fraction = centre + step, fraction - step.to(self.variant.element)
        kernel.spill(centre, self._centres.at(number))
        kernel.spill(fraction, self._fractions.at(number))

    def _turn_to(self, side: Value, centres: list[Variable], fractions: list[Variable]) -> None:
        for axis, (centre, fraction) in enumerate(zip(centres, fractions, strict=True)):
            number = side * self.variant.dims + axis
            centre.set(self._centres.at(number).load())
            fraction.set(self._fractions.at(number).load())

    def _with_earlier(self, sums: Sequence[Variable]) -> Iterator[tuple[Value, Variable]]:
        """Sums with what earlier sides have added up to."""
        for number, one in enumerate(sums):
            yield self._sums.at(number), one
