"""A small language for kernels: loops over samples that lie side by side in vector registers, written as Python.

The function of a kernel is run once, in Python, on values that stand for numbers that are not known yet, and every
operation on them writes an instruction for LLVM. Python's own `if` and `for` are therefore decided when a kernel is
compiled: what depends on the kind of kernel costs nothing, and short loops are unrolled. `Kernel.loop` and
`Kernel.when` are for what is decided while it runs.

A value is a number, or a vector of `LANES` numbers, one for each sample of a group. Operators work on both, and repeat
a number in all lanes where it meets a vector. Python's numbers become constants of the type that they meet.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from llvmlite import ir

LANES = 16
I1, I8, I32, I64 = (ir.IntType(bits) for bits in (1, 8, 32, 64))
F32, F64 = ir.FloatType(), ir.DoubleType()
FUSED = ("contract", "nsz")  # a product and a sum may be rounded once; NaN and infinity keep their meaning
EXACT = ("nsz",)  # rounded after each operation


class Value:
    """A number, or a vector of numbers, or a pointer, that a kernel computes."""

    __slots__ = ("builder", "ir")

    def __init__(self, builder: ir.IRBuilder, value: Any) -> None:
        self.builder, self.ir = builder, value

    @property
    def type(self) -> Any:
        return self.ir.type

    @property
    def element(self) -> Any:
        """The type of its numbers."""
        return getattr(self.type, "element", self.type)

    @property
    def is_vector(self) -> bool:
        return isinstance(self.type, ir.VectorType)

    @property
    def is_float(self) -> bool:
        return self.element in (F32, F64)

    # --- arithmetic ---------------------------------------------------------------------------------------------------

    def __add__(self, other: Any) -> "Value":
        return self._two(other, "fadd", "add")

    def __sub__(self, other: Any) -> "Value":
        return self._two(other, "fsub", "sub")

    def __mul__(self, other: Any) -> "Value":
        return self._two(other, "fmul", "mul")

    def __truediv__(self, other: Any) -> "Value":
        return self._two(other, "fdiv", "")

    def __floordiv__(self, other: Any) -> "Value":
        """Of numbers that are not negative."""
        return self._two(other, "", "udiv")

    def __mod__(self, other: Any) -> "Value":
        """Of numbers that are not negative."""
        return self._two(other, "", "urem")

    def __radd__(self, other: Any) -> "Value":
        return self + other

    def __rmul__(self, other: Any) -> "Value":
        return self * other

    def __rsub__(self, other: Any) -> "Value":
        return self._like(other) - self

    def __rtruediv__(self, other: Any) -> "Value":
        return self._like(other) / self

    def times(self, other: Any) -> "Value":
        """The product, rounded even where a sum follows."""
        return self._two(other, "fmul", "", EXACT)

    def plus(self, other: Any) -> "Value":
        """The sum, rounded by itself even where it is of a product."""
        return self._two(other, "fadd", "", EXACT)

    def floor(self) -> "Value":
        return self._whole("floor")

    def round_to_even(self) -> "Value":
        """The nearest whole number; of two the even one."""
        return self._whole("roundeven")

    def _whole(self, how: str) -> "Value":
        size = f"v{self.type.count}" if self.is_vector else ""
        name, module = f"llvm.{how}.{size}f{8 * _bytes(self.element)}", self.builder.module
        function = module.globals.get(name) or ir.Function(module, ir.FunctionType(self.type, [self.type]), name)
        return self._new(self.builder.call(function, [self.ir]))

    def least(self, other: Any) -> "Value":
        return choose(self < other, self, other)

    def most(self, other: Any) -> "Value":
        return choose(self > other, self, other)

    # --- comparisons: false where one of the two is not a number ------------------------------------------------------

    def __lt__(self, other: Any) -> "Value":
        return self._compare("<", other)

    def __le__(self, other: Any) -> "Value":
        return self._compare("<=", other)

    def __gt__(self, other: Any) -> "Value":
        return self._compare(">", other)

    def __ge__(self, other: Any) -> "Value":
        return self._compare(">=", other)

    def is_(self, other: Any) -> "Value":
        return self._compare("==", other)

    def counts_in(self, length: Any) -> "Value":
        """Whether it is one of 0, 1, ..., length - 1: a single comparison of whole numbers without a sign."""
        return self._new(self.builder.icmp_unsigned("<", *self._pair(length)))

    def __and__(self, other: Any) -> "Value":
        return self._new(self.builder.and_(*self._pair(other)))

    def __or__(self, other: Any) -> "Value":
        return self._new(self.builder.or_(*self._pair(other)))

    def __invert__(self) -> "Value":
        return self._new(self.builder.not_(self.ir))

    def all(self) -> "Value":
        """Whether it is true in all lanes."""
        return self._new(self.builder.icmp_unsigned("==", self._bits(), ir.Constant(ir.IntType(LANES), -1)))

    def any(self) -> "Value":
        """Whether it is true in some lane."""
        return self._new(self.builder.icmp_unsigned("!=", self._bits(), ir.Constant(ir.IntType(LANES), 0)))

    # --- lanes --------------------------------------------------------------------------------------------------------

    def to(self, element: Any) -> "Value":
        """The same numbers in another type; what is behind the point is cut off in whole numbers."""
        if self.element == element:
            return self
        type_ = ir.VectorType(element, self.type.count) if self.is_vector else element
        return self._new(getattr(self.builder, _conversion(self.element, element))(self.ir, type_))

    def spread(self, count: int = LANES) -> "Value":
        """A number in all lanes."""
        one = self.builder.insert_element(ir.Constant(ir.VectorType(self.type, 1), ir.Undefined), self.ir, I32(0))
        return self._new(one).pick([0] * count)

    def pick(self, lanes: Sequence[int], other: "Value | None" = None) -> "Value":
        """Some lanes, in an order; those of `other` follow its own."""
        second = self.ir if other is None else other.ir
        order = ir.Constant(ir.VectorType(I32, len(lanes)), list(lanes))
        return self._new(self.builder.shuffle_vector(self.ir, second, order))

    def lookup(self, lanes: "Value", other: "Value") -> "Value":
        """As `pick`, lanes being known only while the kernel runs: of two vectors of float32, with AVX-512."""
        name, module = "llvm.x86.avx512.vpermi2var.ps.512", self.builder.module
        type_ = ir.FunctionType(self.type, [self.type, lanes.type, self.type])
        function = module.globals.get(name) or ir.Function(module, type_, name)
        return self._new(self.builder.call(function, [self.ir, lanes.ir, other.ir]))

    def lane(self, number: int) -> "Value":
        return self._new(self.builder.extract_element(self.ir, I32(number)))

    def sum(self) -> "Value":
        """Over the lanes, in halves: always in the same order."""
        total = self
        while total.type.count > 1:
            half = total.type.count // 2
            total = total.pick(range(half)) + total.pick(range(half, 2 * half))
        return total.lane(0)

    # --- memory: of a pointer -----------------------------------------------------------------------------------------

    def at(self, index: Any) -> "Value":
        """The pointer to an element further on."""
        return self._new(self.builder.gep(self.ir, [index.ir if isinstance(index, Value) else I64(index)]))

    def load(self, count: int = 0) -> "Value":
        """A number, or as many as follow each other in a vector."""
        if not count:
            return self._new(self.builder.load(self.ir))
        element = self.type.pointee
        loaded = self.builder.load(self.builder.bitcast(self.ir, ir.VectorType(element, count).as_pointer()))
        loaded.align = _bytes(element)
        return self._new(loaded)

    def gather(self, places: "Value", there: "Value | None" = None, otherwise: "Value | None" = None) -> "Value":
        """The elements at some places, or `otherwise` where nothing is there: of float32, with AVX-512."""
        return self._gather("dps", ir.VectorType(F32, LANES), places, there, otherwise)

    def gather_pairs(self, places: "Value") -> "Value":
        """The element at each place and the next, pair after pair: of float32, with AVX-512."""
        half = LANES // 2
        pairs = [
            self._gather("dpd", ir.VectorType(F64, half), places.pick(range(begin, begin + half)))
            for begin in (0, half)
        ]
        one, other = (self._new(self.builder.bitcast(pair.ir, ir.VectorType(F32, LANES))) for pair in pairs)
        return one.pick(range(2 * LANES), other)

    def _gather(
        self, kind: str, type_: Any, places: "Value", there: "Value | None" = None, otherwise: "Value | None" = None
    ) -> "Value":
        name, module, pointer = f"llvm.x86.avx512.mask.gather.{kind}.512", self.builder.module, I8.as_pointer()
        mask = ir.VectorType(I1, type_.count)
        function = module.globals.get(name) or ir.Function(
            module, ir.FunctionType(type_, [type_, pointer, places.type, mask, I32]), name
        )
        given = [
            ir.Constant(type_, [0] * type_.count) if otherwise is None else otherwise.ir,
            self.builder.bitcast(self.ir, pointer),
            places.ir,
            ir.Constant(mask, [1] * type_.count) if there is None else there.ir,
            I32(4),  # bytes that places count
        ]
        return self._new(self.builder.call(function, given))

    def store(self, value: "Value") -> None:
        pointer = self.builder.bitcast(self.ir, value.type.as_pointer()) if value.is_vector else self.ir
        stored = self.builder.store(value.ir, pointer)
        stored.align = _bytes(value.element)

    def prefetch(self, *, first: bool = True) -> None:
        """Have what is there brought near, to be read soon: to the first-level cache, or to the second."""
        name, module, pointer = "llvm.prefetch.p0", self.builder.module, I8.as_pointer()
        type_ = ir.FunctionType(ir.VoidType(), [pointer, I32, I32, I32])
        function = module.globals.get(name) or ir.Function(module, type_, name)
        self.builder.call(function, [self.builder.bitcast(self.ir, pointer), I32(0), I32(3 if first else 2), I32(1)])

    # --- behind the scenes --------------------------------------------------------------------------------------------

    def _new(self, value: Any) -> "Value":
        return Value(self.builder, value)

    def _like(self, other: Any) -> "Value":
        """A value, or Python's number, as a value of the same type."""
        if not isinstance(other, Value):
            number = float(other) if self.is_float else int(other)
            constant = [number] * self.type.count if self.is_vector else number
            return self._new(ir.Constant(self.type, constant))
        return other.spread(self.type.count) if self.is_vector and not other.is_vector else other

    def _pair(self, other: Any) -> tuple[Any, Any]:
        other = self._like(other)
        return other._like(self).ir, other.ir

    def _two(self, other: Any, of_floats: str, of_integers: str, flags: Sequence[str] = FUSED) -> "Value":
        a, b = self._pair(other)
        if self.is_float:
            return self._new(getattr(self.builder, of_floats)(a, b, flags=flags))
        return self._new(getattr(self.builder, of_integers)(a, b))

    def _compare(self, relation: str, other: Any) -> "Value":
        a, b = self._pair(other)
        compare = self.builder.fcmp_ordered if self.is_float else self.builder.icmp_signed
        return self._new(compare(relation, a, b))

    def _bits(self) -> Any:
        return self.builder.bitcast(self.ir, ir.IntType(LANES))


def choose(condition: Value, a: Any, b: Any) -> Value:
    """`a` where the condition is true, `b` elsewhere."""
    a = a if isinstance(a, Value) else b._like(a)
    one, other = a._pair(b)
    return Value(condition.builder, condition.builder.select(condition.ir, one, other))


def joined(vectors: list[Value]) -> Value:
    """One behind the other, in pairs; there are as many as a power of two."""
    while len(vectors) > 1:
        lanes = range(2 * vectors[0].type.count)
        vectors = [a.pick(lanes, b) for a, b in zip(vectors[::2], vectors[1::2], strict=True)]
    return vectors[0]


class Variable:
    """A value that changes while a kernel runs."""

    def __init__(self, kernel: "Kernel", start: Value) -> None:
        self._place = kernel.room(start.type)
        self.set(start)

    def get(self) -> Value:
        return self._place.load()

    def set(self, value: Value) -> None:
        self._place.builder.store(value.ir, self._place.ir)

    def add(self, value: Value) -> None:
        self.set(self.get() + value)


class Fields:
    """What a kernel is told: numbers by name, read when it begins; of what there is three of, a list."""

    def __getattr__(self, name: str) -> Any:
        return self.__dict__[name]


class Kernel:
    """Writes a function `void name(int64 begin, int64 end, const Job *job)`.

    Args:
        name: of the function.
        fields: (name, type, how many) of each member of the job, all of 8 bytes.
    """

    def __init__(self, name: str, fields: Sequence[tuple[str, Any, int]]) -> None:
        self.module = ir.Module(name)
        function = ir.Function(self.module, ir.FunctionType(ir.VoidType(), [I64, I64, I64.as_pointer()]), name)
        self.entry = function.append_basic_block("entry")  # holds rooms only, and then goes to the body
        self.builder = ir.IRBuilder(function.append_basic_block("body"))
        self._first = self.builder.block
        self.begin, self.end = (Value(self.builder, argument) for argument in function.args[:2])
        self._taken: list[Any] = []
        self.job = self._read(fields, function.args[2])

    def _read(self, fields: Sequence[tuple[str, Any, int]], job: Any) -> Fields:
        read, words = Fields(), 0
        for name, type_, count in fields:
            here = [
                Value(self.builder, self.builder.load(self.builder.bitcast(word, type_.as_pointer())))
                for word in (self.builder.gep(job, [I64(words + i)]) for i in range(count))
            ]
            setattr(read, name, here if count > 1 else here[0])
            words += count
        return read

    def finish(self) -> str:
        """The module in LLVM's language."""
        for memory in self._taken:
            give = ir.Function(self.module, ir.FunctionType(ir.VoidType(), [I8.as_pointer()]), "free")
            self.builder.call(give, [memory])
        self.builder.ret_void()
        ir.IRBuilder(self.entry).branch(self._first)
        return str(self.module)

    def number(self, value: float, type_: Any = I64) -> Value:
        return Value(self.builder, ir.Constant(type_, value))

    def lanes(self, element: Any, value: float = 0) -> Value:
        """A vector of equal constants."""
        return Value(self.builder, ir.Constant(ir.VectorType(element, LANES), [value] * LANES))

    def counting(self, element: Any) -> Value:
        """0, 1, 2, ... in the lanes."""
        return Value(self.builder, ir.Constant(ir.VectorType(element, LANES), list(range(LANES))))

    def pointer(self, address: Value, element: Any) -> Value:
        return Value(self.builder, self.builder.inttoptr(address.ir, element.as_pointer()))

    def room(self, type_: Any, count: int = 1) -> Value:
        """A pointer to uninitialised memory on the stack."""
        at_entry = ir.IRBuilder(self.entry)
        array = at_entry.alloca(ir.ArrayType(type_, count))
        array.align = 64
        return Value(self.builder, at_entry.bitcast(array, type_.as_pointer()))

    def heap(self, element: Any, count: Value) -> Value:
        """A pointer to memory that is given back when the kernel ends; null if there is none."""
        take = ir.Function(self.module, ir.FunctionType(I8.as_pointer(), [I64]), "malloc")
        memory = self.builder.call(take, [(count * _bytes(element) + 64).ir])
        self._taken.append(memory)
        aligned = self.builder.and_(self.builder.add(self.builder.ptrtoint(memory, I64), I64(63)), I64(-64))
        return self.pointer(Value(self.builder, aligned), element)

    def spill(self, value: Value, room: Value) -> None:
        """Put a vector into memory, to be read lane by lane: LLVM would take its lanes out of the register, which
        costs more."""
        room.store(value)
        keep = ir.FunctionType(ir.VoidType(), [room.type])
        self.builder.asm(keep, "", "r,~{memory}", [room.ir], side_effect=True)

    def variable(self, start: Value) -> Variable:
        return Variable(self, start)

    @contextmanager
    def loop(self, begin: Any, end: Any, step: int = 1) -> Iterator[Value]:
        """for i in range(begin, end, step), at run time."""
        begin, end = (v if isinstance(v, Value) else self.number(v) for v in (begin, end))
        test, body, after = (self.builder.append_basic_block(name) for name in ("test", "loop", "after"))
        before = self.builder.block
        self.builder.branch(test)
        self.builder.position_at_end(test)
        counter = self.builder.phi(begin.type)
        counter.add_incoming(begin.ir, before)
        self.builder.cbranch(self.builder.icmp_signed("<", counter, end.ir), body, after)
        self.builder.position_at_end(body)
        yield Value(self.builder, counter)
        counter.add_incoming(self.builder.add(counter, ir.Constant(begin.type, step)), self.builder.block)
        self.builder.branch(test)
        self.builder.position_at_end(after)

    def repeat(self, count: int, body: Callable[[Any], None], *, unrolled: int = 16) -> None:
        """body(i) for so many i: one after the other in the code if they are few, in a loop if not."""
        if count <= unrolled:
            for number in range(count):
                body(number)
        else:
            with self.loop(0, count) as i:
                body(i)

    def read(self, pointer: Value, count: Value, length: int = LANES, step: Value | None = None) -> Value:
        """A vector from memory, of which only `count` elements exist, `step` apart; the others are 0."""
        element = pointer.type.pointee
        zeros = Value(self.builder, ir.Constant(ir.VectorType(element, length), [0] * length))
        found = self.variable(zeros)
        with self.either(self._is_whole(count, length, step)) as (at_once, one_by_one):
            with at_once:
                if step is None:
                    found.set(pointer.load(length))
            with one_by_one:
                copy = self.room(element, length)
                copy.store(zeros)
                with self.loop(0, count) as i:
                    copy.at(i).store(pointer.at(i if step is None else i * step).load())
                found.set(copy.load(length))
        return found.get()

    def write(self, pointer: Value, value: Value, count: Value, step: Value | None = None) -> None:
        """The opposite of `read`."""
        length = value.type.count
        with self.either(self._is_whole(count, length, step)) as (at_once, one_by_one):
            with at_once:
                if step is None:
                    pointer.store(value)
            with one_by_one:
                copy = self.room(value.element, length)
                copy.store(value)
                with self.loop(0, count) as i:
                    pointer.at(i if step is None else i * step).store(copy.at(i).load())

    def _is_whole(self, count: Value, length: int, step: Value | None) -> Value:
        return count.is_(length) if step is None else self.number(0, I1)

    @contextmanager
    def when(self, condition: Value, *, likely: bool | None = None) -> Iterator[None]:
        with self.builder.if_then(condition.ir, likely=likely):
            yield

    @contextmanager
    def either(self, condition: Value) -> Iterator[tuple[Any, Any]]:
        """Two blocks: with either(c) as (then, otherwise): with then: ...; with otherwise: ..."""
        with self.builder.if_else(condition.ir) as blocks:
            yield blocks


def _bytes(element: Any) -> int:
    return 8 if element in (F64, I64) else 4


def _conversion(of: Any, to: Any) -> str:
    floats = (F32, F64)
    if of in floats:
        return ("fpext" if to == F64 else "fptrunc") if to in floats else "fptosi"
    if to in floats:
        return "sitofp"
    if of == I1:
        return "zext"
    return "sext" if of.width < to.width else "trunc"
