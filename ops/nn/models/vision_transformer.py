"""A Transformer that classifies images by their patches."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, ClassVar, Literal

from pydantic import Field, model_validator

from ops.errors import ConfigError
from ops.nn.models.base import Model, check_attention
from ops.nn.spec import ImageSpec, Spec

if TYPE_CHECKING:
    from torch import nn


class VisionTransformer(Model):
    """A Transformer encoder over image patches (Dosovitskiy et al., 2021), pooled to one vector, with a linear head.

    With `stem: convolution` a 3 by 3 convolution looks at the image before it is cut, which small data sets need
    (Xiao et al., 2021; Hassani et al., 2021).
    """

    modality: ClassVar[str] = "image"

    kind: Literal["vision_transformer"] = "vision_transformer"
    """A Transformer for images."""
    patch: Annotated[int, Field(ge=1, le=256)] = 2
    """Side of a patch in pixels; divides height and width."""
    stem: Literal["patches", "convolution"] = "convolution"
    """What comes before the blocks: patches as they are, or after a 3 by 3 convolution."""
    stem_channels: Annotated[int, Field(ge=1, le=1024)] = 16
    """Channels of the convolution, where `stem` says so."""
    dim: Annotated[int, Field(ge=4, le=4096)] = 64
    """Width: length of the vector of each patch."""
    depth: Annotated[int, Field(ge=1, le=96)] = 4
    """Number of blocks."""
    heads: Annotated[int, Field(ge=1, le=128)] = 4
    """Number of attention heads; divides `dim`."""
    feed_forward: Annotated[int, Field(ge=1, le=32_768)] | None = None
    """Width inside the feed-forward layers; twice `dim` by default."""
    dropout: Annotated[float, Field(ge=0.0, lt=1.0)] = 0.1
    """Share of values that are zeroed in training, after the embedding and in each block."""
    positions: Literal["learned", "sinusoidal"] = "learned"
    """How the model knows where a patch was: a trained table, or sines and cosines."""
    pooling: Literal["mean", "cls"] = "mean"
    """How an image becomes one vector: the mean of its patches, or an extra token in front."""

    @model_validator(mode="after")
    def _heads_divide_dim(self) -> VisionTransformer:
        check_attention(self.dim, self.heads, self.positions)
        return self

    @property
    def inner(self) -> int:
        """Width inside the feed-forward layers."""
        return self.feed_forward or 2 * self.dim

    @property
    def stem_width(self) -> int:
        """Channels of the convolution, 0 without one."""
        return self.stem_channels if self.stem == "convolution" else 0

    def check(self, spec: Spec) -> None:
        """Whether the patches tile such images.

        Raises:
            ConfigError: they do not, or the input is no image.
        """
        self._image(spec)

    def build(self, spec: Spec, classes: int) -> nn.Module:
        """The network: images (B, height, width, channels) uint8 to logits (B, C)."""
        from ops.nn.image_classifier import ImageClassifier

        spec = self._image(spec)
        return ImageClassifier(
            spec,
            classes=classes,
            patch=self.patch,
            stem=self.stem_width,
            dim=self.dim,
            depth=self.depth,
            heads=self.heads,
            inner=self.inner,
            dropout=self.dropout,
            positions=self.positions,
            pooling=self.pooling,
        )

    def flops(self, spec: Spec, classes: int, length: int | None = None) -> int:
        """Operations of one image's forward pass; see `Model.flops`."""
        from ops.nn.flops import encoder_flops

        spec = self._image(spec)
        pixels = spec.height * spec.width
        patches = pixels // self.patch**2
        stem = 2 * pixels * spec.channels * 9 * self.stem_width
        embedding = 2 * patches * (self.stem_width or spec.channels) * self.patch**2 * self.dim
        tokens = patches + (self.pooling == "cls")
        return stem + embedding + encoder_flops(tokens, self.dim, self.depth, self.inner) + 2 * self.dim * classes

    def _image(self, spec: Spec) -> ImageSpec:
        super().check(spec)
        if not isinstance(spec, ImageSpec):
            raise ConfigError(f"{self.kind} reads images", where="model")
        if spec.height % self.patch or spec.width % self.patch:
            raise ConfigError(
                f"patch: {self.patch} does not tile images of {spec.height} by {spec.width} pixels",
                where="model.patch",
                hint="choose a divisor of both, or resize the images in `normalization`",
            )
        return spec
