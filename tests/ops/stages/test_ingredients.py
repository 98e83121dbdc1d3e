"""What a fingerprint covers: the keys of the recipe that a stage reads, and the code that it runs."""

from __future__ import annotations

import dataclasses
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ops.errors import SatietyError
from ops.recipe import Recipe
from ops.stages.chain import stage_named, stages
from ops.stages.code import code_versions
from ops.stages.run import build_stage, ingredients, partitions_of
from ops.stages.spec import Services, Stage
from ops.storage import Store
from tests.chain import worlds
from tests.chain.worlds import Modality, World
from tests.ops.stages.recording import import_everything, recorder, tracing

NAMES = ("raw_corpus", "signatures", "duplicates", "clean_corpus", "statistics", "shards", "tokenizer", "token_cache")

# Other valid values for every key of a recipe, some for texts and some for images. What none of them changes in a
# stage's part, the stage does not read.
MUTATIONS: dict[str, list[str]] = {
    "name": ["name=other"],
    "description": ["description=Other words."],
    "seed": ["seed=9"],
    "owners": ["owners=[]"],
    "source": ["source.extra_columns=drop", "source.max_pixels=1000"],
    "partitions": ["partitions={hash: 2}"],
    "cleaning": ["cleaning[0].column=label", "cleaning[1].conflict=keep_first", "cleaning[4].conflict=keep_first"],
    "split": ["split.salt=other"],
    "normalization": ["normalization=[]", "normalization[0].filter=box"],
    "augmentation": ["augmentation.copies=2", "augmentation={mode: on_the_fly, steps: [{kind: scale}]}"],
    "tokenizer": ["tokenizer.max_length=20"],
    "task": ["task.label=stars", "task={kind: text_classification, input: label, label: text}"],
    "model": ["model.dim=8"],
    "training": ["training.steps=5"],
    "sweep": ["sweep={over: {training.learning_rate: [0.001, 0.002]}, search: grid}"],
    "launch": ["launch.processes=2"],
    "evaluation": ["evaluation.bootstrap=200"],
    "automation": ["automation.data='0 3 * * *'"],
}


# Without the step that is bound to one column, the texts may as well be another column.
BASE = {"text": ["normalization=[]"], "image": []}

# What a property of the recipe's own parts says is among the settings by its value.
DATA = {"ops.launch"}


@pytest.fixture(params=["text", "image"])
def world(request: pytest.FixtureRequest) -> World:
    found: World = request.getfixturevalue(request.param)
    return found


def mutated(world: World, *overrides: str) -> Recipe | None:
    """The recipe with other values, None where such a recipe cannot be."""
    try:
        return world.recipe(*overrides)
    except SatietyError:
        return None


def test_every_key_has_a_mutation() -> None:
    assert MUTATIONS.keys() == Recipe.model_fields.keys()


def test_a_stage_depends_on_its_keys_and_on_no_other(text: World, image: World) -> None:
    found: dict[str, set[str]] = {}
    for world in (text, image):
        base = BASE[world.recipe().task.modality]
        recipe = world.recipe(*base)
        for key, overrides in MUTATIONS.items():
            others = [mutated(world, *base, override) for override in overrides]
            for stage in stages(recipe):
                if any(other is not None and stage.config(other) != stage.config(recipe) for other in others):
                    found.setdefault(stage.name, set()).add(key)
    declared = {stage.name: set(stage.keys) for world in (text, image) for stage in stages(world.recipe())}
    assert found == declared


def test_config_reads_no_key_that_is_not_listed(world: World) -> None:
    for stage in stages(world.recipe()):
        stand_in, read = recorder(world.recipe())
        stage.config(stand_in)
        assert read <= set(stage.keys), f"{stage.name} reads {read - set(stage.keys)}"


def test_an_unlisted_key_would_be_noticed(text: World) -> None:
    stage = stage_named(text.recipe(), "shards")
    careless = dataclasses.replace(stage, config=lambda recipe: {**stage.config(recipe), "split": recipe.split.salt})
    stand_in, read = recorder(text.recipe())
    careless.config(stand_in)
    assert read - set(careless.keys) == {"split"}


def trace(world: World, stage: Stage, store: Store, services: Services | None = None) -> tuple[set[str], set[str]]:
    """Build one partition of a stage from the world's inputs: which keys were read, which modules ran."""
    recipe = world.recipe()
    inputs = {
        read.stage: {
            key: world.version(read.stage, key)
            for key in partitions_of(stage_named(recipe, read.stage), recipe)
            if read.every or key in ("0", "all")
        }
        for read in stage.inputs
    }
    stand_in, read = recorder(recipe)
    partition = "0" if stage.partitioned else "all"
    slot = store.slot("traced", stage.name, partition)

    def write(output: Any) -> Any:
        from ops.stages.spec import Build

        external = stage.external(recipe, partition) if stage.external is not None else ""
        work = lambda: slot.work("f" * 32)  # noqa: E731
        build = Build(stand_in, partition, inputs, output, work, services or Services(), external)
        with tracing() as ran:
            modules.append(ran)
            return stage.build(build)

    modules: list[set[str]] = []
    slot.commit("f" * 32, {}, write)
    return read, modules[0]


@pytest.mark.parametrize("name", NAMES)
def test_a_data_stage_reads_its_keys_and_runs_its_code(world: World, name: str, tmp_path: Path) -> None:
    import_everything()
    found = [stage for stage in stages(world.recipe()) if stage.name == name]
    if not found:
        assert (world.recipe().task.modality, name) == ("image", "tokenizer")
        return
    read, ran = trace(world, found[0], Store(tmp_path))
    assert read <= set(found[0].keys)
    versions = code_versions([found[0].module, *found[0].modules(world.recipe())])
    assert ran <= versions.keys(), f"{name} runs {ran - versions.keys()}"
    assert found[0].module in ran


@pytest.mark.parametrize("modality", ["text", "image"])
def test_training_and_report_read_their_keys_and_run_their_code(
    modality: Modality, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    import_everything()
    world: World = request.getfixturevalue(f"trained_{modality}")
    recipe = world.recipe()
    of_worker = tmp_path / "worker.json"
    for name, services in (("model", Services(launch=_traced(of_worker))), ("report", None)):
        stage = stage_named(recipe, name)
        read, ran = trace(world, stage, Store(tmp_path / "store"), services)
        if name == "model":
            ran |= set(json.loads(of_worker.read_text()))
            assert "ops.training.loop" in ran
        assert read <= set(stage.keys)
        versions = code_versions([stage.module, *stage.modules(recipe)])
        assert ran <= versions.keys() | DATA, f"{name} runs {ran - versions.keys()}"


def _traced(file: Path) -> Callable[..., None]:
    """A launcher that trains in a forked process and leaves the names of the modules that ran there."""

    def launch(run_file: Path, recipe: Recipe, on_record: object) -> None:
        from ops.training import worker

        child = os.fork()
        if child == 0:
            code = 99
            try:
                with tracing() as ran:
                    code = worker.main([str(run_file)])
                file.write_text(json.dumps(sorted(ran)))
            finally:
                os._exit(code)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0

    return launch


def test_every_step_of_a_recipe_is_in_its_stages_code(text: World) -> None:
    recipe = text.recipe(
        "cleaning=[{kind: mask, words: [x]}, {kind: exact_duplicates}, {kind: length, minimum: 2}]",
        "normalization=[{kind: unicode_form}, {kind: text_case}]",
        "tokenizer={kind: word, vocabulary: 300}",
    )
    kinds = {
        "raw_corpus": {"ops.sources.csv"},
        "signatures": {"ops.cleaning.mask", "ops.deduplication.exact"},
        "duplicates": {"ops.deduplication.exact"},
        "clean_corpus": {"ops.cleaning.mask", "ops.deduplication.exact", "ops.cleaning.length"},
        "shards": {"ops.normalization.unicode_form", "ops.normalization.text_case"},
        "tokenizer": {"ops.tokenization.word"},
        "token_cache": {"ops.tokenization.word"},
        "model": {"ops.tasks.text_classification", "ops.nn.models.transformer_encoder", "ops.training.worker"},
        "report": {"ops.evaluation.baselines.tfidf_svm", "ops.evaluation.html"},
    }
    for name, wanted in kinds.items():
        stage = stage_named(recipe, name)
        assert wanted <= set(stage.modules(recipe)), name
    # A step behind deduplication has no say in what is compared.
    assert "ops.cleaning.length" not in code_versions(stage_named(recipe, "signatures").modules(recipe))


def test_ingredients_are_named_and_flat(text: World) -> None:
    recipe = text.recipe()
    stage = stage_named(recipe, "clean_corpus")
    parts = ingredients(stage, recipe, "1", {"raw_corpus": {"1": "d1"}, "duplicates": {"all": "d2"}})
    assert parts["input.raw_corpus[1]"] == "d1" and parts["input.duplicates[all]"] == "d2"
    assert parts["config.cleaning[3].maximum"] == "200" and parts["config.split.columns[0]"] == '"text"'
    assert (
        parts["code.ops.stages.clean_corpus"] == code_versions(["ops.stages.clean_corpus"])["ops.stages.clean_corpus"]
    )
    assert "external" not in parts
    assert "external" in ingredients(stage_named(recipe, "raw_corpus"), recipe, "1", {})


def test_a_missing_input_is_named(tmp_path: Path) -> None:
    world = worlds.make(tmp_path)
    recipe = world.recipe()
    with pytest.raises(SatietyError, match=r"tiny: raw_corpus\[2\] has not been built \(build raw_corpus first\)"):
        build_stage(stage_named(recipe, "signatures"), recipe, "2", world.store)


def test_how_examples_are_read_is_no_ingredient_of_a_model(text: World) -> None:
    recipe, other = text.recipe(), text.recipe("training.loader={workers: 3, prefetch: 9, memory: 5}")
    assert recipe.training != other.training
    assert stage_named(recipe, "model").config(recipe) == stage_named(other, "model").config(other)
