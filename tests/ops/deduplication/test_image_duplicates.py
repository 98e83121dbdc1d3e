from typing import Any

import numpy as np
import polars as pl
import pytest
from PIL import Image, ImageEnhance, ImageOps

from ops.deduplication.image_duplicates import ImageDuplicates
from ops.deduplication.images.pairs import CROP, Found
from ops.deduplication.images.stars import stars
from ops.steps import Facts
from tests.ops.deduplication.pictures import changed, encoded, picture, weave


def table(images: dict[str, bytes | None]) -> pl.DataFrame:
    return pl.DataFrame(
        {"id": list(images), "image": list(images.values())}, schema={"id": pl.String, "image": pl.Binary}
    )


def decided(images: dict[str, bytes | None], **settings: Any) -> dict[str, tuple[str, str]]:
    step = ImageDuplicates(**settings)
    found = step.fold(step.signatures(table(images)))
    return {row: (reason, evidence) for row, reason, evidence in found.iter_rows()}


def edits(image: Image.Image) -> dict[str, tuple[str, Image.Image | bytes]]:
    return {
        "resized": ("duplicate", image.resize((70, 58))),
        "jpeg": ("duplicate", encoded(image, "JPEG", 40)),
        "darker": ("duplicate", ImageEnhance.Brightness(image).enhance(0.7)),
        "mirror": ("mirrored", ImageOps.mirror(image)),
        "flip": ("mirrored", ImageOps.flip(image)),
        "turned": ("mirrored", image.rotate(180)),
        "crop": ("crop", image.crop((8, 5, 110, 90))),
    }


def test_copies_of_all_sorts_are_found_and_the_largest_stays() -> None:
    images: dict[str, bytes | None] = {}
    for seed in range(6):  # the copies first: order is no reason to keep one that has fewer pixels
        for name, (_, copy) in edits(picture(seed)).items():
            images[f"{seed}/{name}"] = copy if isinstance(copy, bytes) else encoded(copy)
        images[f"{seed}/z"] = encoded(picture(seed).resize((150, 125)))
    found = decided(images)
    assert set(found) == {name for name in images if not name.endswith("/z")}
    for name, (reason, evidence) in found.items():
        group, edit = name.split("/")
        assert reason == edits(picture(0))[edit][0], name
        assert evidence.startswith((f"{group}/z (0.9", f"{group}/z (1.0")), (name, evidence)


def test_flips_and_crops_can_mean_something() -> None:
    image = picture(1)
    images: dict[str, bytes | None] = {"a": encoded(image), "b": encoded(ImageOps.mirror(image))}
    images["c"] = encoded(image.crop((8, 5, 110, 90)))
    assert set(decided(images, flips=False, crops=False)) == set()
    assert set(decided(images, crops=False)) == {"b"}
    assert set(decided(images, flips=False)) == {"c"}


def test_different_pictures_stay() -> None:
    assert decided({str(seed): encoded(picture(seed)) for seed in range(60)}) == {}


def test_another_shot_of_the_same_thing_is_no_copy() -> None:
    images: dict[str, bytes | None] = {}
    for seed in range(4):
        images[f"{seed}/z"] = encoded(weave(seed))
        images[f"{seed}/copy"] = encoded(weave(seed).resize((90, 75)))
        images[f"{seed}/other"] = encoded(changed(weave(seed)).resize((110, 92)))
        images[f"{seed}/part"] = encoded(changed(weave(seed)).crop((8, 5, 110, 90)))
    found = decided(images)
    # The part is one of the other shot, not of the first.
    assert {name: evidence.split(" ")[0] for name, (_, evidence) in found.items()} == {
        f"{seed}/{name}": f"{seed}/{kept}" for seed in range(4) for name, kept in (("copy", "z"), ("part", "other"))
    }
    # Without the look at each part the other shot goes for the first one.
    assert {f"{seed}/other" for seed in range(4)} <= set(decided(images, agreement=-1.0))


@pytest.mark.parametrize("share", [0.81, 0.86, 0.91, 0.95])
def test_crops_are_found_wherever_they_lie(share: float) -> None:
    rng = np.random.default_rng(int(share * 100))
    images: dict[str, bytes | None] = {}
    for seed in range(20):
        image = weave(seed)
        width, height = round(120 * share), round(100 * share)
        left, top = int(rng.integers(0, 121 - width)), int(rng.integers(0, 101 - height))
        images[f"{seed}/z"] = encoded(image)
        images[f"{seed}/crop"] = encoded(image.crop((left, top, left + width, top + height)))
    found = decided(images)
    assert len(found) >= 19 and all(
        evidence.split("/")[0] == name.split("/")[0] for name, (_, evidence) in found.items()
    )


def test_images_of_little_detail_do_not_collapse() -> None:
    ramp = np.linspace(0, 255, 100, dtype=np.uint8)
    plain = [np.full((80, 100), 0), np.full((80, 100), 255), np.tile(ramp, (80, 1)), np.tile(ramp[:, None], (1, 80))]
    noisy = [np.random.default_rng(k).integers(126, 130, (80, 100)) for k in range(3)]
    images = [Image.fromarray(image.astype(np.uint8)) for image in [*plain, plain[2] // 2, *noisy]]
    assert decided({str(number): encoded(image) for number, image in enumerate(images)}) == {}
    # The same bound at 0 takes the two ramps for one another: the detail is what told them apart.
    assert set(decided({"a": encoded(images[2]), "b": encoded(images[4])}, low_detail=0.0)) == {"b"}


def test_what_does_not_decode_equals_nothing() -> None:
    images: dict[str, bytes | None] = {"a": None, "b": b"no image", "c": b"no image", "d": encoded(picture(0))}
    step = ImageDuplicates()
    signatures = step.signatures(table(images))
    assert signatures["thumbnail"].null_count() == 3
    assert decided(images) == {} and decided({}) == {}


def test_signatures_are_of_each_row_alone() -> None:
    images: dict[str, bytes | None] = {str(seed): encoded(picture(seed)) for seed in range(5)}
    whole = ImageDuplicates().signatures(table(images))
    parts = [ImageDuplicates().signatures(table(images)[k : k + 2]) for k in (0, 2, 4)]
    assert whole.equals(pl.concat(parts))
    assert whole["pixels"].to_list() == [12_000] * 5 and set(whole["thumbnail"].bin.size()) == {4096}


def test_no_image_goes_along_a_chain() -> None:
    # 0 - 1 - 2 - 3: 1 is like 0, 2 like 1 only, 3 like 2.
    found = Found(np.array([0, 1, 2]), np.array([1, 2, 3]), np.array([0.95, 0.99, 0.97]), np.array([0, 1, CROP]))
    rows = list(stars(found, np.array([10, 10, 10, 10])))
    assert rows == [(1, 0, "duplicate", 0.95), (3, 2, "crop", 0.97)]
    # The largest in the middle: its neighbours go for it, and the end stays.
    assert [row[:3] for row in stars(found, np.array([10, 20, 10, 10]))] == [(0, 1, "duplicate"), (2, 1, "mirrored")]


def test_rows_are_dropped_by_the_decision() -> None:
    images: dict[str, bytes | None] = {"a": encoded(picture(0)), "b": encoded(picture(0), "JPEG", 60)}
    step = ImageDuplicates()
    facts = Facts("p", duplicates={step.key: step.fold(step.signatures(table(images)))})
    outcome = step.apply(table(images), facts)
    assert outcome.kept["id"].to_list() == ["a"]
    assert outcome.dropped.row(0)[:3] == ("b", "image_duplicates", "duplicate")


def test_thresholds_sign_nothing_anew() -> None:
    assert ImageDuplicates(threshold=0.8, agreement=0.5, flips=False, radius=4).key == ImageDuplicates().key
    assert ImageDuplicates(maximum_pixels=1000).key != ImageDuplicates().key


@pytest.mark.parametrize("settings", [{"threshold": 1.1}, {"agreement": -1.5}, {"radius": 16}, {"low_detail": -1.0}])
def test_settings_that_make_no_sense(settings: dict[str, Any]) -> None:
    with pytest.raises(ValueError):
        ImageDuplicates(**settings)
