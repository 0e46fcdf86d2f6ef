"""What the tests of the kernels share."""

import ctypes
import mmap

import pytest
import torch

from spatial_transformer.ops.resample import cpu, repeated


@pytest.fixture
def nothing_planned(monkeypatch):
    """Every call is planned anew, with the constants and for the processor of the test."""
    monkeypatch.setattr(cpu, "_plan", cpu._plan.__wrapped__)
    monkeypatch.setattr(repeated, "find", lambda *call: None)


@pytest.fixture(autouse=True)
def new_memory_is_not_a_number(request):
    """What a kernel forgets to write shows: PyTorch fills new memory so where it is asked to be deterministic."""
    if "cuda" in request.path.name:  # where that chooses other kernels
        yield
        return
    torch.use_deterministic_algorithms(True, warn_only=True)
    yield
    torch.use_deterministic_algorithms(False)


@pytest.fixture
def guarded():
    """Moves tensors to where a page that may not be touched follows, or comes before: who does ends the process."""
    if not hasattr(mmap, "MAP_ANONYMOUS"):
        pytest.skip("pages are guarded by mprotect")
    protect = ctypes.CDLL(None, use_errno=True).mprotect
    protect.argtypes = (ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int)

    def move(tensor, *, end):
        page = mmap.PAGESIZE
        room = -(-tensor.nbytes // page) * page
        pages = mmap.mmap(-1, room + 2 * page)
        begin = ctypes.addressof(ctypes.c_char.from_buffer(pages))
        for guard in (begin, begin + page + room):
            assert protect(guard, page, 0) == 0, ctypes.get_errno()
        first = page + (room - tensor.nbytes if end else 0)
        flat = torch.frombuffer(pages, dtype=tensor.dtype, count=tensor.numel(), offset=first)
        return flat.as_strided(tensor.shape, tensor.stride()).copy_(tensor)

    return move
