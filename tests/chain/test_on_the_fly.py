"""Changes while training, of every kind of data: what the loader makes is what stored copies would be.

The stored copies are the oracle: the stages of the data half make them, from the same recipe with `mode: offline`.
"""

from __future__ import annotations

import base64
import io
import json
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from numpy.typing import NDArray
from PIL import Image

from ops.errors import ConfigError, IntegrityError
from ops.evaluation.contact_sheet import picture
from ops.evaluation.pictures import spectrogram
from ops.nn.spec import SoundSpec
from ops.recipe import Recipe
from ops.stages.cached import cached_rows
from ops.stages.chain import stages
from ops.stages.run import Built
from ops.storage import Store
from ops.training.altering import Altering, alteration
from ops.training.config import Loader
from ops.training.crew import hired
from ops.training.data import Examples, load_examples
from ops.training.loader import Batch, batches
from ops.training.order import Order
from ops.training.run import RunSpec, read_run
from pipelines.recipe import load
from tests.chain import worlds
from tests.ops.training.runs import hashes, log, records, work
from tests.sounds import sound_recipe
from tests.tables import table_recipe
from tests.tiny import tiny_recipe

COPIES = 3
Places = dict[tuple[str, str], Built]


def texts(folder: Path, **changes: Any) -> Path:
    steps = [{"kind": "word_swap", "probability": 0.5}, {"kind": "eda", "rate": 0.3}, {"kind": "bpe_dropout"}]
    return tiny_recipe(folder, augmentation={"steps": steps, **changes}, tokenizer={"max_length": 64})


def sounds(folder: Path, **changes: Any) -> Path:
    return sound_recipe(folder, augmentation=changes, training={"steps": 150})


def spectrograms(folder: Path, **changes: Any) -> Path:
    steps = [{"kind": "spec_augment"}]
    return sound_recipe(folder, augmentation={"steps": steps, **changes}, training={"steps": 150})


def rows(folder: Path, **changes: Any) -> Path:
    return table_recipe(folder, augmentation={"balance": False, **changes})


MAKERS: dict[str, Callable[..., Path]] = {
    "texts": texts, "sounds": sounds, "spectrograms": spectrograms, "rows": rows
}  # fmt: skip


class Made:
    """A recipe on the fly, trained, and its token caches beside those of the same recipe with stored copies."""

    def __init__(self, name: str, folder: Path) -> None:
        self.name = name
        self.recipe = self._recipe(folder / "fly", mode="on_the_fly", copies=1)
        self.offline = self._recipe(folder / "offline", copies=COPIES)
        self.runs: list[Path] = []
        self.built = worlds.build(self.recipe, Store(folder / "a"), self._names(self.recipe), self._launch)
        data = self._names(self.offline, "shards" if name == "texts" else "token_cache")
        self.stored = worlds.build(self.offline, Store(folder / "b"), data)

    def _recipe(self, folder: Path, **changes: Any) -> Recipe:
        return load(str(MAKERS[self.name](folder, **changes)), ()).recipe

    @staticmethod
    def _names(recipe: Recipe, last: str = "report") -> list[str]:
        names = [stage.name for stage in stages(recipe)]
        return names[: names.index(last) + 1]

    def _launch(self, run_file: Path, recipe: Recipe, on_record: Any) -> None:
        self.runs.append(run_file)
        worlds.forked(run_file, recipe, on_record)

    def run(self) -> RunSpec:
        return read_run(self.runs[0])

    def examples(self) -> Examples:
        run = self.run()
        return load_examples(run.inputs, run.input.dtype, len(run.classes))["train"]

    def altering(self) -> Altering:
        found = alteration(self.run(), self.examples())
        assert found is not None
        return found

    def copies(self) -> dict[str, NDArray[Any]]:
        """Values of the stored copies by id."""
        found: dict[str, NDArray[Any]] = {}
        for key in self.offline.partition_keys():
            if self.name == "texts":  # with the other's vocabulary: copies are training rows, so their own differs
                table = self.stored["shards", key].version.parquet("data.parquet").filter(pl.col("copy") > 0)
                values, lengths = self._encoded(table)
            else:
                version = self.stored["token_cache", key].version
                table = cached_rows(version)
                lengths = table["length"].to_numpy()
                values = np.frombuffer(version.file("data.bin").read_bytes(), self.run().input.dtype)
            parts = np.split(values, np.cumsum(lengths)[:-1])
            found |= dict(zip(table["id"], parts, strict=True))
        return found

    def _encoded(self, table: pl.DataFrame) -> tuple[NDArray[Any], NDArray[Any]]:
        assert self.recipe.tokenizer is not None
        model = self.built["tokenizer", "all"].version.file("tokenizer.json").read_text()
        seeds, rates = table["dropout_seed"].to_list(), table["dropout_rate"].to_list()
        return self.recipe.tokenizer.dropout_encoder(model).encode(table["text"].to_list(), seeds, rates)

    def batches(self, settings: Loader, rank: int = 0, world: int = 1) -> list[Batch]:
        run, examples, alter = self.run(), self.examples(), self.altering()
        run = run.model_copy(update={"training": run.training.model_copy(update={"loader": settings})})
        order = Order(examples.length, 16, run.seed, run.training.bucketing)
        source = batches(
            examples, order, run.task_value(), run.input, 40, settings, rank, world, None, run.seed, alter,
            hired(run, examples, alter),
        )  # fmt: skip
        try:
            return [source.get(step) for step in range(0, 40, 3)]
        finally:
            source.close()


def test_what_cannot_be_is_said_before_anything_runs(tmp_path: Path) -> None:
    jitter, smote = ({"kind": kind, "columns": ["length"]} for kind in ("jitter", "smote"))
    wrong: list[tuple[Callable[..., Path], dict[str, Any], str]] = [
        (rows, {"mode": "on_the_fly", "copies": 1, "balance": True}, "balance adds rows"),
        (rows, {"mode": "on_the_fly", "copies": 1, "steps": [jitter, smote]}, "smote must come before"),
        (rows, {"mode": "on_the_fly", "copies": 1, "steps": [{"kind": "eda"}]}, "'eda' does not work on table"),
        (texts, {"mode": "on_the_fly", "copies": 2}, "one copy in each epoch"),
        (texts, {"mode": "on_the_fly", "steps": [{"kind": "spec_augment"}]}, "does not work on text"),
        (sounds, {"mode": "on_the_fly", "column": "label"}, "only that column can be changed"),
    ]
    for number, (maker, changes, said) in enumerate(wrong):
        with pytest.raises(ConfigError, match=said):
            load(str(maker(tmp_path / str(number), **changes)), ())


KINDS = [pytest.param(name, marks=[pytest.mark.slow] if name == "spectrograms" else []) for name in MAKERS]


@pytest.fixture(scope="module", params=KINDS)
def made(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Made:
    return Made(request.param, tmp_path_factory.mktemp(request.param))


def test_an_epoch_sees_the_copies_that_would_be_stored(made: Made) -> None:
    altering, count = made.altering(), len(made.examples())
    copies, whose = made.copies(), np.arange(count)
    plain = made.examples().values(whose)
    changed = 0
    for epoch in range(COPIES):
        for part in (whose[: count // 2], whose[count // 2 :], whose[3:4]):
            values, lengths = altering(part, epoch)
            for row, name in enumerate(altering.ids(part)):
                copy = copies[f"{name}+{epoch + 1}"]
                assert values[row, : lengths[row]].tobytes() == copy.tobytes()
                assert not values[row, lengths[row] :].any()
                changed += not np.array_equal(copy, plain[part[row], : len(copy)])
    assert changed > COPIES * count / 2


@pytest.mark.parametrize("settings", [{"workers": 3}, {"kind": "processes", "workers": 2}])
def test_ranks_threads_and_processes_see_the_same_examples(made: Made, settings: dict[str, Any]) -> None:
    whole = made.batches(Loader(workers=0))
    for batch, other in zip(whole, made.batches(Loader.model_validate(settings)), strict=True):
        assert all(a.equal(b) for a, b in zip(batch.inputs, other.inputs, strict=True))
    for rank in range(2):
        for batch, other in zip(whole, made.batches(Loader(workers=1), rank, 2), strict=True):
            assert batch.count == other.count
            for a, b in zip(batch.inputs, other.inputs, strict=True):
                mine = a[rank::2]
                mine = mine[:, : b.shape[1]] if b.ndim == 2 and a.shape[1] > b.shape[1] else mine
                assert mine.equal(b)


def test_at_no_strength_examples_are_as_they_are_and_at_less_they_differ_less(made: Made) -> None:
    assert made.recipe.augmentation is not None
    whose, told = np.arange(len(made.examples())), made.run().changes
    assert told is not None
    shares = []
    for strength in (0.0, 0.4, 1.0):
        steps = [step.model_dump(mode="json") for step in made.recipe.augmentation.at(strength).steps]
        run = made.run().model_copy(update={"changes": told.model_copy(update={"steps": steps})})
        altering = alteration(run, made.examples())
        assert altering is not None
        values, lengths = altering(whose, 0)
        plain, width = made.examples().values(whose), max(values.shape[1], made.examples().length.max())
        wide = [np.pad(each, [(0, 0), (0, width - each.shape[1])]).astype(np.float64) for each in (values, plain)]
        shares.append(
            float((wide[0] != wide[1]).mean()) if made.name != "rows" else float(np.abs(wide[0] - wide[1]).mean())
        )
        assert strength or np.array_equal(lengths, made.examples().length)
    assert shares[0] == 0 < shares[1] < shares[2]


def test_rows_that_are_not_trained_on_are_kept_as_they_are(made: Made) -> None:
    for key in made.recipe.partition_keys():
        index = cached_rows(made.built["token_cache", key].version)
        assert set(index["copy"]) == {0}
        if "original_offset" in index.columns:
            trained = index["split"] == "train"
            assert (index["original_offset"].is_not_null() == trained).all()
    run = made.run()
    found = load_examples(run.inputs, run.input.dtype, len(run.classes))
    plain = {**run.model_dump(mode="json"), "changes": None}
    without = RunSpec.model_validate_json(json.dumps(plain))
    assert alteration(without, found["valid"]) is None
    sizes = [len(found[split]) for split in ("train", "valid", "test")]
    assert min(sizes) > 0 and len(made.altering().ids(np.arange(sizes[0]))) == sizes[0]


def test_the_report_shows_rows_beside_what_training_saw(made: Made) -> None:
    report = made.built["report", "all"].version.json("report.json")
    sheet, altering = report["contact_sheet"], made.altering()
    assert sheet["copies"] == 4 and len(sheet["rows"]) == 6
    counts = [made.built["shards", key].version.manifest.counts for key in made.recipe.partition_keys()]
    assert [count.added for count in counts if count] == [0] * len(counts)
    places = {name: row for row, name in enumerate(altering.ids(np.arange(len(made.examples()))))}
    if made.name == "texts":
        assert any(row["text"] != copy for row in sheet["rows"] for copy in row["copies"])
    elif made.name == "rows":
        assert sheet["columns"] == ["length", "width"]
        for row in sheet["rows"]:
            for number, (cells, marks) in enumerate(zip(row["cells"][1:], row["changed"], strict=True)):
                (values,), _ = altering(np.array([places[row["id"]]]), number)
                assert cells == [f"{value:.4g}" for value in values[:2]] and any(marks)
    else:
        shown = Image.open(io.BytesIO(base64.b64decode(sheet["image"].partition(",")[2])))
        first = np.array([places[sheet["rows"][0]["id"]]])
        spec = made.run().input
        assert isinstance(spec, SoundSpec)
        pictures = [made.examples().values(first), *(altering(first, number)[0] for number in range(4))]
        expected, _, _ = picture([[spectrogram(one.reshape(1, spec.frames, spec.mels))[0] for one in pictures]])
        top = Image.open(io.BytesIO(base64.b64decode(expected.partition(",")[2])))
        assert np.array_equal(np.asarray(shown)[: top.height - 4, : top.width], np.asarray(top)[: top.height - 4])


@pytest.mark.slow
def test_training_imports_nothing_heavy(made: Made, tmp_path: Path) -> None:
    run = json.loads(made.runs[0].read_text())
    run["training"] |= {"steps": 4, "loader": {"kind": "threads", "workers": 1}}
    path = tmp_path / "run.json"
    path.write_text(json.dumps({**run, "work": str(tmp_path)}))
    script = (
        "import sys; from ops.training.worker import main; code = main(sys.argv[1:]); "
        "print(code, [m for m in ('dagster', 'mlflow', 'polars', 'pandas', 'sklearn') if m in sys.modules])"
    )
    found = subprocess.run([sys.executable, "-c", script, str(path)], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "0 []"


@pytest.mark.slow
def test_a_run_killed_within_an_epoch_goes_on_with_the_same_bytes(made: Made, tmp_path: Path) -> None:
    run = json.loads(made.runs[0].read_text())
    run["training"] |= {"steps": 14, "checkpoint_every": 3}
    paths = []
    for name in ("whole", "killed"):
        work_folder = tmp_path / name / "work"
        work_folder.mkdir(parents=True)
        (work_folder / "run.json").write_text(json.dumps({**run, "work": str(work_folder)}))
        paths.append(work_folder / "run.json")
    whole, killed = paths
    assert work(whole) == 0
    assert work(killed, SATIETY_FAULT="kill@60") == -signal.SIGKILL
    assert work(killed) == 0 and "going on after step" in log(killed)
    assert hashes(killed) == hashes(whole)
    assert any(record.get("step") for record in records(whole))


def test_damaged_originals_are_named(made: Made, tmp_path: Path) -> None:
    if made.name == "spectrograms":
        assert not list(Path(made.run().inputs[0].path).glob("originals.bin"))
        return
    run = made.run()
    part = run.inputs[0].model_copy(update={"files": {**run.inputs[0].files, "originals.bin": "0" * 64}})
    with pytest.raises(IntegrityError, match="not those of the manifest"):
        alteration(run.model_copy(update={"inputs": [part, *run.inputs[1:]]}), made.examples())


def test_a_damaged_vocabulary_is_named_and_a_text_may_be_as_long_as_the_tokenizer_says(made: Made) -> None:
    run = made.run()
    assert run.changes is not None
    if made.name != "texts":
        assert run.changes.vocabulary is None
        return
    assert run.changes.vocabulary is not None and made.recipe.tokenizer is not None
    wrong = run.changes.vocabulary.model_copy(update={"sha256": "0" * 64})
    told = run.changes.model_copy(update={"vocabulary": wrong})
    with pytest.raises(IntegrityError, match=r"tokenizer\.json: the bytes are not those of the manifest"):
        alteration(run.model_copy(update={"changes": told}), made.examples())
    longest = made.recipe.tokenizer.max_length
    assert made.examples().length.max() < longest and made.altering().changing.longest == longest


def test_texts_at_edges_are_tokenised_each_on_its_own(made: Made) -> None:
    if made.name != "texts":
        return
    altering, run = made.altering(), made.run()
    texts = ["", "   ", "wave", "wave tide " * 40, "\u00e9\u4e2d"]
    given, ids = [np.frombuffer(text.encode(), np.uint8) for text in texts], [f"edge/{n}" for n in range(5)]
    values, lengths = altering.changing(given, ids, 2)
    assert lengths[0] == 1 and lengths[3] == altering.changing.longest == values.shape[1]
    for text, row, value, length in zip(given, ids, values, lengths, strict=True):
        (alone,), (size,) = altering.changing([text], [row], 2)
        assert size == length and np.array_equal(alone[:size], value[:length]) and not value[length:].any()
    assert values.dtype == np.dtype(run.input.dtype)
