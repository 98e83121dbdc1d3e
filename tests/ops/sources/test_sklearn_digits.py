"""The bundled digits: every image and label is scikit-learn's."""

from __future__ import annotations

import hashlib
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
import sklearn.datasets
from PIL import Image

from ops.errors import ConfigError
from ops.sources import sklearn_digits
from ops.sources.sklearn_digits import SklearnDigits


def test_images_and_labels_are_those_of_scikit_learn() -> None:
    (batch,) = SklearnDigits().read()
    digits = sklearn.datasets.load_digits()
    assert batch.table["label"].to_list() == [str(digit) for digit in digits.target]
    pixels = np.stack([np.asarray(Image.open(BytesIO(image))) for image in batch.table["image"]])
    assert pixels.shape == (1797, 8, 8)
    assert pixels.dtype == np.uint8
    assert np.array_equal(np.rint(pixels * (16 / 255)), digits.images)
    assert (pixels.min(), pixels.max()) == (0, 255)
    assert batch.rejects.is_empty()


def test_reading_twice_gives_the_same_bytes() -> None:
    (one,), (two,) = SklearnDigits().read(), SklearnDigits().read()
    assert one.table.equals(two.table)


def test_the_digest_is_that_of_the_bundled_file(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    path = Path(sklearn.datasets.__file__).parent / "data" / "digits.csv.gz"
    assert SklearnDigits().external() == hashlib.sha256(path.read_bytes()).hexdigest()
    assert SklearnDigits().natural_partitions() is None
    monkeypatch.setattr(sklearn_digits, "DATA", Path("nowhere.gz"))
    with pytest.raises(ConfigError, match="reinstall"):
        SklearnDigits().check()
