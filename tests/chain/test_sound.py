"""The whole chain of sounds: WAV files, spectrograms, altered copies, training, and the report."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
import yaml

from ops.augmentation.spec_augment import SpecAugment
from ops.evaluation.reports import read_report
from ops.evaluation.schema import Report
from ops.normalization.log_mel import LogMel
from ops.normalization.mel import frames_of
from ops.normalization.waveform import Waveform
from ops.recipe import Recipe
from ops.stages.cached import cached_rows
from ops.stages.chain import stages
from ops.stages.run import Built
from ops.stages.spec import ALL
from ops.steps import Facts, apply_steps
from ops.storage import Store
from pipelines.recipe import load
from tests.chain import worlds
from tests.sounds import BROKEN, TONES, sound_recipe

EVERYTHING = (
    "raw_corpus", "scores", "clean_corpus", "statistics", "shards", "token_cache", "model", "report",
)  # fmt: skip
FRAMES, MELS = frames_of(4000, 256, 128), 16
Places = dict[tuple[str, str], Built]


@pytest.fixture(scope="module")
def recipe(tmp_path_factory: pytest.TempPathFactory) -> Recipe:
    return load(str(sound_recipe(tmp_path_factory.mktemp("sounds"))), ()).recipe


@pytest.fixture(scope="module")
def built(recipe: Recipe, tmp_path_factory: pytest.TempPathFactory) -> Places:
    return worlds.build(recipe, Store(tmp_path_factory.mktemp("store")), EVERYTHING)


def every(built: Places, recipe: Recipe, stage: str, file: str) -> pl.DataFrame:
    versions = [built[stage, key].version for key in recipe.partition_keys()]
    return pl.concat([cached_rows(v) if stage == "token_cache" else v.parquet(file) for v in versions])


def test_the_chain_is_that_of_every_recipe_without_a_vocabulary(recipe: Recipe) -> None:
    assert tuple(stage.name for stage in stages(recipe)) == EVERYTHING


def test_every_file_is_accounted_for_from_the_folder_to_the_cache(built: Places, recipe: Recipe) -> None:
    assert every(built, recipe, "raw_corpus", "rejects.parquet")["reason"].to_list() == ["undecodable"] * BROKEN
    assert sorted(every(built, recipe, "clean_corpus", "dropped.parquet")["reason"]) == ["silent", "too_short"]
    index = every(built, recipe, "token_cache", "index.arrow")
    train = index.filter((pl.col("split") == "train") & (pl.col("copy") == 0)).height
    assert index.filter(pl.col("copy") == 0).height == TONES and index.height == TONES + train
    assert set(index["length"]) == {FRAMES * MELS}
    assert set(index.filter(pl.col("copy") > 0)["split"]) == {"train"}


def test_the_cache_has_the_spectrograms_of_the_files_and_of_altered_copies(built: Places, recipe: Recipe) -> None:
    steps = [Waveform(rate=8000, seconds=0.5), LogMel(window=256, hop=128, mels=MELS)]
    plain: dict[str, bytes] = {}
    images: list[np.ndarray[Any, Any]] = []
    for key in recipe.partition_keys():
        clean = built["clean_corpus", key].version.parquet("data.parquet")
        direct = apply_steps(clean, steps, Facts(key)).kept
        plain |= dict(zip(direct["id"], direct["sound"], strict=True))
        data = np.frombuffer(built["token_cache", key].version.file("data.bin").read_bytes(), np.uint8)
        images += list(data.reshape(-1, FRAMES * MELS))
    index = every(built, recipe, "token_cache", "index.arrow")
    original = [image.tobytes() for image, copy in zip(images, index["copy"], strict=True) if not copy]
    assert original == [plain[row] for row in index.filter(pl.col("copy") == 0)["id"]]
    altered = [
        (image.tobytes(), plain[row.removesuffix("+1")])
        for image, row, copy in zip(images, index["id"], index["copy"], strict=True)
        if copy
    ]
    assert all(copy != own for copy, own in altered)
    # What masks strips is the last change: most copies have a mel channel that is all of one value.
    flat = [[np.ptp(np.frombuffer(x, np.uint8).reshape(FRAMES, MELS), axis=0).min() for x in pair] for pair in altered]
    masked, never = np.mean(np.array(flat) == 0, axis=0)
    assert masked > 0.7 and never == 0


def test_moments_are_of_each_mel_channel_over_the_training_sounds(built: Places, recipe: Recipe) -> None:
    rows = every(built, recipe, "shards", "data.parquet").filter((pl.col("split") == "train") & (pl.col("copy") == 0))
    values = np.frombuffer(b"".join(rows["sound"]), np.uint8).reshape(-1, MELS) / 255
    read = built["model", ALL].version.json("model.json")["input"]
    assert (read["kind"], read["frames"], read["mels"]) == ("sound", FRAMES, MELS)
    np.testing.assert_allclose(read["mean"], values.mean(axis=0))
    np.testing.assert_allclose(read["std"], values.std(axis=0))


def test_the_model_hears_the_order_that_the_baseline_cannot(built: Places) -> None:
    version = built["report", ALL].version
    report = read_report(version.file("report.json").read_bytes())
    assert isinstance(report, Report)
    by_role = {score.role: score.accuracy for score in report.scores}
    assert by_role["model"].value > 0.95 > by_role["baseline"].value
    assert report.subject.model == "Spectrogram transformer, 1 layer, width 16, 2 heads, patches of 4 frames"
    assert all((row.image or "").startswith("data:image/png") and row.text is None for row in report.samples)
    assert report.contact_sheet is not None and report.contact_sheet.image is not None
    assert report.contact_sheet.steps == ["sound_shift", "sound_noise", "spec_augment"]
    page = version.file("report.html").read_text()
    assert "Spectrogram of rising" in page and "http" not in page.replace("http-equiv", "")


def test_a_change_of_the_spectrogram_alone_needs_no_waveform(built: Places, recipe: Recipe, tmp_path: Path) -> None:
    """Without changes of the sound itself, copies are made of finished spectrograms."""
    augmentation = recipe.augmentation
    assert augmentation is not None
    only = recipe.model_copy(update={"augmentation": augmentation.model_copy(update={"steps": [SpecAugment()]})})
    again = worlds.build(only, Store(tmp_path / "store"), EVERYTHING[:-2])
    rows = every(again, only, "shards", "data.parquet")
    first = every(built, recipe, "shards", "data.parquet").filter(pl.col("copy") == 0)
    assert rows.filter(pl.col("copy") == 0).sort("id")["sound"].equals(first.sort("id")["sound"])
    assert rows.filter(pl.col("copy") == 1).height == rows.filter(pl.col("split") == "train").height // 2


@pytest.mark.parametrize(
    ("overrides", "path", "text"),
    [
        ({"normalization": [{"kind": "waveform"}]}, ("task", "kind"), "normalization needs waveform, then log_mel"),
        (
            {"normalization": [{"kind": "log_mel"}, {"kind": "waveform"}]},
            ("task", "kind"),
            "normalization needs waveform, then log_mel",
        ),
        (
            {"replace": {"model": {"kind": "vision_transformer"}}},
            ("model", "kind"),
            "vision_transformer reads image, not sound",
        ),
        (
            {"replace": {"evaluation": {"baseline": {"kind": "pixel_svm"}}}},
            ("evaluation", "baseline", "kind"),
            "pixel_svm does not read sound",
        ),
    ],
)
def test_what_does_not_fit_is_said_with_its_place(
    tmp_path: Path, overrides: dict[str, Any], path: tuple[str, ...], text: str
) -> None:
    content = yaml.safe_load(sound_recipe(tmp_path, **overrides).read_text())
    found = Recipe.model_validate(content).problems()
    assert [message for place, message in found if place == path and text in message], found


@pytest.mark.mirror
@pytest.mark.slow
def test_spoken_digits_of_four_speakers(mirror: Path, tmp_path: Path) -> None:
    source = mirror / "spoken_digits" / "recordings_4_speakers.tar"
    path = sound_recipe(
        tmp_path,
        source={"path": str(source), "pattern": r"^(?P<label>\d)_(?P<speaker>[a-z]+)_"},
        partitions={"hash": None, "single": True},
        cleaning=[{"kind": "sound_quality", "clipped": 0.2}],
        normalization=[
            {"kind": "waveform", "rate": 8000, "seconds": 0.8},
            {"kind": "log_mel", "window": 256, "hop": 128, "mels": 40},
        ],
        model={"dim": 64, "depth": 2, "heads": 4, "stem_channels": 64, "dropout": 0.1},
        training={
            "steps": 400,
            "batch_size": 32,
            "optimizer": "muon",
            "learning_rate": 0.002,
            "checkpoint_every": 200,
        },
    )
    recipe = load(str(path), ()).recipe
    built = worlds.build(recipe, Store(tmp_path / "store"), EVERYTHING)
    figures = built["report", ALL].version.json("metrics.json")
    raw, clean = (built[name, "all"].version.manifest.counts for name in ("raw_corpus", "clean_corpus"))
    assert raw is not None and clean is not None
    assert raw.rows_out == 2000 == clean.rows_out + sum(clean.dropped.values())
    assert figures["accuracy"] > 0.93 and figures["majority_accuracy"] < 0.2
