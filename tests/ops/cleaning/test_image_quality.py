import io
from typing import Any

import numpy as np
import polars as pl
import pytest
from PIL import Image, ImageFilter
from scipy.ndimage import laplace

from ops.cleaning.image_quality import ImageQuality, measured
from ops.steps import Facts, Outcome
from tests.ops.deduplication.pictures import encoded, picture


def check(images: list[bytes | None], names: list[str] | None = None, **settings: Any) -> Outcome:
    ids = [str(k) for k in range(len(images))]
    table = pl.DataFrame({"id": ids, "image": images}, schema={"id": pl.String, "image": pl.Binary})
    if names is not None:
        table = table.with_columns(pl.Series("file", names))
        settings["name_column"] = "file"
    return ImageQuality(**settings).apply(table, Facts("p"))


def reasons(outcome: Outcome) -> dict[str, str]:
    return dict(zip(outcome.dropped["id"], outcome.dropped["reason"], strict=True))


def noise(width: int, height: int) -> Image.Image:
    return Image.fromarray(np.random.default_rng(0).integers(0, 256, (height, width), dtype=np.uint8))


def test_measures_against_scipy() -> None:
    image = picture(3).convert("L")
    pixels = np.asarray(image).astype(float)
    deviation, entropy, sharpness = measured(image)
    shares = np.unique(pixels, return_counts=True)[1] / pixels.size
    assert deviation == pytest.approx(pixels.std())
    assert entropy == pytest.approx(-(shares * np.log2(shares)).sum())
    assert sharpness == pytest.approx(laplace(pixels)[1:-1, 1:-1].var() / pixels.var())
    assert measured(Image.new("RGB", (9, 9), "red")) == (0.0, 0.0, 0.0)
    assert measured(Image.new("L", (1, 1))) == (0.0, 0.0, 0.0)


def test_blank_and_blurred() -> None:
    sharp = picture(0, 400, 300)
    detailed = Image.blend(sharp, noise(400, 300).convert("RGB"), 0.3)
    images = [
        *(Image.new("RGB", (50, 50), "white"), detailed, detailed.filter(ImageFilter.GaussianBlur(8))),
        Image.fromarray(np.random.default_rng(0).integers(100, 104, (50, 50), dtype=np.uint8)),
    ]
    outcome = check([encoded(image) for image in images])
    assert reasons(outcome) == {"0": "blank", "2": "blurred", "3": "blank"}
    assert outcome.dropped["evidence"][0] == "deviation 0.0" and outcome.dropped["evidence"][1].startswith(
        "sharpness 0.0"
    )
    assert reasons(check([encoded(images[3])], minimum_deviation=None, minimum_entropy=2.5)) == {"0": "blank"}


def test_a_limit_means_the_same_at_every_resolution_and_contrast() -> None:
    large = Image.blend(
        picture(0, 1024, 768), noise(256, 192).resize((1024, 768), Image.Resampling.NEAREST).convert("RGB"), 0.3
    )
    small = large.resize((256, 192), Image.Resampling.BOX)
    faint = small.point([v // 4 + 100 for v in range(256)] * 3)
    values = [measured(image)[2] for image in (large, small, faint)]
    assert values[1] == pytest.approx(values[0], rel=0.02) and values[2] == pytest.approx(values[0], rel=0.1)


def test_size_and_shape() -> None:
    sizes = [(30, 30), (29, 30), (100, 30), (200, 30), (300, 300)]
    outcome = check([encoded(noise(*size)) for size in sizes], minimum_side=30, maximum_side=200, maximum_aspect=5.0)
    assert reasons(outcome) == {"1": "too_small", "3": "elongated", "4": "too_large"}
    assert outcome.dropped["evidence"].to_list() == ["29 x 30", "200 x 30", "300 x 300"]


def test_the_extension_against_the_content() -> None:
    image = noise(20, 20)
    images: list[bytes | None] = [encoded(image), encoded(image, "JPEG"), encoded(image, "JPEG"), encoded(image)]
    outcome = check(images, ["a.png", "x/b.PNG", "c.jpe", "d.unknown"])
    assert reasons(outcome) == {"1": "wrong_extension"}
    assert outcome.dropped["evidence"].to_list() == ["JPEG named .png"]


def test_what_does_not_decode_stays_without_scores() -> None:
    step = ImageQuality()
    table = pl.DataFrame({"id": ["a", "b"], "image": [None, b"x"]}, schema={"id": pl.String, "image": pl.Binary})
    assert step.score(table).null_count().row(0) == (2,) * 7
    assert step.apply(table, Facts("p")).kept.height == 2


def test_scores_are_kept_apart_from_thresholds() -> None:
    table = pl.DataFrame({"id": ["a", "b"], "image": [encoded(noise(20, 20)), encoded(Image.new("L", (5, 5)))]})
    scores = ImageQuality().score(table)
    assert ImageQuality(minimum_side=9, minimum_sharpness=None).score_key == ImageQuality().score_key
    facts = Facts("p", scores={ImageQuality().score_key: pl.concat([table.select("id"), scores], how="horizontal")})
    blind = table.with_columns(pl.lit(b"never read").alias("image"))
    assert ImageQuality(minimum_side=9).apply(blind, facts).kept["id"].to_list() == ["a"]
    with pytest.raises(ValueError, match="above"):
        ImageQuality(minimum_side=9, maximum_side=8)


def test_sizes_are_those_of_the_upright_image() -> None:
    buffer, exif = io.BytesIO(), Image.Exif()
    exif[0x0112] = 6
    noise(40, 20).save(buffer, "JPEG", exif=exif)
    table = pl.DataFrame({"id": ["a"], "image": [buffer.getvalue()]})
    assert ImageQuality().score(table).select("width", "height").row(0) == (20, 40)
