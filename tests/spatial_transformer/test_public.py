"""The public list: short, explicit, documented, cheap to import."""

import inspect
import subprocess
import sys

import pytest

import spatial_transformer as st
from spatial_transformer import families


@pytest.mark.parametrize("name", st.__all__)
def test_every_public_name_resolves_and_is_documented(name):
    value = getattr(st, name)
    assert inspect.getdoc(value)
    assert value.__doc__.strip()


def test_public_names_are_listed_once():
    assert len(set(st.__all__)) == len(st.__all__)


def test_everything_public_is_in_the_list():
    names = {name for name, value in vars(st).items() if inspect.isclass(value) or inspect.isfunction(value)}
    assert names <= set(st.__all__)


@pytest.mark.parametrize("name", [name for name in st.__all__ if inspect.isroutine(getattr(st, name))])
def test_public_functions_show_an_example(name):
    assert ">>> " in getattr(st, name).__doc__


def public_families():
    return [value for value in vars(st).values() if inspect.isclass(value) and issubclass(value, st.Family)]


@pytest.mark.parametrize("family", [family for family in public_families() if family is not st.Family])
def test_families_are_final_and_show_an_example(family):
    assert family.__final__
    assert ">>> " in family.__doc__


def test_every_family_is_public_and_in_the_test_matrix(tested_families):
    concrete = {
        value
        for value in vars(families).values()
        if inspect.isclass(value) and issubclass(value, st.Family) and not inspect.isabstract(value)
    }
    assert concrete <= set(public_families())
    assert concrete == {type(family) for family in tested_families}


def test_import_is_cheap_and_needs_torch_only():
    heavy = ["llvmlite", "triton", "lightning", "pytorch_lightning", "stn_lab", "matplotlib", "scipy", "cv2", "pytest"]
    program = (
        "import sys, torch; before = set(sys.modules); import spatial_transformer as st\n"
        "for name in st.__all__: getattr(st, name)\n"
        f"print(*[name for name in {heavy} if name in set(sys.modules) - before])"
    )
    run = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert run.stdout.split() == []


def test_the_version_is_that_of_a_release():
    assert len(st.__version__.split(".")) == 3
