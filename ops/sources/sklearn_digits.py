"""The handwritten digits that scikit-learn carries: 1,797 images that every installation has."""

from __future__ import annotations

import hashlib
import importlib.util
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path
from typing import ClassVar, Literal

import numpy as np
import polars as pl
from numpy.typing import NDArray

from ops.errors import BadData, ConfigError
from ops.sources.base import Batch, Modality, Source

DATA = Path("datasets", "data", "digits.csv.gz")


class SklearnDigits(Source):
    """1,797 grey images of 8 x 8 pixels, ten classes (Alpaydin and Kaynak, 1998; the test part of the UCI set).

    The 17 grey levels 0..16 of the set are spread over 0..255, to the nearest.
    """

    modality: ClassVar[Modality] = "image"

    kind: Literal["sklearn_digits"] = "sklearn_digits"
    """Handwritten digits bundled with scikit-learn."""

    @property
    def columns(self) -> dict[str, pl.DataType]:
        """The image as PNG, and the digit as text."""
        return {"image": pl.Binary(), "label": pl.String()}

    def check(self) -> None:
        """Look whether scikit-learn and its file are there."""
        _file()

    def external(self, partition: str | None = None) -> str:
        """SHA-256 of the bundled file."""
        return hashlib.sha256(_file().read_bytes()).hexdigest()

    def read(self, partition: str | None = None) -> Iterator[Batch]:
        """Yield one batch with all images."""
        from sklearn.datasets import load_digits

        digits = load_digits()
        levels = np.rint(digits.images * (255 / 16)).astype(np.uint8)
        images = [_png(image) for image in levels]
        labels = [str(digit) for digit in digits.target.tolist()]
        if len(images) != 1797:
            raise BadData(f"{len(images)} digits instead of 1797", hint="reinstall scikit-learn")
        yield Batch(pl.DataFrame({"image": images, "label": labels}, schema=self.columns))


def _file() -> Path:
    # Found without importing scikit-learn, which takes a second.
    spec = importlib.util.find_spec("sklearn")
    if spec is None or spec.origin is None:
        raise ConfigError("scikit-learn is not installed", hint="pip install scikit-learn")
    path = Path(spec.origin).parent / DATA
    if not path.is_file():
        raise ConfigError("scikit-learn has no digits", where=str(path), hint="reinstall scikit-learn")
    return path


def _png(pixels: NDArray[np.uint8]) -> bytes:
    from PIL import Image

    stream = BytesIO()
    # Stored, not deflated: the bytes are then the same with every version of zlib.
    Image.fromarray(pixels).save(stream, "PNG", compress_level=0)
    return stream.getvalue()
