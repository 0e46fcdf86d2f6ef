"""What the tests of the kernels share."""

import pytest

from spatial_transformer.ops.resample import cpu, repeated


@pytest.fixture
def nothing_planned(monkeypatch):
    """Every call is planned anew, with the constants and for the processor of the test."""
    monkeypatch.setattr(cpu, "_plan", cpu._plan.__wrapped__)
    monkeypatch.setattr(repeated, "find", lambda *call: None)
