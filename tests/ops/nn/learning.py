"""Training small networks on made data, for the tests of what they can learn."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn import functional

Drawn = tuple[tuple[Tensor, ...], Tensor]


def learned(network: nn.Module, draw: Callable[[torch.Generator], Drawn], steps: int, rate: float = 0.01) -> float:
    """Accuracy on fresh examples after some steps of AdamW, each on fresh examples."""
    generator = torch.Generator().manual_seed(1)
    optimizer = torch.optim.AdamW(network.parameters(), lr=rate)
    network.train()
    for _ in range(steps):
        inputs, labels = draw(generator)
        optimizer.zero_grad()
        torch.autograd.backward(functional.cross_entropy(network(*inputs), labels))
        optimizer.step()
    network.eval()
    with torch.no_grad():
        fresh = [draw(generator) for _ in range(4)]
        hits = [(network(*inputs).argmax(dim=1) == labels).float().mean() for inputs, labels in fresh]
    return float(torch.stack(hits).mean())


def phrases(generator: torch.Generator, batch: int = 64, length: int = 12) -> Drawn:
    """Texts of 4 to 12 tokens of 20: of class 1 where token 5 comes right before token 7, else 0 (7 before 5)."""
    tokens = torch.randint(8, 20, (batch, length), generator=generator)
    lengths = torch.randint(4, length + 1, (batch,), generator=generator)
    labels = torch.randint(0, 2, (batch,), generator=generator)
    place = (torch.rand(batch, generator=generator) * (lengths - 1)).long()
    rows = torch.arange(batch)
    tokens[rows, place] = torch.where(labels == 1, 5, 7)
    tokens[rows, place + 1] = torch.where(labels == 1, 7, 5)
    return (tokens, lengths), labels


def first_words(generator: torch.Generator, batch: int = 64, length: int = 12) -> Drawn:
    """Texts of 4 to 12 tokens of 20: the class is whether the first is among the first ten; noise follows."""
    tokens = torch.randint(0, 20, (batch, length), generator=generator)
    lengths = torch.randint(4, length + 1, (batch,), generator=generator)
    return (tokens, lengths), (tokens[:, 0] < 10).long()


def crosses(generator: torch.Generator, batch: int = 64) -> Drawn:
    """Noisy images of 8 x 8 grey pixels with an upright (0), a slanted (1) or no (2) cross somewhere."""
    images = torch.randint(0, 120, (batch, 8, 8), generator=generator)
    labels = torch.randint(0, 3, (batch,), generator=generator)
    shapes = (((0, 1), (1, 0), (1, 1), (1, 2), (2, 1)), ((0, 0), (0, 2), (1, 1), (2, 0), (2, 2)), ())
    places = torch.randint(0, 6, (batch, 2), generator=generator)
    for image, label, (down, right) in zip(images, labels.tolist(), places.tolist(), strict=True):
        for y, x in shapes[label]:
            image[down + y, right + x] = 220
    return (images.unsqueeze(3).to(torch.uint8),), labels
