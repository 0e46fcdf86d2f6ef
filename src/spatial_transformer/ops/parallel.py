"""PyTorch's own threads, for kernels that PyTorch does not know.

libtorch exports `torch_parallel_for(begin, end, grain, function, context)`, which cuts begin ... end into ranges of at
least `grain` and calls `function(range_begin, range_end, context)` on each, on the threads that `torch.set_num_threads`
rules. A second pool of threads would compete with it; this one is also safe after a fork.
"""

import ctypes
import functools
from collections.abc import Callable
from pathlib import Path

import torch


@functools.cache
def parallel_for() -> Callable[[int, int, int, int, int], None] | None:
    """The function, which takes addresses for `function` and `context`; None if this PyTorch does not have it."""
    for name in ("libtorch_cpu.so", "libtorch_cpu.dylib", "torch_cpu.dll"):
        path = Path(torch.__file__).parent / "lib" / name
        if path.exists():
            function = getattr(ctypes.CDLL(str(path)), "torch_parallel_for", None)
            if function is None:
                return None
            function.restype = None
            function.argtypes = [ctypes.c_int64, ctypes.c_int64, ctypes.c_int64, ctypes.c_void_p, ctypes.c_void_p]
            return function
    return None
