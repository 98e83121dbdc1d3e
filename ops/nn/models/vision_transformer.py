"""A Transformer that classifies images by their patches."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, ClassVar, Literal

from pydantic import Field

from ops.errors import ConfigError
from ops.nn.models.patched import Patched
from ops.nn.spec import ImageSpec, Spec

if TYPE_CHECKING:
    from torch import nn


class VisionTransformer(Patched):
    """A Transformer encoder over image patches (Dosovitskiy et al., 2021), pooled to one vector, with a linear head.

    With `stem: convolution` a 3 by 3 convolution looks at the image before it is cut, which small data sets need
    (Xiao et al., 2021; Hassani et al., 2021).
    """

    modality: ClassVar[str] = "image"

    kind: Literal["vision_transformer"] = "vision_transformer"
    """A Transformer for images."""
    patch: Annotated[int, Field(ge=1, le=256)] = 2
    """Side of a patch in pixels; divides height and width."""
    stem_channels: Annotated[int, Field(ge=1, le=1024)] = 16
    """Channels of the convolution, where `stem` says so."""
    depth: Annotated[int, Field(ge=1, le=96)] = 4

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
        patches = spec.height * spec.width // self.patch**2
        return ImageClassifier(
            spec,
            self.anatomy(patches + self.extra),
            classes=classes,
            patch=self.patch,
            stem=self.stem_width,
            pooling=self.pooling,
        )

    def flops(self, spec: Spec, classes: int, length: int | None = None) -> int:
        """Operations of one image's forward pass; see `Model.flops`."""
        from ops.nn.flops import stack_flops

        spec = self._image(spec)
        pixels = spec.height * spec.width
        patches = pixels // self.patch**2
        stem = 2 * pixels * spec.channels * 9 * self.stem_width
        embedding = 2 * patches * (self.stem_width or spec.channels) * self.patch**2 * self.dim
        tokens = patches + self.extra
        return stem + embedding + stack_flops(tokens, self.anatomy(tokens)) + 2 * self.dim * classes

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
