"""The worlds of the whole-chain tests, which these share."""

from __future__ import annotations

from tests.chain.conftest import image, text, trained_image, trained_text

__all__ = ["image", "text", "trained_image", "trained_text"]
