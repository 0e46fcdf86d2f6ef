"""Commands in processes of their own that have imported everything already."""

import contextlib
import gc
import importlib
import importlib.util
import multiprocessing
import os
import signal
import sys

import pytest
import torch

gc.set_threshold(100_000, 20, 20)  # what tests make is mostly not garbage: less often than by default


class ForkedCommand:
    """`stn ARGUMENTS` in a fork of this process, with the methods of `subprocess.Popen` that tests need.

    A fork begins with all modules that are imported here, which take a new process as long as all of a small training.
    """

    def __init__(self, arguments, output):
        self._output = output
        self._process = multiprocessing.get_context("fork").Process(target=_run, args=(arguments, output))
        self._process.start()
        self.pid = self._process.pid

    def send_signal(self, number):
        os.kill(self.pid, number)

    def communicate(self, timeout):
        """What it and its children print, and None, once it has ended."""
        self._process.join(timeout)
        assert self.returncode is not None, f"still running after {timeout} s:\n{self._output.read_text()}"
        return self._output.read_text(), None

    @property
    def returncode(self):
        return self._process.exitcode


def _run(arguments, output):
    from stn_lab.cli import main

    with contextlib.suppress(PermissionError):  # already the first of a group
        os.setsid()
    with output.open("w", buffering=1) as file:
        os.dup2(file.fileno(), 1)
        os.dup2(file.fileno(), 2)
        sys.stdout = sys.stderr = file
        signal.signal(signal.SIGINT, signal.default_int_handler)
        torch.set_num_threads(1)  # OpenMP's own do not live on in a fork
        # Processes that train with this one are started as it seems to have been.
        sys.argv[1:] = arguments
        sys.modules["__main__"].__spec__ = importlib.util.find_spec("stn_lab.cli")
        main(arguments)


def pytest_collection_finish(session):
    """Ten thousand collected tests are no garbage: whoever looks for some need not go through them each time."""
    gc.collect()
    gc.freeze()


@pytest.fixture
def forks():
    """For tests that train in a fork of this process, which may have differentiated already."""
    if torch.backends.cuda.is_built():
        pytest.skip("a PyTorch that is built for CUDA does not differentiate in a fork of a process that has done so")


@pytest.fixture
def stn_process(forks, tmp_path_factory):
    """Call it with arguments of `stn`: what it returns runs beside the test, and is waited for or ended."""
    importlib.import_module("stn_lab.runs.run")  # here, and so in every fork
    started = []

    def start(*arguments):
        output = tmp_path_factory.mktemp("process") / "output.txt"
        started.append(ForkedCommand([*map(str, arguments)], output))
        return started[-1]

    yield start
    for command in started:  # with the processes that it has started, should these still wait for it
        with contextlib.suppress(ProcessLookupError):
            os.killpg(command.pid, signal.SIGKILL)
        command.communicate(timeout=60)
