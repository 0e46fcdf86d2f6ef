"""The pixels that the samples of a group touch, and how much each counts.

Along an axis a sample touches a few consecutive pixels, its taps. Their weights are polynomials of the fraction of its
position behind the central pixel; the weight of a tap is the product over the axes. `Inside` is for groups all of whose
taps are inside of the image, `Anywhere` for the others.
"""

from collections.abc import Callable, Sequence

from .job import BORDER, FILL, REFLECTION, WRAP
from .lanes import F64, I32, I64, LANES, Kernel, Value, choose, joined
from .positions import Places, Positions
from .reference import FURTHEST
from .variant import Variant

OUTSIDE = -(2**29)  # an offset that others can be added to without it becoming positive
Reader = Callable[[int | Value, Value], None]  # what is done with the value of a tap
MARGIN = 8  # pixels: more than any kernel's radius


class Weights:
    """The coefficients of a kernel's polynomials, and what they come to for a group.

    Args:
        kernel: where instructions are written.
        variant: of it.
        slopes: whether weights are differentiated along each axis, for `slope`.
    """

    def __init__(self, kernel: Kernel, variant: Variant, *, slopes: bool) -> None:
        self.kernel, self.variant = kernel, variant
        self.sets: list[int] = list(range(variant.dims)) if slopes else [-1]  # differentiated along this axis
        self.derivatives = 1 + slopes + variant.directional
        taps, table = variant.taps, kernel.pointer(kernel.job.table, F64)
        self._table = [
            [[self._coefficient(table, derivative, tap, power) for power in range(taps)] for tap in range(taps)]
            for derivative in range(self.derivatives)
        ]
        vector = kernel.lanes(variant.element).type
        self._along = kernel.room(vector, variant.dims * self.derivatives * taps)
        self._product = kernel.room(vector, len(self.sets) * variant.total)

    def _coefficient(self, table: Value, derivative: int, tap: int, power: int) -> Value:
        taps = self.variant.taps
        return table.at((derivative * taps + tap) * taps + power).load().to(self.variant.element)

    def weigh(
        self, fractions: list[Value], direction: list[Value], far: Sequence[Value | None], share: Value | None
    ) -> None:
        """Find the weights of all taps.

        Args:
            fractions: along each axis.
            direction: in pixels along each axis, if the kernel is directional.
            far: along each axis the samples that are so far away that they count as nearer than they are: they have no
                slope.
            share: what all weights are multiplied by; None for 1.
        """
        self.weigh_axes(fractions, far, share)

        def multiply(tap: int | Value) -> None:
            for number, own in enumerate(self.sets):
                product = self._product.at(tap + number * self.variant.total)
                product.store(self._multiply(tap, own, direction))

        self.kernel.repeat(self.variant.total, multiply)

    def weigh_axes(self, fractions: list[Value], far: Sequence[Value | None], share: Value | None) -> None:
        """Find the weights along each axis only."""
        taps = self.variant.taps
        for axis, (fraction, gone) in enumerate(zip(fractions, far, strict=True)):
            for derivative in range(self.derivatives):
                for tap in range(taps):
                    weight = self._horner(fraction, self._table[derivative][tap][: taps - derivative])
                    if gone is not None and derivative:
                        weight = choose(gone, 0, weight)
                    if share is not None and axis == 0:
                        weight = weight * share
                    self._place(axis, derivative, tap).store(weight)

    def of(self, tap: int | Value, number: int = 0) -> Value:
        """The weight of a tap for each sample, from a set."""
        return self._product.at(tap + number * self.variant.total).load()

    def along(self, axis: int, derivative: int, tap: int) -> Value:
        """The weight of a tap along an axis, or a derivative of it, for each sample."""
        return self._place(axis, derivative, tap).load()

    def _horner(self, fraction: Value, coefficients: list[Value]) -> Value:
        weight = self.kernel.lanes(self.variant.element)
        for power, coefficient in enumerate(reversed(coefficients)):
            weight = weight * fraction + coefficient if power else coefficient.spread()
        return weight

    def _place(self, axis: int, derivative: int, tap: int | Value) -> Value:
        return self._along.at(tap + (axis * self.derivatives + derivative) * self.variant.taps)

    def _multiply(self, tap: int | Value, own: int, direction: list[Value]) -> Value:
        """The product over the axes; along a direction the sum of those differentiated along each axis."""
        if not direction:
            return self._over_axes(tap, own, -1)
        terms = [self._over_axes(tap, own, axis) * h for axis, h in enumerate(direction)]
        total = terms[0]
        for term in terms[1:]:
            total = total + term
        return total

    def _over_axes(self, tap: int | Value, own: int, along: int) -> Value:
        product: Value | None = None
        for axis in range(self.variant.dims):
            weight = self._place(
                axis, (axis == own) + (axis == along), tap // self.variant.taps**axis % self.variant.taps
            )
            product = weight.load() if product is None else product * weight.load()
        assert product is not None
        return product


class Taps:
    """Reads the taps of a group.

    Args:
        positions: writes where its samples lie.
        slopes: as for `Weights`.

    Attributes:
        region: along each axis the first pixel that counts, and the first behind that does not: the whole image, but
            where it is written in parts.
    """

    def __init__(self, positions: Positions, *, slopes: bool) -> None:
        self.kernel, self.variant, self.job = positions.kernel, positions.variant, positions.job
        self.weights = Weights(self.kernel, self.variant, slopes=slopes)
        self._whole = [(self.kernel.number(0), self.job.size[axis]) for axis in range(self.variant.dims)]
        self.region = self._whole
        integers = self.kernel.lanes(self.variant.integer).type
        self._reach = self.kernel.room(integers, self.variant.dims * self.variant.taps)
        self.places = self.kernel.room(I64, LANES)  # of the first tap of each sample, or of another, in memory

    def are_inside(self, places: Places, *, whole: bool = False) -> Value:
        """Which samples have all their taps inside: of the region, or of the whole image."""
        taps, inside = self.variant.taps, None
        for axis, (low, high) in enumerate(self._whole if whole else self.region):
            first = places.centres[axis] - (low + self.variant.before).to(I32)
            here = first.counts_in((high - low + (1 - taps)).most(0).to(I32))
            inside = here if inside is None else inside & here
        assert inside is not None
        return inside

    def are_outside(self, places: Places) -> Value:
        """Which samples have no tap inside: what is there is filled, or in another region."""
        taps, outside = self.variant.taps, None
        for axis, (low, high) in enumerate(self.region):
            last = places.centres[axis] - (low + (self.variant.before - taps + 1)).to(I32)
            away, filled = ~last.counts_in((high - low + (taps - 1)).to(I32)), self.job.padding[axis].is_(FILL)
            if self.region is self._whole:
                away = away & filled.spread()
            else:  # where an image is not filled around, what is inside of it but not of a region is still in another
                away = away & (filled.spread() | self._are_within(places.centres[axis], axis))
            outside = away if outside is None else outside | away
        assert outside is not None
        return outside

    def _are_within(self, centre: Value, axis: int) -> Value:
        """Which samples have all their taps in the image along an axis."""
        first = centre - self.variant.before
        return first.counts_in((self.job.size[axis] + (1 - self.variant.taps)).most(0).to(I32))

    def inside(self, places: Places, direction: list[Value]) -> None:
        """Weigh the taps of a group that is inside, and find where the first of each sample lies in memory."""
        first: Value | None = None
        for axis, centre in enumerate(places.centres):
            offset = self._offset((centre - self.variant.before).to(self.variant.integer), axis)
            first = offset if first is None else first + offset
        assert first is not None
        self.weights.weigh(places.fractions, direction, [None] * self.variant.dims, places.share)
        self._first = first
        if not self.variant.gathers:
            self.kernel.spill(first.to(I64), self.places)

    def _offset(self, pixel: Value, axis: int) -> Value:
        if axis == 0 and self.variant.unit:
            return pixel
        return pixel * self.job.step[axis].to(self.variant.integer)

    def shift(self, tap: int | Value) -> Value:
        """From the first tap of a sample to another, in memory."""
        taps, step = self.variant.taps, self.job.step
        shift = step[1] * (tap // taps % taps)
        if self.variant.dims == 3:
            shift = shift + step[2] * (tap // taps // taps)
        along_x = tap % taps
        return shift + (along_x if self.variant.unit else step[0] * along_x)

    def anywhere(self, places: Places, direction: list[Value]) -> None:
        """Weigh the taps of any group, and find where each is."""
        far = []
        for axis, centre in enumerate(places.centres):
            first = centre - self.variant.before
            far.append((first < MARGIN - int(FURTHEST)) | (first > int(FURTHEST) - MARGIN))
            self._find(first, axis)
        self.weights.weigh(places.fractions, direction, far, places.share)

    def _find(self, first: Value, axis: int) -> None:
        """Where the taps along an axis lie in memory; OUTSIDE where nothing is."""
        low, high = (limit.to(I32) for limit in self.region[axis])
        for tap in range(self.variant.taps):
            pixel = self._read_instead(first + tap, axis)
            there = (pixel >= low) & (pixel < high)
            offset = self._offset(pixel.to(self.variant.integer), axis)
            self._reach.at(axis * self.variant.taps + tap).store(choose(there, offset, OUTSIDE))

    def _read_instead(self, pixel: Value, axis: int) -> Value:
        """The pixel that the padding reads instead of one outside; nothing where it fills."""
        kernel, rule, length = self.kernel, self.job.padding[axis], self.job.size[axis].to(I32)
        found = kernel.variable(pixel)
        with kernel.when(rule.is_(BORDER)):
            found.set(pixel.most(0).least(length - 1))
        with kernel.when(rule.is_(WRAP)):
            found.set(_modulo(pixel, length))
        with kernel.when(rule.is_(REFLECTION)):
            once = _modulo(pixel, length * 2)
            found.set(once.least(length * 2 - 1 - once))
        return found.get()

    def reach(self, tap: int | Value) -> tuple[Value, Value]:
        """Where a tap of each sample lies in memory, 0 where nothing is; and where something is."""
        taps, offset, sign = self.variant.taps, None, None
        for axis in range(self.variant.dims):
            along = self._reach.at(tap // taps**axis % taps + axis * taps).load()
            offset = along if offset is None else offset + along
            sign = along if sign is None else sign | along
        assert offset is not None
        assert sign is not None
        there = sign >= 0
        return choose(there, offset, 0), there

    # --- values -------------------------------------------------------------------------------------------------------

    def read_inside(self, channel: Value, use: Reader) -> None:
        """Hand the value of each tap of a group that is inside to `use(tap, value)`."""
        taps, rows = self.variant.taps, self.variant.rows
        wide = taps if self.variant.unit and taps in (1, 2, 4) else 1  # so many are read at once
        if self.variant.gathers:
            wide = min(wide, 2)
        together = rows if rows * taps <= 8 else 1  # so many rows share the work of finding places

        def read(row: int | Value) -> None:
            numbers = [(row + i) * taps + tap for i in range(together) for tap in range(0, taps, wide)]
            lines = [channel.at(self.shift(number)) for number in numbers]
            if self.variant.gathers:
                read = [line.gather_pairs(self._first) if wide == 2 else line.gather(self._first) for line in lines]
            else:
                read = self._gather(lines, self.places, wide)
            for number, found in zip(numbers, read, strict=True):
                for tap in range(wide):
                    use(number + tap, found.pick(range(tap, LANES * wide, wide)))

        self.kernel.repeat(rows // together, read, unrolled=4)

    def read_anywhere(self, channel: Value, fill: Value, use: Reader) -> None:
        """Hand the value of each tap of any group to `use(tap, value)`; what is filled where nothing is."""

        def read(tap: int | Value) -> None:
            offset, there = self.reach(tap)
            if self.variant.gathers:
                use(tap, channel.gather(offset, there, fill.spread()))
                return
            self.kernel.spill(offset.to(I64), self.places)
            (found,) = self._gather([channel], self.places, 1)
            use(tap, choose(there, found, fill.spread()))

        self.kernel.repeat(self.variant.total, read, unrolled=4)

    def _gather(self, lines: list[Value], places: Value, wide: int) -> list[Value]:
        """For each line the `wide` elements from each place on, side by side."""
        parts: list[list[Value]] = [[] for _ in lines]
        for lane in range(LANES):
            place = places.at(lane).load()
            for line, found in zip(lines, parts, strict=True):
                found.append(line.at(place).load(wide))
        return [joined(found) for found in parts]


def _modulo(pixel: Value, length: Value) -> Value:
    """In 0 ... length - 1; by way of float64, which is exact for these numbers and faster than to divide integers."""
    exact, divisor = pixel.to(F64), length.to(F64)
    return (exact - (exact / divisor).floor() * divisor).to(I32)
