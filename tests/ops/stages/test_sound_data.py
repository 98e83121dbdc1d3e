"""The data half for sounds: from a folder of WAV files to the cache, for a task that is made here."""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar, Literal

import numpy as np
import polars as pl
import pytest

from ops.augmentation.config import Augmentation
from ops.cleaning.sound_quality import SoundQuality
from ops.cleaning.split import Split
from ops.normalization.log_mel import LogMel
from ops.normalization.mel import frames_of
from ops.normalization.waveform import Waveform
from ops.sources.wav_folder import WavFolder
from ops.stages.chain import DATA_STAGES
from ops.tasks.classification import Classification
from tests.chain import worlds
from tests.ops.normalization.sounds import sine, wav


class SoundTask(Classification):
    modality: ClassVar[str] = "sound"

    kind: Literal["sound_task"] = "sound_task"


def write(folder: Path) -> None:
    draw = np.random.default_rng(0)
    for number in range(60):
        label = ("low", "high")[number % 2]
        (folder / label).mkdir(parents=True, exist_ok=True)
        tone = sine(draw.uniform(200, 400) if label == "low" else draw.uniform(2000, 3000), draw.uniform(0.2, 0.6))
        (folder / label / f"{number:02d}.wav").write_bytes(wav(tone))
    (folder / "low" / "silent.wav").write_bytes(wav(np.zeros(4000)))
    (folder / "low" / "short.wav").write_bytes(wav(sine(300.0, 0.02)))


@pytest.mark.filterwarnings("ignore:Pydantic serializer warnings:UserWarning")
def test_from_files_to_the_cache(tmp_path: Path) -> None:
    world = worlds.make(tmp_path / "world", "image")
    write(tmp_path / "sounds")
    steps = [{"kind": "sound_shift"}, {"kind": "sound_noise"}, {"kind": "spec_augment"}]
    recipe = world.recipe().model_copy(
        update={
            "source": WavFolder(path=str(tmp_path / "sounds")),
            "cleaning": [SoundQuality()],
            "split": Split(valid=0.2, test=0.2),
            "normalization": [Waveform(rate=8000, seconds=0.5), LogMel(window=256, hop=128, mels=16)],
            "augmentation": Augmentation.model_validate({"copies": 2, "steps": steps}),
            "task": SoundTask(input="sound", label="label"),
        }
    )
    built = worlds.build(recipe, world.store, DATA_STAGES)
    versions = {place: found.version for place, found in built.items()}
    keys = recipe.partition_keys()
    dropped = pl.concat([versions["clean_corpus", key].parquet("dropped.parquet") for key in keys])
    assert sorted(dropped["reason"]) == ["silent", "too_short"]
    frames, moments = frames_of(4000, 256, 128), versions["statistics", "all"].json("statistics.json")["sound"]
    assert (moments["height"], moments["width"], moments["channels"]) == (frames, 1, 16)
    values, index = [], []
    for key in keys:
        data = np.frombuffer(versions["token_cache", key].file("data.bin").read_bytes(), np.uint8)
        values.append(data.reshape(-1, frames, 16))
        index.append(versions["token_cache", key].parquet("index.parquet"))
    images, rows = np.concatenate(values), pl.concat(index)
    assert rows.height == len(images) and set(rows["length"]) == {frames * 16}
    train = rows.filter((pl.col("split") == "train") & (pl.col("copy") == 0)).height
    assert rows.filter(pl.col("copy") > 0).height == 2 * train and rows.height == 60 + 2 * train
    plain = images[((rows["split"] == "train") & (rows["copy"] == 0)).to_numpy()] / 255
    assert moments["mean"] == pytest.approx(plain.mean(axis=(0, 1)))
    assert len({image.tobytes() for image in images}) == len(images)
