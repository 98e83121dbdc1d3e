"""The worker as a whole: what it writes, and that nothing that happens on the way changes it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from ops.launch import WARNINGS
from ops.storage.hashing import sha256_file
from ops.training.result import load_model
from tests.ops.training.runs import (
    RESULT,
    finish,
    free_port,
    hashes,
    log,
    records,
    start,
    text_run,
    wait_for_lines,
    work,
    work_together,
)


@pytest.fixture(scope="module")
def expected(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """The result of a run that nothing happened to."""
    run = text_run(tmp_path_factory.mktemp("whole"))
    assert work(run) == 0
    return hashes(run)


@pytest.fixture(scope="module")
def expected_of_two(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """The same of two processes."""
    run = text_run(tmp_path_factory.mktemp("both"), world_size=2)
    assert work_together(run) == [0, 0]
    return hashes(run)


def checkpoints(run: Path) -> list[str]:
    return sorted(path.name for path in (run.parent / "checkpoints").iterdir())


def test_a_run_writes_all_that_it_says(tmp_path: Path) -> None:
    run = text_run(tmp_path, {"steps": None, "epochs": 2})
    assert work(run) == 0
    result = run.parent / "result"
    done = json.loads((result / "done.json").read_text())
    assert {name: sha256_file(result / name) for name in (*RESULT, "cost.json")} == done["files"]
    lines = list(records(run))
    assert {"step", "epoch", "time_ms", "loss", "lr", "grad_norm", "examples_per_s"} == set(lines[0])
    judged = [line for line in lines if "valid_loss" in line]
    assert [line["epoch"] for line in judged] == [1.0, 2.0]
    assert {"valid_accuracy", "valid_macro_f1"} < set(judged[0])
    history = [json.loads(line) for line in (result / "history.jsonl").read_text().splitlines()]
    assert [{**line, "time_ms": 0, "examples_per_s": 0}.keys() for line in history] == [
        {**line, "examples_per_s": 0}.keys() for line in lines
    ]
    assert not any("time_ms" in line or "examples_per_s" in line for line in history)
    assert json.loads((run.parent / "heartbeat").read_text()).keys() == {"step", "pid"}


def test_the_cost_is_complete(tmp_path: Path) -> None:
    run = text_run(tmp_path)
    assert work(run) == 0
    cost = json.loads((run.parent / "result" / "cost.json").read_text())
    assert cost["examples"] == 7 * 9 - (6 * 9 - 48)  # 48 examples: the sixth batch has three
    assert cost["cpu_s"] > 0
    assert 0 < cost["startup_s"] < cost["wall_s"]
    assert cost["peak_rss_bytes"] > 50e6
    assert cost["energy"]["joules"] > 0
    assert cost["energy"]["method"] in ("measured", "estimated")
    assert cost["flops_by_torch"] == pytest.approx(1.0, abs=0.02)
    assert 0 < cost["utilisation"] < 1 and 0 < cost["waiting_share"] < 1
    spent = [cost[f"{what}_s"] for what in ("waiting", "computing", "evaluating", "saving")]
    assert all(seconds > 0 for seconds in spent) and sum(spent) < cost["wall_s"]
    # 63 - 6 examples of at most 12 tokens forward and backward, 16 of validation forward.
    description = json.loads((run.parent / "result" / "model.json").read_text())
    most = description["flops_per_example"] * (3 * 57 + 2 * 16)
    assert 0.3 * most < cost["flops"] <= most


def test_the_result_is_a_model_again(tmp_path: Path) -> None:
    run = text_run(tmp_path, {"steps": 60, "learning_rate": 0.01})
    assert work(run) == 0
    result = run.parent / "result"
    description = json.loads((result / "model.json").read_text())
    trained = load_model(description, (result / "model.safetensors").read_bytes())
    assert trained.classes == ["x", "y", "z"]
    from ops.training.data import load_examples
    from ops.training.evaluate import evaluate
    from ops.training.run import read_run

    examples = load_examples(read_run(run).inputs, trained.spec.dtype, 3)["valid"]
    verdict = evaluate(trained.network, trained.task, trained.spec, examples, 3)
    said = json.loads((result / "valid.json").read_text())
    judged = [(line["valid_accuracy"], -line["valid_loss"]) for line in records(run) if "valid_loss" in line]
    assert (verdict.metrics["accuracy"], -verdict.loss) == (said["metrics"]["accuracy"], -said["loss"]) == max(judged)
    assert verdict.tally == said["tally"]
    assert verdict.metrics["accuracy"] > 0.8  # it learns: by chance a third


def test_select_last_takes_the_last_weights(tmp_path: Path) -> None:
    run = text_run(tmp_path, {"select": "last", "evaluate_every": 2})
    assert work(run) == 0
    assert json.loads((run.parent / "result" / "model.json").read_text())["step"] == 7


def test_a_second_run_finds_the_result(tmp_path: Path) -> None:
    run = text_run(tmp_path)
    assert work(run) == 0
    before = (run.parent / "result" / "cost.json").stat().st_mtime_ns
    assert work(run) == 0
    assert (run.parent / "result" / "cost.json").stat().st_mtime_ns == before
    assert "the result is there already" in log(run)


def test_a_damaged_result_is_made_again(tmp_path: Path, expected: dict[str, str]) -> None:
    run = text_run(tmp_path)
    assert work(run) == 0
    path = run.parent / "result" / "model.safetensors"
    path.chmod(0o644)
    path.write_bytes(path.read_bytes()[:-1] + b"\0")
    assert work(run) == 0
    assert hashes(run) == expected


def calls(tmp_path: Path) -> int:
    """How many changes of the file system a run makes."""
    seam = tmp_path / "seam.tsv"
    run = text_run(tmp_path / "counted")
    assert work(run, SATIETY_FAULT_LOG=str(seam)) == 0
    return len(seam.read_text().splitlines())


def kill_at(folder: Path, number: int, expected: dict[str, str]) -> None:
    run = text_run(folder)
    assert work(run, SATIETY_FAULT=f"kill@{number}") == -signal.SIGKILL
    assert work(run) == 0
    assert hashes(run) == expected, f"killed at call {number}"


def test_killed_at_any_of_some_calls_the_result_has_the_same_bytes(tmp_path: Path, expected: dict[str, str]) -> None:
    number = calls(tmp_path)
    assert number > 80
    for at in range(3, number, number // 9):
        kill_at(tmp_path / str(at), at, expected)


@pytest.mark.slow
def test_killed_at_any_call_the_result_has_the_same_bytes(tmp_path: Path, expected: dict[str, str]) -> None:
    for at in range(1, calls(tmp_path) + 1):
        kill_at(tmp_path / str(at), at, expected)


def test_killed_again_and_again(tmp_path: Path, expected: dict[str, str]) -> None:
    run = text_run(tmp_path)
    codes = [work(run, SATIETY_FAULT="kill@45") for _ in range(6)]
    assert codes[0] == -signal.SIGKILL
    assert codes[-1] == 0
    assert hashes(run) == expected


def test_the_best_weights_outlive_a_kill(tmp_path: Path) -> None:
    """Found before the kill and never reached again: they are in the checkpoint, beside the last ones."""
    # SGD that grows too long: the weights are good early on, and thrown about after that.
    wild = {
        **{"steps": 12, "evaluate_every": 1, "checkpoint_every": 4, "optimizer": "sgd", "schedule": "constant"},
        **{"learning_rate": 1.0, "warmup": 0.0},
    }
    whole = text_run(tmp_path / "whole", wild)
    assert work(whole) == 0
    best = json.loads((whole.parent / "result" / "valid.json").read_text())["step"]
    seam = tmp_path / "seam.tsv"
    assert work(text_run(tmp_path / "counted", wild), SATIETY_FAULT_LOG=str(seam)) == 0
    assert best <= 8, "the test needs weights that are best before the last checkpoint"
    killed = text_run(tmp_path / "killed", wild)
    assert work(killed, SATIETY_FAULT=f"kill@{len(seam.read_text().splitlines()) - 12}") == -signal.SIGKILL
    assert work(killed) == 0
    assert "going on after step" in log(killed)
    assert hashes(killed) == hashes(whole)


def test_each_line_of_metrics_is_there_once(tmp_path: Path) -> None:
    run = text_run(tmp_path)
    assert work(run, SATIETY_FAULT="kill@60") == -signal.SIGKILL
    with (run.parent / "metrics.jsonl").open("a") as torn:
        torn.write('{"step": 9')
    assert work(run) == 0
    assert [line["step"] for line in records(run) if "loss" in line] == [2, 4, 6, 7]


def damage(path: Path, how: str) -> None:
    path.chmod(0o644)
    data = bytearray(path.read_bytes())
    if how == "flipped":
        data[len(data) // 2] ^= 4
    path.write_bytes(data if how == "flipped" else data[: len(data) // 2])


@pytest.mark.parametrize("name", ["model.safetensors", "state.json", "manifest.json"])
@pytest.mark.parametrize("how", ["flipped", "truncated"])
def test_a_damaged_checkpoint_falls_back_to_the_one_before(
    tmp_path: Path, name: str, how: str, expected: dict[str, str]
) -> None:
    run = text_run(tmp_path)
    assert work(run, SATIETY_FAULT="kill@85") == -signal.SIGKILL
    newest = checkpoints(run)[-1]
    damage(run.parent / "checkpoints" / newest / name, how)
    assert work(run) == 0
    assert f"checkpoint {newest} cannot be used" in log(run)
    assert "going on after step" in log(run)
    assert hashes(run) == expected
    (warned,) = (run.parent / WARNINGS).read_text().splitlines()  # for who started it
    assert json.loads(warned)["said"].startswith(f"checkpoint {newest} cannot be used")


def test_without_any_whole_checkpoint_it_starts_over(tmp_path: Path, expected: dict[str, str]) -> None:
    run = text_run(tmp_path)
    assert work(run, SATIETY_FAULT="kill@85") == -signal.SIGKILL
    for name in checkpoints(run):
        damage(run.parent / "checkpoints" / name / "optimizer.safetensors", "flipped")
    assert work(run) == 0
    assert "going on" not in log(run)
    assert hashes(run) == expected


def test_checkpoints_of_another_run_are_not_taken(tmp_path: Path) -> None:
    run = text_run(tmp_path)
    assert work(run, SATIETY_FAULT="kill@85") == -signal.SIGKILL
    other = json.loads(run.read_text())
    other["seed"] = 4
    run.write_text(json.dumps(other))
    assert work(run) == 0
    assert "it is of another run" in log(run)


def test_without_resume_it_starts_over(tmp_path: Path, expected: dict[str, str]) -> None:
    run = text_run(tmp_path, resume=False)
    assert work(run, SATIETY_FAULT="kill@85") == -signal.SIGKILL
    assert work(run) == 0
    assert "going on" not in log(run)
    assert hashes(run) == expected


def test_only_some_checkpoints_are_kept(tmp_path: Path) -> None:
    run = text_run(tmp_path, {"checkpoint_every": 1, "keep_checkpoints": 3})
    assert work(run) == 0
    assert checkpoints(run) == ["step-00000005", "step-00000006", "step-00000007"]


def test_term_writes_a_checkpoint_and_goes_on_later(tmp_path: Path) -> None:
    long = {"steps": 200, "log_every": 1, "checkpoint_every": 1000}
    whole = text_run(tmp_path / "whole", long)
    assert work(whole) == 0
    run = text_run(tmp_path / "stopped", long)
    child = start(run)
    wait_for_lines(run, 5)
    os.kill(child, signal.SIGTERM)
    assert finish(child) == 143
    (name,) = checkpoints(run)
    assert 5 <= int(name.removeprefix("step-")) < 200
    assert work(run) == 0
    assert hashes(run) == hashes(whole)


def test_a_loss_that_is_not_finite_ends_the_run_and_is_never_the_best(tmp_path: Path) -> None:
    wild = {"learning_rate": 100.0, "warmup": 0.0, "schedule": "constant", "optimizer": "sgd", "clip_norm": None}
    run = text_run(tmp_path, {**wild, "steps": 100, "evaluate_every": 1, "weight_decay": 100.0})
    assert work(run) == 4
    assert "loss is not finite at step" in log(run)
    assert not (run.parent / "result").exists()
    assert work(run) == 4  # the last checkpoint does not help


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"model": {"kind": "transformer"}}, "there is no model 'transformer'"),
        ({"model": {"kind": "vision_transformer"}}, "reads image, not text"),
        ({"model": {"kind": "transformer_encoder", "dim": 9}}, "heads: 4 does not divide dim: 9"),
        ({"world_size": 2}, "1 processes were started, the run is for 2"),
    ],
)
def test_wrong_settings_exit_with_2(tmp_path: Path, change: dict[str, Any], said: str) -> None:
    run = text_run(tmp_path, **change)
    assert work(run) == 2
    assert said in log(run)


def test_a_batch_that_the_examples_do_not_fill_is_named(tmp_path: Path) -> None:
    """There are 48; the default of 64, which nobody chose, takes all of them."""
    run = text_run(tmp_path / "more", {"batch_size": 65})
    assert work(run) == 2
    assert "training.batch_size: 65 examples in a batch are more than there are to train on: 48" in log(run)
    assert work(text_run(tmp_path / "default", {"batch_size": 64, "steps": 2})) == 0


def test_a_file_that_is_no_run_exits_with_2(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    from ops.training import worker

    handlers = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        run = tmp_path / "run.json"
        run.write_text('{"task": 1}')
        assert worker.main([str(run)]) == worker.main([str(tmp_path / "none.json")]) == worker.main([]) == 2
    finally:
        for number, handler in handlers.items():
            signal.signal(number, handler)
    assert f"{run}: task: Input should be an object" in capsys.readouterr().err


def test_changed_data_exits_with_5(tmp_path: Path) -> None:
    run = text_run(tmp_path)
    damage(tmp_path / "cache" / "b" / "data.bin", "flipped")
    assert work(run) == 5
    assert "cache/b/data.bin: the bytes are not those of the manifest" in log(run)


def test_a_full_disk_exits_with_74_and_leaves_no_result(tmp_path: Path, expected: dict[str, str]) -> None:
    run = text_run(tmp_path)
    assert work(run, SATIETY_FAULT="enospc@50") == 74
    assert not (run.parent / "result").exists()
    assert work(run) == 0
    assert hashes(run) == expected


def test_torch_must_not_load_pickles(tmp_path: Path) -> None:
    run = text_run(tmp_path)
    assert work(run, TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD="1") == 2
    assert "unset TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD" in log(run)


def test_torchruns_error_file_says_what_was_wrong(tmp_path: Path) -> None:
    run = text_run(tmp_path, model={"kind": "transformer"})
    error = tmp_path / "error.json"
    assert work(run, TORCHELASTIC_ERROR_FILE=str(error)) == 2
    assert "there is no model" in json.loads(error.read_text())["message"]["message"]


def test_two_processes_learn_what_one_learns(tmp_path: Path) -> None:
    model = {"kind": "transformer_encoder", "dim": 8, "depth": 1, "heads": 2, "dropout": 0.0}
    # 48 examples in batches of 47: the second batch of each epoch has one example, and one process none.
    settings = {"batch_size": 47, "log_every": 1, "select": "last"}
    one = text_run(tmp_path / "one", settings, model=model)
    two = text_run(tmp_path / "two", settings, model=model, world_size=2)
    assert work(one) == 0
    assert work_together(two) == [0, 0]
    for a, b in zip(records(one), records(two), strict=True):
        for key in ("loss", "valid_loss", "valid_accuracy", "grad_norm"):
            assert a.get(key, 0.0) == pytest.approx(b.get(key, 0.0), abs=1e-5)
    mine, theirs = (load_file(run.parent / "result" / "model.safetensors") for run in (one, two))
    assert all((mine[name] - theirs[name]).abs().max() < 1e-4 for name in mine)
    costs = [json.loads((run.parent / "result" / "cost.json").read_text()) for run in (one, two)]
    assert costs[0]["examples"] == costs[1]["examples"]


def test_two_processes_killed_at_some_calls(tmp_path: Path, expected_of_two: dict[str, str]) -> None:
    for at in (20, 70):
        run = text_run(tmp_path / str(at), world_size=2)
        codes = work_together(run, SATIETY_FAULT=f"kill@{at}")
        assert codes == [-signal.SIGKILL, 75]
        assert work_together(run) == [0, 0]
        assert hashes(run) == expected_of_two


def test_the_second_process_killed_or_asked_to_stop(tmp_path: Path, expected_of_two: dict[str, str]) -> None:
    for number, codes in ((signal.SIGKILL, [75, -signal.SIGKILL]), (signal.SIGTERM, [143, 143])):
        run, port = text_run(tmp_path / number.name, world_size=2), free_port()
        children = [start(run, rank, 2, port) for rank in range(2)]
        wait_for_lines(run, 1)
        os.kill(children[1], number)
        found = [finish(child) for child in children]
        assert found in (codes, [0, 0])  # it may have been done already
        assert work_together(run) == [0, 0]
        assert hashes(run) == expected_of_two


def test_a_plain_run_imports_nothing_heavy(tmp_path: Path, expected: dict[str, str]) -> None:
    run = text_run(tmp_path)
    script = (
        "import sys; from ops.training.worker import main; code = main(sys.argv[1:]); "
        "print(code, [m for m in ('dagster', 'mlflow', 'polars', 'pandas', 'sklearn') if m in sys.modules])"
    )
    command = [sys.executable, "-c", script, str(run)]
    found = subprocess.run(command, capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "0 []"
    assert hashes(run) == expected


def test_what_is_imported_is_not_searched_for_garbage(tmp_path: Path) -> None:
    """At the first step there is a search again, but all that was imported has been through none."""
    script = (
        "import gc, logging, runpy; seen = []\n"
        "def searches(): return gc.get_stats()[2]['collections']\n"
        "class Told(logging.Handler):\n"
        "    def emit(self, record):\n"
        "        seen.append((gc.isenabled(), gc.get_freeze_count() > 100_000, searches() - before))\n"
        "logging.getLogger('satiety.training').addHandler(Told()); before = searches()\n"
        "runpy.run_module('ops.training.worker', run_name='__main__', alter_sys=True); print(seen[0])"
    )
    command = [sys.executable, "-c", script, str(text_run(tmp_path, {"steps": 1, "log_every": 1}))]
    found = subprocess.run(command, capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "(True, True, 0)"


@pytest.mark.parametrize("deterministic", [True, False])
def test_a_recipe_says_whether_only_deterministic_algorithms_are_used(tmp_path: Path, deterministic: bool) -> None:
    from ops.training import worker

    with pytest.MonkeyPatch.context() as patch:  # in the child: what it sets stays there
        patch.setattr(worker, "_join_and_train", lambda *_: 0 if torch.are_deterministic_algorithms_enabled() else 1)
        assert work(text_run(tmp_path, {"deterministic": deterministic})) == (0 if deterministic else 129)
