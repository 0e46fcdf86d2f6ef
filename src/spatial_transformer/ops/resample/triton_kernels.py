"""The kernels of the CUDA backend, in Triton: one program for each set of points and block of its samples.

    pull, push, slope    the three operators
    _locate              where the samples lie: from points, or from a matrix on the grid of the output
    _axis                per axis and tap: which pixel is read, and its weight with the derivatives of that
    _product             the product over the axes, differentiated along a direction if there is one

Values are held as (channels, samples). A tap's weights and addresses are computed once for a tile of channels. Sizes,
steps and everything else with one entry per axis are tuples, x first; in 2D the entries of z are there and unused.
Products are never fused with sums (see `cuda.py`): positions then round as those of the readable twin do, and a pixel's
centre comes out as a whole number.
"""

import triton
import triton.language as tl

from ...coordinates import FAR_OUTSIDE
from ...homography import HORIZON
from .reference import FURTHEST

POINTS, LINEAR, PROJECTIVE = 0, 1, 2  # what `source` holds

_far_outside = tl.constexpr(FAR_OUTSIDE)
_horizon = tl.constexpr(HORIZON)
_furthest = tl.constexpr(FURTHEST)
_points = tl.constexpr(POINTS)
_projective = tl.constexpr(PROJECTIVE)
_border, _reflection, _wrap = tl.constexpr(1), tl.constexpr(2), tl.constexpr(3)  # their numbers in `how.RULES`


# --- where samples lie ------------------------------------------------------------------------------------------------


@triton.jit
def _samples(count, block: tl.constexpr, wide: tl.constexpr):
    """The set of points of this program, the number of its block in the set, and the samples of the block, (block,)."""
    program = tl.program_id(0)
    tiles = tl.cdiv(count, block)
    tile = program % tiles
    if wide:
        tile = tile.to(tl.int64)
    k = tile * block + tl.arange(0, block)
    return (program // tiles).to(tl.int64), tile, k, k < count


@triton.jit
def _divide(a, b):
    """Rounded to the nearest number, which `/` is not in float32."""
    if a.dtype == tl.float64:
        quotient = a / b
    else:
        quotient = tl.div_rn(a, b)
    return quotient


@triton.jit
def _centre(number, length, dtype: tl.constexpr):
    """The normalised coordinate of pixel `number` of `length`."""
    return _divide((2 * number + 1 - length).to(dtype), (0 * number + length).to(dtype))


@triton.jit
def _grid(k, target, dims: tl.constexpr, dtype: tl.constexpr):
    """Where the samples lie in the output: normalised x, y, z."""
    x = _centre(k % target[0], target[0], dtype)
    if dims == 2:
        y = _centre(k // target[0], target[1], dtype)
        z = x
    else:
        y = _centre(k // target[0] % target[1], target[1], dtype)
        z = _centre(k // target[0] // target[1], target[2], dtype)
    return x, y, z


@triton.jit
def _row(matrix, step, row, x, y, z, dims: tl.constexpr):
    """A row of the matrix times (x, y(, z), 1)."""
    at = matrix + row * step[1]
    total = tl.load(at + dims * step[2]) + tl.load(at) * x
    total += tl.load(at + step[2]) * y
    if dims == 3:
        total += tl.load(at + 2 * step[2]) * z
    return total


@triton.jit
def _locate(source, step, m, k, real, target, dims: tl.constexpr, kind: tl.constexpr):
    """The points that samples read, normalised, and one over the homogeneous coordinate: 0 behind the horizon."""
    dtype: tl.constexpr = source.dtype.element_ty
    source += m * step[0]
    last: tl.constexpr = dims - 1
    if kind == _points:
        at = source + k.to(tl.int64) * step[1]
        x = tl.load(at, mask=real, other=0.0)
        y = tl.load(at + step[2], mask=real, other=0.0)
        z = tl.load(at + last * step[2], mask=real, other=0.0)
        inverse = tl.zeros_like(x) + 1.0
    else:
        gx, gy, gz = _grid(k, target, dims, dtype)
        x = _row(source, step, 0, gx, gy, gz, dims)
        y = _row(source, step, 1, gx, gy, gz, dims)
        z = _row(source, step, last, gx, gy, gz, dims)
        inverse = tl.zeros_like(x) + 1.0
        if kind == _projective:
            weight = _row(source, step, dims, gx, gy, gz, dims)
            behind = weight <= _horizon  # false for NaN
            weight = tl.where(behind, 1.0, weight)
            x = tl.where(behind, _far_outside, _divide(x, weight))
            y = tl.where(behind, _far_outside, _divide(y, weight))
            z = tl.where(behind, _far_outside, _divide(z, weight))
            inverse = tl.where(behind, 0.0, _divide(tl.zeros_like(x) + 1.0, weight))
    return x, y, z, inverse


@triton.jit
def _split(point, length, margin, rounding, taps: tl.constexpr, sides: tl.constexpr):
    """Along an axis: the first pixel touched, the fraction behind the central one, and whether the position counts."""
    inner = length - 2 * margin
    position = point * (0.5 * inner) + (0.5 * inner - 0.5) + margin
    near = tl.abs(position) <= _furthest  # what is further away is put there, and has no slope
    position = tl.where(position == position, position, 0.0)
    position = tl.minimum(tl.maximum(position, -_furthest), _furthest)
    if taps == 1 or sides > 1:
        centre = tl.floor(position + 0.5 * (taps % 2) + rounding)
    elif taps % 2 == 0:  # on which side of where cells meet makes no difference
        centre = tl.floor(position)
    else:
        centre = tl.floor(position - 0.5) + 1.0
    return centre.to(tl.int32) - (taps - 1) // 2, position - centre, near


@triton.jit
def _split_all(x, y, z, size, margin, rounding, taps: tl.constexpr, sides: tl.constexpr):
    """`_split` for each axis, as nine in a row; in 2D those of z are not used."""
    fx, rx, nx = _split(x, size[0], margin[0], rounding[0], taps, sides)
    fy, ry, ny = _split(y, size[1], margin[1], rounding[1], taps, sides)
    fz, rz, nz = _split(z, size[2], margin[2], rounding[2], taps, sides)
    return fx, rx, nx, fy, ry, ny, fz, rz, nz


@triton.jit
def _ends(at, rounding, dims: tl.constexpr, taps: tl.constexpr):
    """Which samples lie where two cells meet: along each axis, and along any of them."""
    low: tl.constexpr = -0.5 * (taps % 2)
    x, y, z = at[1] - low <= rounding[0], at[4] - low <= rounding[1], at[7] - low <= rounding[2]
    some = x | y
    if dims == 3:
        some |= z
    return x, y, z, some


@triton.jit
def _count(ends, sides: tl.constexpr):
    """From how many cells the samples of the block are read."""
    count = min(sides, 1)
    if sides > 1:
        count += (sides - 1) * tl.max(ends[3].to(tl.int32), axis=0)
    return count


@triton.jit
def _cell(at, ends, side, sides: tl.constexpr):
    """A side's cell for the samples where cells meet: `at` in it, and its share in each sample.

    It lies to the left along all axes, or along those that the side says.
    """
    x, y, z = side, side, side
    if sides > 2:
        x, y, z = side % 2, side // 2 % 2, side // 4
    x = (ends[0] & (x > 0)).to(tl.int32)
    y = (ends[1] & (y > 0)).to(tl.int32)
    z = (ends[2] & (z > 0)).to(tl.int32)
    share = tl.where(ends[3], 1.0 / max(sides, 1), tl.where(side == 0, 1.0, 0.0)).to(
        at[1].dtype
    )  # the others have one cell
    return at[0] - x, at[1] + x, at[2], at[3] - y, at[4] + y, at[5], at[6] - z, at[7] + z, at[8], share


@triton.jit
def _is_known(x, y, z):
    """Whether no coordinate is NaN; in 2D z repeats another one."""
    return (x == x) & (y == y) & (z == z)


@triton.jit
def _turn(direction, step, m, k, real, size, margin, dims: tl.constexpr):
    """The direction of each sample in pixels, x, y, z; zeros without one."""
    if direction is None:
        x = 0.0 * k
        y = x
        z = x
    else:
        at = direction + m * step[0] + k.to(tl.int64) * step[1]
        x = tl.load(at, mask=real, other=0.0) * (0.5 * (size[0] - 2 * margin[0]))
        y = tl.load(at + step[2], mask=real, other=0.0) * (0.5 * (size[1] - 2 * margin[1]))
        z = tl.load(at + (dims - 1) * step[2], mask=real, other=0.0) * (0.5 * (size[2] - 2 * margin[2]))
    return x, y, z


# --- what they read ---------------------------------------------------------------------------------------------------


@triton.jit
def _polynomial(table, tap, fraction, taps: tl.constexpr):
    """Horner's rule."""
    at = table + tap * taps
    total = 0 * fraction + tl.load(at + taps - 1)
    for power in tl.static_range(1, taps):
        total = total * fraction + tl.load(at + taps - 1 - power)
    return total


@triton.jit
def _axis(
    table, tap, first, fraction, near, length, step,
    taps: tl.constexpr, rule: tl.constexpr, orders: tl.constexpr,
):  # fmt: skip
    """A tap along an axis: its offset in memory, whether it is inside, its weight and `orders` derivatives."""
    pixel = first + tap
    if rule == _border:
        pixel = tl.minimum(tl.maximum(pixel, 0), length - 1)
    elif rule == _reflection:
        pixel = pixel % (2 * length)
        pixel = tl.where(pixel < 0, pixel + 2 * length, pixel)
        pixel = tl.minimum(pixel, 2 * length - 1 - pixel)
    elif rule == _wrap:
        pixel = pixel % length
        pixel = tl.where(pixel < 0, pixel + length, pixel)
    weight = _polynomial(table, tap, fraction, taps)
    first_derivative = weight
    second_derivative = weight
    if orders > 0:
        first_derivative = tl.where(near, _polynomial(table + taps * taps, tap, fraction, taps), 0.0)
    if orders > 1:
        second_derivative = tl.where(near, _polynomial(table + 2 * taps * taps, tap, fraction, taps), 0.0)
    inside = (pixel >= 0) & (pixel < length)
    return pixel.to(tl.int64) * step, inside, weight, first_derivative, second_derivative


@triton.jit
def _tap(
    t, at, size, steps, table,
    taps: tl.constexpr, rules: tl.constexpr, dims: tl.constexpr, orders: tl.constexpr,
):  # fmt: skip
    """Tap t of all: its offset in memory, whether it is inside, and per axis the weight and its derivatives."""
    ox, ix, x, dx, ddx = _axis(table, t % taps, at[0], at[1], at[2], size[0], steps[2], taps, rules[0], orders)
    oy, iy, y, dy, ddy = _axis(table, t // taps % taps, at[3], at[4], at[5], size[1], steps[3], taps, rules[1], orders)
    offset = ox + oy
    inside = ix & iy
    z, dz, ddz = x, x, x
    if dims == 3:
        tap = t // taps // taps
        oz, iz, z, dz, ddz = _axis(table, tap, at[6], at[7], at[8], size[2], steps[4], taps, rules[2], orders)
        offset += oz
        inside &= iz
    return offset, inside, x, dx, ddx, y, dy, ddy, z, dz, ddz


@triton.jit
def _product(x, dx, y, dy, z, dz, hx, hy, hz, dims: tl.constexpr, directed: tl.constexpr):
    """The weight of a tap, or its derivative along (hx, hy, hz)."""
    if directed:
        if dims == 2:
            product = hx * dx * y + hy * x * dy
        else:
            product = hx * dx * y * z + hy * x * dy * z + hz * x * y * dz
    elif dims == 2:
        product = x * y
    else:
        product = x * y * z
    return product


# --- the operators ----------------------------------------------------------------------------------------------------


@triton.jit
def pull(
    image, samples, source, direction, index, numbers, steps, samples_step, source_step, direction_step,
    size, margin, rounding, target, channels, count,
    dims: tl.constexpr, taps: tl.constexpr, kind: tl.constexpr, sides: tl.constexpr, rules: tl.constexpr,
    unrolled: tl.constexpr, tile_of_channels: tl.constexpr, wide: tl.constexpr, block: tl.constexpr,
):  # fmt: skip
    """Write samples (M, C, K)."""
    m, _, k, real = _samples(count, block, wide)
    x, y, z, _ = _locate(source, source_step, m, k, real, target, dims, kind)
    at = _split_all(x, y, z, size, margin, rounding, taps, sides)
    ends = _ends(at, rounding, dims, taps)
    hx, hy, hz = _turn(direction, direction_step, m, k, real, size, margin, dims)
    known = _is_known(x, y, z)
    fill = tl.load(numbers + 3 * taps * taps)
    directed: tl.constexpr = direction is not None
    n = m if index is None else tl.load(index + m)
    for begin in range(0, channels, tile_of_channels):
        c = (begin + tl.arange(0, tile_of_channels)).to(tl.int64)[:, None]  # (channels, 1)
        wanted = (c < channels) & real[None, :]
        pixels = image + n * steps[0] + c * steps[1]
        total = tl.zeros((tile_of_channels, block), image.dtype.element_ty)
        for side in range(0, _count(ends, sides)):
            cell = _cell(at, ends, side, sides)
            for rest in range(0, taps**dims // unrolled):
                for some in tl.static_range(unrolled):
                    offset, inside, wx, dx, _, wy, dy, _, wz, dz, _ = _tap(
                        rest * unrolled + some, cell, size, steps, numbers, taps, rules, dims, directed
                    )
                    weight = cell[9] * _product(wx, dx, wy, dy, wz, dz, hx, hy, hz, dims, directed)
                    value = tl.load(pixels + offset[None, :], mask=wanted & inside[None, :], other=fill)
                    total += weight[None, :] * value
        nowhere = fill if direction is None else 0 * fill
        total = tl.where(known[None, :], total, nowhere)
        to = samples + m * samples_step[0] + c * samples_step[1] + k.to(tl.int64)[None, :] * samples_step[2]
        tl.store(to, total, mask=wanted)


@triton.jit
def push(
    image, samples, source, direction, index, numbers, steps, samples_step, source_step, direction_step,
    size, margin, rounding, target, channels, count, scale,
    dims: tl.constexpr, taps: tl.constexpr, kind: tl.constexpr, sides: tl.constexpr, rules: tl.constexpr,
    unrolled: tl.constexpr, tile_of_channels: tl.constexpr, wide: tl.constexpr, block: tl.constexpr,
):  # fmt: skip
    """Add samples to images; to images of whole numbers, multiplied by `scale`, if that is given."""
    m, _, k, real = _samples(count, block, wide)
    x, y, z, _ = _locate(source, source_step, m, k, real, target, dims, kind)
    at = _split_all(x, y, z, size, margin, rounding, taps, sides)
    ends = _ends(at, rounding, dims, taps)
    hx, hy, hz = _turn(direction, direction_step, m, k, real, size, margin, dims)
    real &= _is_known(x, y, z)
    directed: tl.constexpr = direction is not None
    n = m if index is None else tl.load(index + m)
    for begin in range(0, channels, tile_of_channels):
        c = (begin + tl.arange(0, tile_of_channels)).to(tl.int64)[:, None]  # (channels, 1)
        wanted = (c < channels) & real[None, :]
        pixels = image + n * steps[0] + c * steps[1]
        of = samples + m * samples_step[0] + c * samples_step[1] + k.to(tl.int64)[None, :] * samples_step[2]
        value = tl.load(of, mask=wanted, other=0.0)
        for side in range(0, _count(ends, sides)):
            cell = _cell(at, ends, side, sides)
            for rest in range(0, taps**dims // unrolled):
                for some in tl.static_range(unrolled):
                    offset, inside, wx, dx, _, wy, dy, _, wz, dz, _ = _tap(
                        rest * unrolled + some, cell, size, steps, numbers, taps, rules, dims, directed
                    )
                    weight = cell[9] * _product(wx, dx, wy, dy, wz, dz, hx, hy, hz, dims, directed)
                    part = weight[None, :] * value
                    if scale is not None:
                        part = tl.floor(part.to(tl.float64) * tl.load(scale) + 0.5)
                        part = tl.where(part == part, part, 0.0).to(tl.int64)  # NaN: so is `scale`, and the result
                    tl.atomic_add(pixels + offset[None, :], part, mask=wanted & inside[None, :], sem="relaxed")


@triton.jit
def slope(
    image, samples, source, direction, index, numbers, steps, samples_step, source_step, direction_step,
    size, margin, rounding, target, channels, count, result, result_step,
    dims: tl.constexpr, taps: tl.constexpr, kind: tl.constexpr, sides: tl.constexpr, rules: tl.constexpr,
    unrolled: tl.constexpr, tile_of_channels: tl.constexpr, wide: tl.constexpr, block: tl.constexpr,
):  # fmt: skip
    """Write the gradient of points (M, K, D), or this block's part of that of matrices, (M, blocks, D | D+1, D+1)."""
    m, tile, k, real = _samples(count, block, wide)
    x, y, z, inverse = _locate(source, source_step, m, k, real, target, dims, kind)
    at = _split_all(x, y, z, size, margin, rounding, taps, sides)
    ends = _ends(at, rounding, dims, taps)
    hx, hy, hz = _turn(direction, direction_step, m, k, real, size, margin, dims)
    known = _is_known(x, y, z) & real
    fill = tl.load(numbers + 3 * taps * taps)
    directed: tl.constexpr = direction is not None
    n = m if index is None else tl.load(index + m)
    sx = tl.zeros_like(x)
    sy = tl.zeros_like(x)
    sz = tl.zeros_like(x)
    for begin in range(0, channels, tile_of_channels):
        c = (begin + tl.arange(0, tile_of_channels)).to(tl.int64)[:, None]  # (channels, 1)
        wanted = (c < channels) & real[None, :]
        pixels = image + n * steps[0] + c * steps[1]
        of = samples + m * samples_step[0] + c * samples_step[1] + k.to(tl.int64)[None, :] * samples_step[2]
        cotangent = tl.load(of, mask=wanted, other=0.0)
        for side in range(0, _count(ends, sides)):
            cell = _cell(at, ends, side, sides)
            for rest in range(0, taps**dims // unrolled):
                for some in tl.static_range(unrolled):
                    offset, inside, wx, dx, ddx, wy, dy, ddy, wz, dz, ddz = _tap(
                        rest * unrolled + some, cell, size, steps, numbers, taps, rules, dims, 1 + directed
                    )
                    value = tl.load(pixels + offset[None, :], mask=wanted & inside[None, :], other=fill)
                    both = cell[9] * tl.sum(tl.where(wanted, cotangent * value, 0.0), axis=0)  # (block,)
                    sx += both * _product(dx, ddx, wy, dy, wz, dz, hx, hy, hz, dims, directed)
                    sy += both * _product(wx, dx, dy, ddy, wz, dz, hx, hy, hz, dims, directed)
                    if dims == 3:
                        sz += both * _product(wx, dx, wy, dy, dz, ddz, hx, hy, hz, dims, directed)
    sx = tl.where(known, sx * (0.5 * (size[0] - 2 * margin[0])), 0.0)
    sy = tl.where(known, sy * (0.5 * (size[1] - 2 * margin[1])), 0.0)
    sz = tl.where(known, sz * (0.5 * (size[2] - 2 * margin[2])), 0.0)
    if kind == _points:
        to = result + m * result_step + k.to(tl.int64) * dims
        tl.store(to, sx, mask=real)
        tl.store(to + 1, sy, mask=real)
        if dims == 3:
            tl.store(to + 2, sz, mask=real)
    else:
        gx, gy, gz = _grid(k, target, dims, source.dtype.element_ty)
        sx = tl.where(known, sx * inverse, 0.0)
        sy = tl.where(known, sy * inverse, 0.0)
        sz = tl.where(known, sz * inverse, 0.0)
        rows: tl.constexpr = dims + (kind == _projective)
        to = result + m * result_step + tile * (rows * (dims + 1))
        _store_row(to, sx, gx, gy, gz, dims)
        _store_row(to + (dims + 1), sy, gx, gy, gz, dims)
        if dims == 3:
            _store_row(to + 2 * (dims + 1), sz, gx, gy, gz, dims)
        if kind == _projective:
            along = sx * x + sy * y
            if dims == 3:
                along += sz * z
            _store_row(to + dims * (dims + 1), tl.where(known, -along, 0.0), gx, gy, gz, dims)


@triton.jit
def _store_row(to, slope, x, y, z, dims: tl.constexpr):
    """The sum over the block of slopes times (x, y(, z), 1)."""
    tl.store(to, tl.sum(slope * x).to(tl.float64))
    tl.store(to + 1, tl.sum(slope * y).to(tl.float64))
    if dims == 3:
        tl.store(to + 2, tl.sum(slope * z).to(tl.float64))
    tl.store(to + dims, tl.sum(slope).to(tl.float64))
