"""A small U-Net with residual blocks, full resolution in its first level: thin layers survive, a CPU can train it."""

from __future__ import annotations

import torch
from torch import nn


class Block(nn.Module):
    """Two 3 x 3 convolutions with batch normalisation; what comes in is added to what comes out."""

    def __init__(self, inside: int, outside: int) -> None:
        super().__init__()
        self.first = nn.Conv2d(inside, outside, 3, padding=1, bias=False)
        self.first_norm = nn.BatchNorm2d(outside)
        self.second = nn.Conv2d(outside, outside, 3, padding=1, bias=False)
        self.second_norm = nn.BatchNorm2d(outside)
        self.pass_on = nn.Conv2d(inside, outside, 1, bias=False)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y = torch.relu_(self.first_norm(self.first(x)))
        return torch.relu_(self.second_norm(self.second(y)) + self.pass_on(x))


class LightUNet(nn.Module):
    """Four levels of `width`, 2, 3 and 4 times `width` channels, each of half the resolution of the one before."""

    def __init__(self, channels: int, classes: int, width: int) -> None:
        super().__init__()
        sizes = [width, 2 * width, 3 * width, 4 * width]
        self.down = nn.ModuleList(Block(a, b) for a, b in zip([channels, *sizes[:-1]], sizes, strict=True))
        self.up = nn.ModuleList(Block(sizes[i + 1] + sizes[i], sizes[i]) for i in (2, 1, 0))
        self.head = nn.Conv2d(width, classes, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        kept = []
        for level, block in enumerate(self.down):
            x = block(nn.functional.max_pool2d(x, 2) if level else x)
            kept.append(x)
        kept.pop()
        for block in self.up:
            beside = kept.pop()
            x = nn.functional.interpolate(x, scale_factor=2.0, mode="nearest")
            x = block(torch.cat([x, beside], 1))
        return self.head(x)
