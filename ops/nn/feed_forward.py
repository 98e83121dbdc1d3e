"""The position-wise feed-forward network (Vaswani et al., 2017, section 3.3)."""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional


class FeedForward(nn.Module):
    """Two linear layers with a GELU (Hendrycks and Gimpel, 2016) between, for each position alone."""

    def __init__(self, dim: int, inner: int) -> None:
        super().__init__()
        self.project_in = nn.Linear(dim, inner)
        self.project_out = nn.Linear(inner, dim)

    def forward(self, x: Tensor) -> Tensor:
        """(B, T, D) to (B, T, D), through width F."""
        projected: Tensor = self.project_out(functional.gelu(self.project_in(x)))
        return projected
