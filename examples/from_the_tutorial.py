"""A network as PyTorch's tutorial on spatial transformers has it, and the same with this library: equal outputs."""

import torch
from torch import nn
from torch.nn import functional as F

import spatial_transformer as st


def localisation() -> nn.Sequential:
    """Of 28 x 28 pixels, 10 maps of 3 x 3."""
    first = nn.Conv2d(1, 8, kernel_size=7), nn.MaxPool2d(2, stride=2), nn.ReLU()
    second = nn.Conv2d(8, 10, kernel_size=5), nn.MaxPool2d(2, stride=2), nn.ReLU()
    return nn.Sequential(*first, *second)


class Before(nn.Module):
    """By hand: a regression of theta, a grid, a sampler."""

    def __init__(self) -> None:
        super().__init__()
        self.localization = localisation()
        self.fc_loc = nn.Sequential(nn.Linear(10 * 3 * 3, 32), nn.ReLU(), nn.Linear(32, 3 * 2))
        self.fc_loc[2].weight.data.zero_()
        self.fc_loc[2].bias.data.copy_(torch.tensor([1, 0, 0, 0, 1, 0], dtype=torch.float))
        self.classifier = nn.Sequential(nn.Flatten(), nn.Linear(28 * 28, 10))

    def stn(self, x: torch.Tensor) -> torch.Tensor:
        xs = self.localization(x)
        xs = xs.view(-1, 10 * 3 * 3)
        theta = self.fc_loc(xs)
        theta = theta.view(-1, 2, 3)
        grid = F.affine_grid(theta, list(x.size()), align_corners=False)
        return F.grid_sample(x, grid, align_corners=False)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.classifier(self.stn(x))


class After(nn.Module):
    """With the library: which transformation, and what looks at the image."""

    def __init__(self) -> None:
        super().__init__()
        localiser = nn.Sequential(localisation(), nn.Flatten(), nn.Linear(10 * 3 * 3, 32), nn.ReLU())
        localiser.out_features = 32
        self.stn = st.SpatialTransformer(localiser, st.Affine())
        self.classifier = nn.Sequential(nn.Flatten(), nn.Linear(28 * 28, 10))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.classifier(self.stn(x))


NAMES = {"localization.": "stn.localiser.0.", "fc_loc.0.": "stn.localiser.2.", "fc_loc.2.": "stn.regression."}


def renamed(weights: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """The weights of `Before` under the names that they have in `After`."""
    found = {}
    for name, value in weights.items():
        old = next((old for old in NAMES if name.startswith(old)), "")
        found[NAMES.get(old, "") + name.removeprefix(old)] = value
    return found


if __name__ == "__main__":
    torch.manual_seed(0)
    before, after = Before().eval(), After().eval()
    with torch.no_grad():
        before.fc_loc[2].weight.normal_(std=0.3)  # as if trained: theta follows the image
    after.load_state_dict(renamed(before.state_dict()))
    images = torch.rand(64, 1, 28, 28)
    chances = [network(images).softmax(dim=1) for network in (before, after)]
    print(f"probabilities differ by {(chances[0] - chances[1]).abs().max():.0e}")
    images, before, after = images.double(), before.double(), after.double()
    print(f"warped images, in float64, by {(before.stn(images) - after.stn(images)).abs().max():.0e}")
