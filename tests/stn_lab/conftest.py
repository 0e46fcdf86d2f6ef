"""What tests of the lab share: a browser, and a stand-in for timm, which is not installed where these tests run."""

import importlib.machinery
import shutil
import sys
from collections.abc import Iterator
from types import ModuleType, SimpleNamespace

import pytest
from torch import nn

ARGUMENTS = [
    "--no-sandbox",
    "--headless",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
    "--disable-gpu",
    "--disable-quic",
]

CONFIG = {"mean": (0.5, 0.25, 0.75), "std": (0.5, 0.25, 0.5), "input_size": (3, 40, 40)}


class Little(nn.Module):
    """In the place of a network of timm: two layers with names, and sizes that it does not take."""

    def __init__(self, in_chans, num_classes):
        super().__init__()
        self.pretrained_cfg = CONFIG
        self.stem = nn.Conv2d(in_chans, 8, 3, stride=2)
        self.layer1 = nn.Conv2d(8, 8, 3)
        self.head = nn.Linear(8, num_classes)

    def forward(self, images):
        if images.shape[-1] % 8:
            raise AssertionError("Input width must be a multiple of 8")
        return self.head(self.layer1(self.stem(images).relu()).mean(dim=(2, 3)))


@pytest.fixture
def timm(monkeypatch):
    """The calls of timm's `create_model`; `timm.error` is what it raises for weights."""
    calls = SimpleNamespace(options=[], error=None)

    def create_model(name, pretrained=False, pretrained_cfg_overlay=None, **options):
        calls.options.append((name, pretrained, pretrained_cfg_overlay, options))
        if pretrained and calls.error:
            raise calls.error
        return Little(**options)

    module = ModuleType("timm")
    module.__spec__ = importlib.machinery.ModuleSpec("timm", None)
    module.create_model = create_model
    module.is_model = lambda name: name == "little.a1"
    module.list_models = lambda pattern: ["little.a1"] if "little" in pattern else []
    monkeypatch.setitem(sys.modules, "timm", module)
    return calls


@pytest.fixture(scope="module")
def browser() -> Iterator:
    """A headless Chromium, for tests that are marked so."""
    from playwright.sync_api import sync_playwright

    path = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    if path is None:
        pytest.fail("no Chromium found: apt-get install chromium")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=ARGUMENTS)
        yield browser
        browser.close()
