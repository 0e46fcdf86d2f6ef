"""The tensors of a call, as pointers."""

from collections.abc import Iterator

from .lanes import I64, Kernel, Value
from .positions import Places
from .tiles import Group
from .variant import Variant


class Samples:
    """Where images, samples and directions lie.

    Args:
        kernel: where instructions are written.
        variant: of it.

    Attributes:
        filled: what stands outside of an image.
        step: from sample to sample in memory; None for 1.
        first: the first channel of the block.
        known: how many of its channels are in the block before, too.
    """

    def __init__(self, kernel: Kernel, variant: Variant) -> None:
        self.kernel, self.variant, self.job = kernel, variant, kernel.job
        self._image = kernel.pointer(self.job.image, variant.element)
        self._samples = kernel.pointer(self.job.samples, variant.element)
        self._direction = kernel.pointer(self.job.direction, variant.element)
        self.filled = self.job.fill.to(variant.element)
        self.step = None if variant.dense else self.job.samples_step[2]

    def outside(self, places: Places) -> Value:
        """What is read outside of an image: nothing, if weights are differentiated."""
        read = self.kernel.number(0, self.variant.element) if self.variant.directional else self.filled
        return read if places.share is None else read * places.share

    def place(self, m: Value, number: Value) -> Value:
        """Where a sample of a set lies, in the first channel."""
        return self._samples.at(m * self.job.samples_step[0] + (number if self.step is None else number * self.step))

    def turn_to(self, block: Value) -> None:
        """Deal with a block of channels from now on; the last begins where it ends with the channels."""
        begin = block * self.variant.block
        self.first = begin.least(self.job.channels - self.variant.block)
        self.known = begin - self.first

    def channels(self) -> Iterator[Value]:
        """The channels of the block that are in no block before, one after the other in the code.

        Processors foresee what an instruction will read next if it reads one channel only.
        """
        for i in range(self.variant.block):
            with self.kernel.when(self.known <= i):
                yield self.first + i

    def image(self, n: Value) -> Value:
        return self._image.at(n * self.job.image_step)

    def image_of(self, m: Value) -> Value:
        """The image that a set of points reads."""
        number = self.kernel.variable(m)
        with self.kernel.when(~self.job.index.is_(0)):
            number.set(self.kernel.pointer(self.job.index, I64).at(m).load())
        return self.image(number.get())

    def sets_of(self, n: Value) -> tuple[Value, Value]:
        """The sets of points that read an image: where in `member` they begin and end."""
        begin, end = self.kernel.variable(n), self.kernel.variable(n + 1)
        with self.kernel.when(~self.job.members.is_(0)):
            starts = self.kernel.pointer(self.job.starts, I64)
            begin.set(starts.at(n).load())
            end.set(starts.at(n + 1).load())
        return begin.get(), end.get()

    def member(self, number: Value) -> Value:
        """A set of points, in the order of their images; without an index, each image has one of its own."""
        m = self.kernel.variable(number)
        with self.kernel.when(~self.job.members.is_(0)):
            m.set(self.kernel.pointer(self.job.members, I64).at(number).load())
        return m.get()

    def directions(self, m: Value, group: Group) -> list[Value]:
        """The direction of each sample along each axis, in pixels; none, if the kernel is not directional."""
        if not self.variant.directional:
            return []
        job, found = self.job, []
        here = self._direction.at(m * job.direction_step[0] + group.first * job.direction_step[1])
        for axis in range(self.variant.dims):
            along = here.at(job.direction_step[2] * axis)
            read = self.kernel.read(along, group.length, step=job.direction_step[1])
            found.append(read * job.scale[axis].to(self.variant.element))
        return found
