"""Stage 4 for the linear kernel where all taps are inside: the weights are the fractions themselves.

The same results as those of the general loops in `loops.py`, in fewer loads. In the volume functions a pixel's two
neighbours along x are called a and b, those one row on c and d, and the same one slice on e, f, g and h.
"""

from .compiled import inline


@inline
def pull_plane(job, base, fraction, begin, end, image, pixels, samples, to):
    x, y, step, block = job.step[0], job.step[1], job.samples_step[2], job.block
    for k in range(begin, end):
        first, fx, fy = pixels + base[k], fraction[k], fraction[block + k]
        top, bottom = image[first], image[first + y]
        top += fx * (image[first + x] - top)
        bottom += fx * (image[first + y + x] - bottom)
        samples[to + k * step] = top + fy * (bottom - top)


@inline
def pull_volume(job, base, fraction, begin, end, image, pixels, samples, to):
    x, y, z, step, block = job.step[0], job.step[1], job.step[2], job.samples_step[2], job.block
    for k in range(begin, end):
        first, fx, fy, fz = pixels + base[k], fraction[k], fraction[block + k], fraction[2 * block + k]
        ab, cd, ef, gh = image[first], image[first + y], image[first + z], image[first + z + y]
        ab += fx * (image[first + x] - ab)
        cd += fx * (image[first + y + x] - cd)
        ef += fx * (image[first + z + x] - ef)
        gh += fx * (image[first + z + y + x] - gh)
        near, far = ab + fy * (cd - ab), ef + fy * (gh - ef)
        samples[to + k * step] = near + fz * (far - near)


@inline
def push_plane(job, base, fraction, begin, end, image, pixels, samples, at_samples):
    x, y, step, block = job.step[0], job.step[1], job.samples_step[2], job.block
    for k in range(begin, end):
        first, fx, fy = pixels + base[k], fraction[k], fraction[block + k]
        value = samples[at_samples + k * step]
        b = fx * value
        a = value - b
        c, d = fy * a, fy * b
        image[first] += a - c
        image[first + x] += b - d
        image[first + y] += c
        image[first + y + x] += d


@inline
def push_volume(job, base, fraction, begin, end, image, pixels, samples, at_samples):
    x, y, z, step, block = job.step[0], job.step[1], job.step[2], job.samples_step[2], job.block
    for k in range(begin, end):
        first, fx, fy, fz = pixels + base[k], fraction[k], fraction[block + k], fraction[2 * block + k]
        value = samples[at_samples + k * step]
        b = fx * value
        a = value - b
        c, d = fy * a, fy * b
        a, b = a - c, b - d
        e, f, g, h = fz * a, fz * b, fz * c, fz * d
        image[first] += a - e
        image[first + x] += b - f
        image[first + y] += c - g
        image[first + y + x] += d - h
        image[first + z] += e
        image[first + z + x] += f
        image[first + z + y] += g
        image[first + z + y + x] += h


@inline
def slope_plane(job, base, fraction, begin, end, image, pixels, samples, at_samples, found):
    x, y, step, block = job.step[0], job.step[1], job.samples_step[2], job.block
    for k in range(begin, end):
        first, fx, fy = pixels + base[k], fraction[k], fraction[block + k]
        value = samples[at_samples + k * step]
        a, c = image[first], image[first + y]
        top, bottom = image[first + x] - a, image[first + y + x] - c
        along_x = top + fy * (bottom - top)
        along_y = (c + fx * bottom) - (a + fx * top)
        found[k] += along_x * value
        found[block + k] += along_y * value


@inline
def slope_volume(job, base, fraction, begin, end, image, pixels, samples, at_samples, found):
    x, y, z, step, block = job.step[0], job.step[1], job.step[2], job.samples_step[2], job.block
    for k in range(begin, end):
        first, fx, fy, fz = pixels + base[k], fraction[k], fraction[block + k], fraction[2 * block + k]
        value = samples[at_samples + k * step]
        a, c, e, g = image[first], image[first + y], image[first + z], image[first + z + y]
        ab, cd = image[first + x] - a, image[first + y + x] - c
        ef, gh = image[first + z + x] - e, image[first + z + y + x] - g
        near_x, far_x = ab + fy * (cd - ab), ef + fy * (gh - ef)
        a, c, e, g = a + fx * ab, c + fx * cd, e + fx * ef, g + fx * gh  # read along x
        near_y, far_y = c - a, g - e
        near, far = a + fy * near_y, e + fy * far_y
        found[k] += (near_x + fz * (far_x - near_x)) * value
        found[block + k] += (near_y + fz * (far_y - near_y)) * value
        found[2 * block + k] += (far - near) * value
