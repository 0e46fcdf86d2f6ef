"""Code that was written for PyTorch's and Kornia's warps, on this library's kernels, unchanged and as exact.

`accelerate` makes code that calls `affine_grid` and `grid_sample` use them; `compat.torch` and `compat.kornia` have the
functions themselves, in the signatures of the originals. What these kernels are not faster at, or do not do, goes to
the original: `speed.py` says where that is.
"""

from . import kornia, torch
from .acceleration import accelerate

__all__ = ["accelerate", "kornia", "torch"]
