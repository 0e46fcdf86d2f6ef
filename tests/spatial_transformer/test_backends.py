"""Choosing a backend: forced, automatic, and refused with a reason."""

import threading

import pytest
import torch

import spatial_transformer as st
from spatial_transformer import backends, testing
from spatial_transformer.kernels import Lanczos

CPU = torch.device("cpu")


@pytest.fixture
def with_a_broken_backend(monkeypatch):
    """A backend that is preferred to the others, and cannot run."""
    broken = backends.Backend("broken", "for this test", lambda device: f"no {device} was found")
    monkeypatch.setattr(backends, "BACKENDS", (broken, *backends.BACKENDS))


def test_the_first_backend_that_can_run_is_chosen():
    able = [backend.name for backend in backends.BACKENDS if backend.unavailable(CPU) is None]
    assert backends.current(CPU) == able[0]


@pytest.mark.usefixtures("with_a_broken_backend")
def test_a_backend_that_cannot_run_is_passed_over():
    assert backends.current(CPU) in [backend.name for backend in backends.BACKENDS[1:]]
    assert st.sample(torch.ones(1, 1, 2, 2), torch.zeros(1, 1, 2)).item() == 1


@pytest.mark.usefixtures("with_a_broken_backend")
def test_a_backend_asked_for_by_name_runs_or_raises_with_the_reason():
    with (
        backends.use("broken"),
        pytest.raises(RuntimeError, match="'broken' was asked for, but cannot run on cpu: no cpu was found"),
    ):
        st.sample(torch.ones(1, 1, 2, 2), torch.zeros(1, 1, 2))


@pytest.mark.usefixtures("with_a_broken_backend")
def test_use_holds_inside_the_block_and_nests():
    automatic = backends.current(CPU)
    with backends.use("broken"):
        with backends.use("reference"):
            assert backends.current(CPU) == "reference"
        with pytest.raises(RuntimeError, match="asked for"):
            backends.current(CPU)
    assert backends.current(CPU) == automatic


@pytest.mark.usefixtures("with_a_broken_backend")
def test_use_ends_with_an_exception():
    with pytest.raises(KeyError), backends.use("broken"):
        raise KeyError
    assert backends.current(CPU) != "broken"


@pytest.mark.usefixtures("with_a_broken_backend")
def test_use_does_not_reach_other_threads():
    seen = []
    with backends.use("broken"):
        thread = threading.Thread(target=lambda: seen.append(backends.current(CPU)))
        thread.start()
        thread.join()
    assert seen == [backends.current(CPU)]


def test_an_unknown_backend_is_refused():
    with (
        pytest.raises(ValueError, match=r"`name` must be one of .*'reference'.*; got 'abacus'"),
        backends.use("abacus"),
    ):
        pass


def test_every_backend_says_what_it_is():
    for backend in backends.BACKENDS:
        assert backend.name
        assert backend.summary


def test_what_the_compiled_backend_cannot_do_the_reference_does_unless_it_is_asked_for_by_name():
    image, points = testing.random_image((5, 7)), testing.random_points(2, 2, 9, dtype=torch.float32)
    labels = torch.randint(9, (2, 1, 5, 7))
    assert st.sample(image, points, mode=Lanczos()).shape == (2, 3, 9)
    with backends.use("cpu"):
        with pytest.raises(RuntimeError, match=r"'cpu' was asked for.*weights of Lanczos.*no polynomials"):
            st.sample(image, points, mode=Lanczos())
        with pytest.raises(RuntimeError, match=r"'cpu' was asked for.*not torch.int64"):
            st.sample(labels, points, mode="nearest")


def test_a_model_runs_on_the_backend_of_the_block(backend):
    assert backends.current(CPU) == backend
    testing.assert_identity_returns_input(st.ThinPlateSpline(), (5, 7))
