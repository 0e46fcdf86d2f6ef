"""Networks as people write them, on PyTorch's own functions: nothing in this file knows of this library.

A digit classifier after PyTorch's tutorial on spatial transformers; the lookup of an optical-flow network in
its correlation volume; attention that samples features where it likes; a field of radiance in three planes; and the
registration of volumes by a displacement that is integrated.
"""

import torch
import torch.nn.functional as F
from torch import nn
from torch.nn.functional import grid_sample


class DigitClassifier(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv1 = nn.Conv2d(1, 10, kernel_size=5)
        self.conv2 = nn.Conv2d(10, 20, kernel_size=5)
        self.fc1 = nn.Linear(320, 50)
        self.fc2 = nn.Linear(50, 10)
        self.localization = nn.Sequential(
            *(nn.Conv2d(1, 8, kernel_size=7), nn.MaxPool2d(2, stride=2), nn.ReLU(True)),
            *(nn.Conv2d(8, 10, kernel_size=5), nn.MaxPool2d(2, stride=2), nn.ReLU(True)),
        )
        self.fc_loc = nn.Sequential(nn.Linear(10 * 3 * 3, 32), nn.ReLU(True), nn.Linear(32, 3 * 2))
        self.fc_loc[2].weight.data.zero_()
        self.fc_loc[2].bias.data.copy_(torch.tensor([1, 0, 0, 0, 1, 0], dtype=torch.float))

    def stn(self, x):
        xs = self.localization(x)
        theta = self.fc_loc(xs.view(-1, 10 * 3 * 3)).view(-1, 2, 3)
        grid = F.affine_grid(theta, x.size(), align_corners=False)
        return F.grid_sample(x, grid, align_corners=False)

    def forward(self, x):
        x = self.stn(x)
        x = F.relu(F.max_pool2d(self.conv1(x), 2))
        x = F.relu(F.max_pool2d(self.conv2(x), 2))
        return F.log_softmax(self.fc2(F.relu(self.fc1(x.view(-1, 320)))), dim=1)


def bilinear_sampler(img, coords):
    height, width = img.shape[-2:]
    xgrid, ygrid = coords.split([1, 1], dim=-1)
    grid = torch.cat([2 * xgrid / (width - 1) - 1, 2 * ygrid / (height - 1) - 1], dim=-1)
    return grid_sample(img, grid, align_corners=True)


class CorrelationLookup(nn.Module):
    def __init__(self, levels=3, radius=3):
        super().__init__()
        self.levels, self.radius = levels, radius
        self.encoder = nn.Sequential(nn.Conv2d(3, 16, 7, 2, 3), nn.ReLU(), nn.Conv2d(16, 32, 3, 2, 1))
        self.motion = nn.Conv2d(levels * (2 * radius + 1) ** 2, 2, 3, padding=1)

    def lookup(self, pyramid, coords):
        r, (batch, _, h, w) = self.radius, coords.shape
        d = torch.linspace(-r, r, 2 * r + 1, dtype=coords.dtype)
        delta = torch.stack(torch.meshgrid(d, d, indexing="ij"), dim=-1).flip(-1).view(1, 2 * r + 1, 2 * r + 1, 2)
        centroid = coords.permute(0, 2, 3, 1).reshape(batch * h * w, 1, 1, 2)
        found = [bilinear_sampler(corr, centroid / 2**i + delta) for i, corr in enumerate(pyramid)]
        return torch.cat([corr.view(batch, h, w, -1) for corr in found], dim=-1).permute(0, 3, 1, 2).contiguous()

    def forward(self, first, second):
        one, two = self.encoder(first), self.encoder(second)
        batch, channels, h, w = one.shape
        volume = torch.einsum("bcn,bcm->bnm", one.flatten(2), two.flatten(2)) / channels**0.5
        pyramid = [volume.reshape(batch * h * w, 1, h, w)]
        for _ in range(self.levels - 1):
            pyramid.append(F.avg_pool2d(pyramid[-1], 2, stride=2))
        y, x = torch.meshgrid(torch.arange(h), torch.arange(w), indexing="ij")
        start = torch.stack([x, y])[None].to(one.dtype).repeat(batch, 1, 1, 1)
        coords = start
        for _ in range(2):
            coords = coords + self.motion(self.lookup(pyramid, coords))
        return coords - start


class DeformableAttention(nn.Module):
    def __init__(self, channels=32, heads=4, points=4):
        super().__init__()
        self.heads, self.points = heads, points
        self.value = nn.Conv2d(channels, channels, 1)
        self.offsets = nn.Conv2d(channels, heads * points * 2, 1)
        self.weights = nn.Conv2d(channels, heads * points, 1)
        self.output = nn.Conv2d(channels, channels, 1)

    def forward(self, x):
        n, c, h, w = x.shape
        value = self.value(x).reshape(n * self.heads, c // self.heads, h, w)
        y = (torch.arange(h, dtype=x.dtype) + 0.5) / h * 2 - 1
        x_ = (torch.arange(w, dtype=x.dtype) + 0.5) / w * 2 - 1
        centre = torch.stack(torch.meshgrid(y, x_, indexing="ij")[::-1], dim=-1).view(1, h * w, 1, 2)
        offsets = self.offsets(x).view(n * self.heads, self.points, 2, h * w).permute(0, 3, 1, 2)
        grid = centre + offsets / torch.tensor([w, h], dtype=x.dtype)
        sampled = F.grid_sample(value, grid, mode="bilinear", padding_mode="zeros", align_corners=False)
        weights = self.weights(x).view(n * self.heads, self.points, h * w).softmax(1).transpose(1, 2)[:, None]
        return self.output((sampled * weights).sum(-1).view(n, c, h, w))


class TriPlane(nn.Module):
    def __init__(self, side=64, features=16):
        super().__init__()
        self.planes = nn.Parameter(torch.randn(3, features, side, side) * 0.1)
        self.decoder = nn.Sequential(nn.Linear(features, 32), nn.Softplus(), nn.Linear(32, 4))

    def forward(self, points):
        projected = torch.stack([points[:, [0, 1]], points[:, [0, 2]], points[:, [2, 1]]])[:, None]
        features = F.grid_sample(self.planes, projected, mode="bilinear", padding_mode="border", align_corners=False)
        return self.decoder(features[:, :, 0].mean(0).T)


class VolumeRegistration(nn.Module):
    class SpatialTransformer(nn.Module):
        def forward(self, src, flow):
            shape = flow.shape[2:]
            grids = torch.meshgrid([torch.arange(0, s) for s in shape], indexing="ij")
            locations = torch.stack(grids)[None].to(flow.dtype) + flow
            for i in range(len(shape)):
                locations = torch.cat(
                    [locations[:, :i], 2 * (locations[:, i : i + 1] / (shape[i] - 1) - 0.5), locations[:, i + 1 :]], 1
                )
            locations = locations.permute(0, 2, 3, 4, 1)[..., [2, 1, 0]]
            return F.grid_sample(src, locations, align_corners=True, mode="bilinear")

    def __init__(self, steps=3):
        super().__init__()
        self.steps, self.transformer = steps, self.SpatialTransformer()
        self.unet = nn.Sequential(
            *(nn.Conv3d(2, 8, 3, stride=2, padding=1), nn.LeakyReLU(0.2)),
            *(nn.Conv3d(8, 8, 3, padding=1), nn.LeakyReLU(0.2)),
            nn.Conv3d(8, 3, 3, padding=1),
        )

    def forward(self, moving, fixed):
        velocity = F.interpolate(self.unet(torch.cat([moving, fixed], 1)), scale_factor=2, mode="trilinear")
        flow = velocity / 2**self.steps
        for _ in range(self.steps):
            flow = flow + self.transformer(flow, flow)
        return self.transformer(moving, flow)


# A network and its inputs: small ones, or as large as people have them.
NETWORKS = {
    "digits, after PyTorch's tutorial": lambda large: (DigitClassifier(), [(256 if large else 3, 1, 28, 28)]),
    "optical flow, lookup in a correlation volume": lambda large: (
        CorrelationLookup(),
        [(1, 3, *((160, 192) if large else (32, 40)))] * 2,
    ),
    "deformable attention": lambda large: (
        DeformableAttention(),
        [(4 if large else 1, 32, *([48, 48] if large else [7, 9]))],
    ),
    "radiance in three planes": lambda large: (TriPlane(128 if large else 9), [(32768 if large else 50, 3)]),
    "registration of volumes": lambda large: (
        VolumeRegistration(),
        [(1, 1, *((64, 64, 64) if large else (8, 6, 10)))] * 2,
    ),
}


def made(name, *, large=False, dtype=torch.float32):
    """A network, and inputs that have gradients."""
    torch.manual_seed(0)
    network, shapes = NETWORKS[name](large)
    uniform = [torch.rand(shape, dtype=torch.float64) for shape in shapes]
    inputs = [(2 * u - 1 if u.ndim == 2 else u).to(dtype).requires_grad_() for u in uniform]
    return network.to(dtype), inputs


def learn(network, inputs):
    """What a step of training computes: the output, and the gradients of weights and inputs."""
    output = network(*inputs)
    wanted = [*network.parameters(), *inputs]
    return output.detach(), *torch.autograd.grad(output.square().sum(), wanted)
