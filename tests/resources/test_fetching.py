"""Before partitions are mapped, what a source has elsewhere is fetched, once, with progress, and only if needed."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from ops.sources import downloads
from ops.sources.downloads import Progress
from ops.sources.remote import Remote
from ops.stages.chain import stage_named
from pipelines.progress import Bars, Lines, describe_download
from resources.progress import Event, listening
from resources.settings import EngineSettings, Settings
from resources.workspace import Workspace
from tests.chain import worlds


def test_what_is_elsewhere_is_fetched_first_and_only_if_something_is_to_be_built(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = worlds.make(tmp_path)
    recipe = world.recipe()
    data = b"".join(file.path.read_bytes() for file in recipe.source.files())  # type: ignore[attr-defined]
    remote = Remote(url="https://host.invalid/rows.ndjson", sha256=hashlib.sha256(data).hexdigest())
    recipe = recipe.model_copy(update={"source": recipe.source.model_copy(update={"path": remote})})
    fetched: list[str] = []

    def fetch(remote: Remote, place: Path, progress: Progress) -> None:
        fetched.append(remote.name)
        place.parent.mkdir(parents=True)
        place.write_bytes(data)
        progress(remote.name, len(data), len(data))

    monkeypatch.setattr(downloads, "_fetch", fetch)
    monkeypatch.setenv("SATIETY_DOWNLOADS", "")
    home = tmp_path / "home"
    workspace = Workspace(Settings(tmp_path, world.store.root, home, EngineSettings(workers=1)))
    events: list[Event] = []
    stage = stage_named(recipe, "raw_corpus")
    with listening(events.append):
        built = workspace.build(recipe, stage, recipe.partition_keys(), lambda built, done, of: None)
        assert [event.what for event in events][:2] == ["stage", "download"]
        assert events[1].data == {"name": "rows.ndjson", "done": len(data), "of": len(data)}
        assert [path.name for path in (home / "downloads").rglob("*") if path.is_file()] == [remote.sha256]
        downloads.cached(remote).unlink()
        again = workspace.build(recipe, stage, recipe.partition_keys(), lambda built, done, of: None)
    assert all(b.built for b in built) and not any(b.built for b in again)
    assert fetched == ["rows.ndjson"]


def test_the_console_shows_how_far_a_download_is() -> None:
    said: list[str] = []
    lines = Lines(clock=lambda: 0.0, write=said.append)
    bars = Bars()
    for shown in (lines.on_event, bars.on_event):
        shown(Event("stage", "raw_corpus", {"partitions": 1}))
        shown(Event("download", "raw_corpus", {"name": "a.gz", "done": 250, "of": 1000}))
        shown(Event("download", "raw_corpus", {"name": "b.gz", "done": 5, "of": None}))
        shown(Event("download", "raw_corpus", {"name": "a.gz", "done": 1000, "of": 1000}))
    assert said == ["raw_corpus: a.gz 1.0 kB of 1.0 kB"]
    shown_tasks = [(task.description, task.completed, task.total) for task in bars.progress.tasks]
    assert shown_tasks[1:] == [("download", 1000, 1000), ("download", 0, None)]
    assert describe_download({"name": "x", "done": 5, "of": None}) == "x 5 B"
