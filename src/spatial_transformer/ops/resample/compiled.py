"""Kernels as machine code: compiled by LLVM when first used, and kept on disk.

The cache is a folder of files, one for each kernel, whose names hash everything that the code depends on: the source
of this package, what kind of kernel it is, the processor and LLVM. A file is written under another name and then
renamed, so processes that compile at the same time do not meet; it begins with a hash of the rest, so a damaged one is
compiled anew. Where no folder can be written to, kernels live as long as the process.
"""

import contextlib
import ctypes
import functools
import gc
import hashlib
import os
import platform
import re
import sys
import tempfile
import threading
from collections.abc import Callable, Hashable, Iterator
from pathlib import Path
from typing import NamedTuple

import llvmlite
import llvmlite.binding as llvm

FOLDER = "SPATIAL_TRANSFORMER_CACHE"  # the environment variable that says where compiled kernels are kept
DUMP = "SPATIAL_TRANSFORMER_DUMP"  # the one that says into which folder to write what is compiled, to be read
FAST_GATHERS = ("sapphirerapids", "emeraldrapids", "graniterapids", "graniterapids-d", "diamondrapids")
HASH = hashlib.sha256(b"").digest_size

_TASKS = ctypes.CFUNCTYPE(None, ctypes.c_int64, ctypes.c_int64, ctypes.c_void_p)  # from, to, and what is told

_lock = threading.RLock()  # LLVM, and the dictionary of what is loaded
_loaded: dict[Hashable, "Code"] = {}


class Code(NamedTuple):
    """A C function that has been loaded."""

    address: int
    call: Callable[[int, int, int], None]  # of its arguments, the last of which is an address
    keeper: object  # without which it is gone


def function(name: str, variant: Hashable, write: Callable[[], str]) -> Code:
    """A C function.

    Args:
        name: of the function.
        variant: whatever tells it from others of its name; its `repr` says all about it.
        write: the module that defines it, in LLVM's language; called if it was never compiled before.
    """
    found = _loaded.get((name, variant))
    if found is None:
        with _lock:
            found = _loaded.get((name, variant))
            if found is None:
                found = _loaded[name, variant] = _link(name, _machine_code(f"{name} {variant!r}", write))
    return found


def cache_folder() -> Path:
    """Where compiled kernels are kept."""
    if FOLDER in os.environ:
        return Path(os.environ[FOLDER])
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Caches" / "spatial_transformer"
    if sys.platform == "win32" and "LOCALAPPDATA" in os.environ:
        return Path(os.environ["LOCALAPPDATA"]) / "spatial_transformer"
    return Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "spatial_transformer"


def _machine_code(kernel: str, write: Callable[[], str]) -> bytes:
    path = cache_folder() / f"{hashlib.sha256(f'{_environment()} {kernel}'.encode()).hexdigest()}.kernel"
    if DUMP in os.environ:
        return _compile(write(), Path(os.environ[DUMP], re.sub(r"\W+", "_", kernel).strip("_")))
    try:
        stored = path.read_bytes()
        if hashlib.sha256(stored[HASH:]).digest() == stored[:HASH]:
            return stored[HASH:]
    except OSError:
        pass  # not compiled yet
    with _no_search_for_garbage():
        code = _compile(write())
    _keep(path, hashlib.sha256(code).digest() + code)
    return code


@contextlib.contextmanager
def _no_search_for_garbage() -> Iterator[None]:
    """While a kernel is written, which makes thousands of objects and no garbage: the search takes half of the time."""
    searching = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if searching:
            gc.enable()


def _keep(path: Path, content: bytes) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=path.parent, delete=False) as file:
            file.write(content)
        Path(file.name).replace(path)
    except OSError:
        pass  # read-only or full: the next process compiles again


@functools.cache
def _environment() -> str:
    """What the code of all kernels depends on."""
    sources = (path.read_bytes() for path in sorted(Path(__file__).parent.glob("*.py")))
    source = hashlib.sha256(b"".join(sources)).hexdigest()
    version = ".".join(map(str, llvm.llvm_version_info))
    return " ".join((source, llvmlite.__version__, version, platform.machine(), *_processor()))


@functools.cache
def can(feature: str) -> bool:
    """Whether the processor has a set of instructions: "avx512f", ..."""
    return bool(llvm.get_host_cpu_features().get(feature))


@functools.cache
def gathers() -> bool:
    """Whether the processor loads numbers from many places with one instruction faster than one by one.

    Others have the instruction and take as long, or were slowed down to close a hole in their security.
    """
    return can("avx512f") and llvm.get_host_cpu_name() in FAST_GATHERS


@functools.cache
def near_cache() -> int:
    """Bytes of the second-level cache of a core; a common size where the system does not say."""
    try:
        found = os.sysconf("SC_LEVEL2_CACHE_SIZE")
    except (AttributeError, ValueError, OSError):
        found = 0
    return found if found > 0 else 2**20


@functools.cache
def _processor() -> tuple[str, str]:
    """Its name, and what it can do."""
    return llvm.get_host_cpu_name(), llvm.get_host_cpu_features().flatten()


def _machine() -> llvm.TargetMachine:
    """This processor, as LLVM knows it; whoever links owns one of its own."""
    llvm.initialize_native_target()
    llvm.initialize_native_asmprinter()
    cpu, features = _processor()
    target = llvm.Target.from_triple(llvm.get_process_triple())
    return target.create_target_machine(cpu=cpu, features=features, opt=3, codemodel="jitdefault", jit=True)


def _compile(code: str, dump: Path | None = None) -> bytes:
    """Machine code of a module; it is also written to `dump`, before (.ll) and after (.opt.ll, .s) optimisation."""
    module = llvm.parse_assembly(code)
    module.verify()
    options = llvm.create_pipeline_tuning_options(speed_level=3)
    options.loop_vectorization = options.slp_vectorization = False  # kernels say themselves what is a vector
    machine = _machine()
    passes = llvm.create_pass_builder(machine, options)
    passes.getModulePassManager().run(module, passes)
    if dump is not None:
        dump.parent.mkdir(parents=True, exist_ok=True)
        for ending, text in (("ll", code), ("opt.ll", str(module)), ("s", machine.emit_assembly(module))):
            Path(f"{dump}.{ending}").write_text(text)
    return machine.emit_object(module)


def _link(name: str, code: bytes) -> Code:
    engine = llvm.create_mcjit_compiler(llvm.parse_assembly(""), _machine())
    engine.add_object_file(llvm.ObjectFileRef.from_data(code))
    engine.finalize_object()
    address = engine.get_function_address(name)
    return Code(address, _TASKS(address), engine)
