"""Which warnings fail a test: those of this project, and of nobody else."""

import warnings

import pytest


@pytest.mark.parametrize("module", ["spatial_transformer", "spatial_transformer.ops.parallel", "stn_lab.cli", __name__])
def test_a_warning_that_points_here_is_an_error(module):
    with pytest.raises(FutureWarning, match="deprecated"):
        warnings.warn_explicit("deprecated", FutureWarning, "file.py", 1, module=module)


@pytest.mark.parametrize("module", ["torch.func", "testing.sub", "spatial_transformers", "stn_laboratory"])
def test_a_warning_that_points_elsewhere_is_shown(module):
    with warnings.catch_warnings(record=True) as shown:
        warnings.warn_explicit("deprecated", FutureWarning, "file.py", 1, module=module)
    assert [str(warning.message) for warning in shown] == ["deprecated"]


def test_a_file_left_open_is_an_error_wherever_it_is_said():
    with pytest.raises(ResourceWarning):
        warnings.warn_explicit("unclosed file", ResourceWarning, "file.py", 1, module="torch.serialization")
