"""The transpose of bilinear sampling, by way of cells.

A sample adds to four pixels, the corners of the cell it lies in. Samples next to each other share pixels, so one by one
each addition would wait for the one before. Here every cell has four numbers of its own, next to each other, to which a
sample adds in one go; at last every pixel sums the corners that it is of the cells around it. Around the image there is
a ring of cells, and what samples add there outside of the image is never read.
"""

from .lanes import I32, I64, LANES, Kernel, Value, choose
from .planes import SPREAD
from .samples import Samples
from .taps import Taps
from .tiles import Group
from .variant import Variant

CORNERS = 4


class Cells:
    """Writes `push` for the linear kernel in images.

    Args:
        kernel: where instructions are written.
        variant: of it.
        samples: the tensors of the call.
        taps: weighs a group.
    """

    def __init__(self, kernel: Kernel, variant: Variant, samples: Samples, taps: Taps) -> None:
        self.kernel, self.variant, self.samples, self.taps, self.job = kernel, variant, samples, taps, kernel.job
        self.width = self.job.size[0] + 1  # cells along a row
        height = self.job.size[1] // self.job.parts + 2  # of the highest band
        self.plane = self.width * height * CORNERS
        self._cells = kernel.heap(variant.element, self.plane * self.job.channels)
        self._product = kernel.room(variant.element, CORNERS * LANES)

    def begin(self, image: Value) -> None:
        """Turn to a band of an image."""
        self.image = image
        with self.kernel.loop(0, self.plane * self.job.channels) as i:
            self._cells.at(i).store(self.kernel.number(0, self.variant.element))

    def push(self, m: Value, group: Group, places: list[Value], direction: list[Value], wanted: Value) -> None:
        """Add a group to cells; of samples that are not wanted nothing is added."""
        centres = [place.floor() for place in places]
        fractions = [choose(wanted, place - centre, 0) for place, centre in zip(places, centres, strict=True)]
        x, y = (choose(wanted, centre, 0).to(I32).to(I64) for centre in centres)
        cell = ((y - (self.taps.low - 1)) * self.width + (x + 1)) * CORNERS
        self.kernel.spill(choose(wanted, cell, 0), self.taps.places)
        self.taps.weights.weigh([part.to(self.variant.element) for part in fractions], direction, [None, None])
        of = self.samples.place(m, group.first)
        corners = [CORNERS * lane + corner for lane in range(LANES) for corner in range(CORNERS)]
        order = [lane % CORNERS * LANES + lane // CORNERS for lane in corners]
        for c in self.samples.channels():
            gradient = self.kernel.read(of.at(c * self.job.samples_step[1]), group.length, step=self.samples.step)
            gradient = choose(wanted, gradient, 0)
            upper, lower = (
                (self.taps.weights.of(tap) * gradient).pick(range(2 * LANES), self.taps.weights.of(tap + 1) * gradient)
                for tap in (0, 2)
            )
            self._product.store(upper.pick(range(4 * LANES), lower).pick(order))
            cells = self._cells.at(c * self.plane)
            for lane in SPREAD:
                here = cells.at(self.taps.places.at(lane).load())
                here.store(here.load(CORNERS) + self._product.at(lane * CORNERS).load(CORNERS))

    def end(self) -> None:
        """Add cells to the image."""
        width = self.job.size[0]
        count, last = width.least(LANES), (width - LANES).most(0)
        with self.kernel.loop(0, self.job.channels) as c, self.kernel.loop(self.taps.low, self.taps.high) as y:
            above = self._cells.at(c * self.plane + (y - self.taps.low) * self.width * CORNERS)
            row = self.image.at(c * self.job.channel_step + y * self.job.step[1])
            with self.kernel.loop(0, width, LANES) as column:
                start = column.least(last)
                total = self._corner(above, start, 1, count) + self._corner(above, start + 1, 0, count)
                fresh = self.kernel.counting(I64) >= column - start
                to = row.at(start)
                self.kernel.write(to, self.kernel.read(to, count) + choose(fresh, total, 0), count)

    def _corner(self, above: Value, column: Value, right: int, count: Value) -> Value:
        """What pixels are given by the cells of a column to the left or right of them, above and below."""
        total = None
        for below in (0, 1):  # the pixel is the lower corner of the cell above it, and the upper corner of that below
            cells = above.at((column + below * self.width) * CORNERS)
            read = self.kernel.read(cells, count * CORNERS, LANES * CORNERS)
            corner = 2 * (1 - below) + right
            picked = read.pick(range(corner, LANES * CORNERS, CORNERS))
            total = picked if total is None else total + picked
        assert total is not None
        return total
