"""The command line from outside: exit codes, what goes to which stream, JSON, and how to go on after a failure."""

from __future__ import annotations

import json
import os
import shlex
import signal
import subprocess
import sys
import types
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from ops.errors import CheckFailed, DiskFull, Interrupted, SatietyError, Temporary
from ops.stages.chain import stage_named
from ops.stages.run import partitions_of, wanted
from ops.storage import Counts, Output, Slot, Store, lock
from pipelines import cli, console
from pipelines.commands.report import figures
from pipelines.plan import Item, Plan
from pipelines.recipe import load

ROOT = Path(__file__).parents[2]
PANELS = (
    ("run", "plan", "report"),
    ("peek", "generate", "lineage", "dates", "schema"),
    ("verify", "gc", "push", "pull", "doctor"),
    ("ui", "dvc", "sync"),
)
COMMANDS = tuple(command for panel in PANELS for command in panel)


def satiety(*arguments: str, cwd: Path | None = None, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run the command in a process of its own."""
    return subprocess.run(
        [sys.executable, "-m", "pipelines.cli", *arguments],
        capture_output=True,
        text=True,
        cwd=cwd or ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT), **environment},
        timeout=300,
        check=False,
    )


@pytest.fixture
def called(
    recipe_folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Iterator[Callable[..., tuple[int, str, str]]]:
    """Calls a command in this process, in the recipe's folder: exit code, standard output, standard error."""
    monkeypatch.chdir(recipe_folder)

    def call(*words: str) -> tuple[int, str, str]:
        monkeypatch.setattr(console, "state", console.State(json="--json" in words))
        monkeypatch.setattr(cli, "state", console.state)
        code = cli.invoke(list(words))
        captured = capsys.readouterr()
        return code, captured.out, captured.err

    yield call


def executing(monkeypatch: pytest.MonkeyPatch, act: Callable[..., Any]) -> list[dict[str, Any]]:
    """Put `act` in the place of running a job; returns the arguments of each call."""
    calls: list[dict[str, Any]] = []

    def execute(recipe: Any, **options: Any) -> Any:
        calls.append({"recipe": recipe, **options})
        return act(**options)

    module = types.ModuleType("pipelines.execute")
    module.execute = execute  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "pipelines.execute", module)
    return calls


@pytest.mark.parametrize("command", ["", *COMMANDS])
def test_help_imports_nothing_heavy(command: str) -> None:
    heavy = ("dagster", "mlflow", "torch", "polars", "numpy", "pydantic", "yaml", "rich.markdown", "sklearn")
    code = (
        f"import sys, pipelines.cli as c; code = c.invoke({[word for word in (command, '--help') if word]!r}); "
        f"print([n for n in {heavy!r} if n in sys.modules], code)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, check=True)
    assert done.stdout.splitlines()[-1] == "[] 0"
    assert "Usage: satiety" in done.stdout
    for line in done.stdout.splitlines():
        assert len(line) <= 80
        # An ellipsis behind a bracket means that an argument may be repeated.
        assert "..." not in line.replace("]...", "]"), f"cut off: {line}"


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_is_described_and_speaks_json(command: str) -> None:
    done = satiety(command, "--help")
    assert "--json" in done.stdout or command == "schema"
    arguments = done.stdout.partition("Arguments:\n")[2].partition("\n\n")[0]
    assert not arguments or len(arguments.replace("[required]", "").split()) > 2, f"no text: {arguments}"


def test_usage_errors(called: Callable[..., tuple[int, str, str]]) -> None:
    assert called("pln")[0] == 2
    assert "Did you mean 'plan'" in called("pln")[2]
    assert called("plan")[2] == "error: Missing argument 'RECIPE'. (see satiety plan --help)\n"
    code, out, err = called("plan", "tiny.yaml", "--sett", "a=1")
    assert (code, out) == (2, "")
    assert "--sett" in err
    assert called("gc", "--keep", "0")[0] == 2


def test_version_and_no_arguments() -> None:
    done = satiety("--version")
    assert done.returncode == 0
    assert done.stdout.startswith("satiety ")
    assert satiety().returncode == 2


def test_wrong_recipe_is_two_lines_and_exit_2(recipe_folder: Path) -> None:
    path = recipe_folder / "tiny.yaml"
    path.write_text(path.read_text().replace("seed: 3", "sed: 3").replace("hash: 2", "hash: x"))
    done = satiety("run", "tiny.yaml", cwd=recipe_folder)
    assert done.returncode == 2
    assert done.stdout == ""
    assert done.stderr.splitlines() == [
        "error: 2 problems",
        "tiny.yaml:3:1: unknown key 'sed'; did you mean 'seed'?",
        "tiny.yaml:12:9: 'hash' is 'x', not a whole number",
    ]
    done = satiety("plan", "tiny.yaml", "--json", cwd=recipe_folder)
    error = json.loads(done.stdout)["error"]
    assert (done.returncode, error["exit_code"]) == (2, 2)
    assert [(p["place"], p["line"], p["column"]) for p in error["problems"]] == [
        ("tiny.yaml", 3, 1),
        ("tiny.yaml", 12, 9),
    ]


def test_plan_as_text_and_as_json(called: Callable[..., tuple[int, str, str]], recipe_folder: Path) -> None:
    code, out, err = called("plan", "tiny.yaml")
    assert (code, err) == (0, "")
    lines = out.splitlines()
    assert lines[0].split() == ["stage", "parts", "status", "why"]
    assert lines[1].split() == ["raw_corpus", "2/2", "build", "never", "built"]
    assert lines[-1] == "tiny: 15 build"
    code, out, err = called("plan", "tiny.yaml", "--json", "--stage", "raw_corpus")
    document = json.loads(out)
    assert [item["partition"] for item in document["items"]] == ["0", "1"]
    assert document["counts"] == {"fresh": 0, "reuse": 0, "build": 2, "pending": 0}
    assert called("run", "tiny.yaml", "--dry-run", "--json", "--stage", "raw_corpus")[1] == out
    assert not (recipe_folder / "store").exists()


def test_the_stages_error_its_exit_code_and_the_resume_line(
    called: Callable[..., tuple[int, str, str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    errors: list[SatietyError] = [DiskFull("no space left", where="store"), Temporary("again"), Interrupted("ended")]

    def fail(**options: Any) -> None:
        raise errors[0]

    calls = executing(monkeypatch, fail)
    for expected in (74, 75, 130):
        words = ["run", "tiny.yaml", "--set", "description=it's $(id); a", "--stage", "raw_corpus", "--workers", "1"]
        code, out, err = called(*words)
        assert (code, out) == (expected, "")
        resume = err.splitlines()[-1].removeprefix("resume: satiety ")
        assert sorted(shlex.split(resume)) == sorted(words)
        assert err.splitlines()[-2] == f"error: {errors.pop(0)}"
    assert calls[0]["stages"] == ["raw_corpus"]
    assert calls[0]["settings"].engine.workers == 1
    assert calls[0]["recipe"].description == "it's $(id); a"


@pytest.mark.parametrize(
    ("error", "code"), [(KeyboardInterrupt(), 130), (cli._TerminatedError(), 143), (ValueError("x\ny"), 1)]
)
def test_whatever_ends_a_run_becomes_an_exit_code(
    called: Callable[..., tuple[int, str, str]], monkeypatch: pytest.MonkeyPatch, error: BaseException, code: int
) -> None:
    def fail(**options: Any) -> None:
        raise error

    executing(monkeypatch, fail)
    found, out, err = called("run", "tiny.yaml", "--json")
    assert found == code
    assert "Traceback" not in err
    assert json.loads(out)["error"]["resume"] == "satiety run tiny.yaml"
    assert err.splitlines()[-1] == "resume: satiety run tiny.yaml"


def test_a_run_tells_what_it_built(
    called: Callable[..., tuple[int, str, str]], recipe_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from resources.progress import Event

    def act(on_event: Any, **options: Any) -> Any:
        on_event(Event("stage", "raw_corpus", {"partitions": 2}))
        on_event(Event("partition", "raw_corpus", {"key": "0", "built": True, "rows": 60, "done": 1, "of": 2}))
        on_event(Event("partition", "raw_corpus", {"key": "1", "built": False, "rows": 60, "done": 2, "of": 2}))
        on_event(Event("done", "raw_corpus", {}))
        return types.SimpleNamespace(run_id="r", built=["raw_corpus[0]"], reused=["raw_corpus[1]"])

    executing(monkeypatch, act)
    code, out, err = called("run", "tiny.yaml", "--stage", "raw_corpus")
    assert code == 0
    assert "raw_corpus 2/2  1 built, 1 reused  60 rows" in err
    assert "tiny: 1 built, 1 reused in" in err
    assert out.startswith(f"web pages  SATIETY_RECIPES={recipe_folder} satiety ui"), "or the page would not have it"
    document = json.loads(called("run", "tiny.yaml", "--stage", "raw_corpus", "--json")[1])
    assert document["built"] == ["raw_corpus[0]"]
    assert document["report"] is None


def test_stages_alone_are_refused_without_their_inputs(
    called: Callable[..., tuple[int, str, str]], monkeypatch: pytest.MonkeyPatch, built: Store
) -> None:
    done = types.SimpleNamespace(run_id="r", built=["shards[0]"], reused=[])
    calls = executing(monkeypatch, lambda **options: done)
    monkeypatch.setenv("SATIETY_STORE", str(built.root))
    words = ("run", "tiny.yaml", "--set", "cleaning[1].maximum=30", "--stage", "clean_corpus")
    code, _, err = called(*words)
    assert (code, len(calls)) == (2, 0)
    assert "error: tiny: clean_corpus would be built from what is older than the recipe: signatures, duplicates" in err
    assert "satiety run tiny.yaml --set 'cleaning[1].maximum=30' --stage signatures --stage duplicates" in err
    code, _, err = called(*words, "--dry-run")
    assert code == 0 and "note: tiny: clean_corpus would be built from what is older" in err
    code, _, err = called(*words, "--as-is")
    assert (code, len(calls)) == (0, 1)
    assert "note: signatures, duplicates: older than the recipe, taken as it is" in err
    assert called("run", "tiny.yaml", "--stage", "model", "--as-is")[0] == 0
    assert called("run", "tiny.yaml", "--stage", "report")[0] == 1, "there is no model"
    code, _, err = called("run", "tiny.yaml", "--as-is")
    assert code == 2 and "error: --as-is is for a run of some stages alone" in err


def test_a_report_that_did_not_pass_fails_every_run(
    called: Callable[..., tuple[int, str, str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(**options: Any) -> None:
        raise CheckFailed("the check better_than_majority did not pass", where="tiny/report")

    def fresh(recipe: Any, store: Any, *chosen: Any) -> Plan:
        return Plan(recipe.name, (Item("report", "all", "fresh"),))

    for outcome, calls in (("useless", 1), ("even", 0)):
        version = types.SimpleNamespace(manifest=types.SimpleNamespace(facts={"outcome": outcome}))
        monkeypatch.setattr(Slot, "current", lambda slot, version=version: version)
        monkeypatch.setattr("pipelines.plan.make_plan", fresh)
        made = executing(monkeypatch, fail)
        assert called("run", "tiny.yaml")[0] == (4 if calls else 0)
        assert len(made) == calls


def test_what_is_not_there_yet_says_how_to_make_it(called: Callable[..., tuple[int, str, str]]) -> None:
    assert called("report", "tiny.yaml")[2] == "error: tiny.yaml has no report yet (satiety run tiny.yaml)\n"
    assert called("lineage", "tiny.yaml")[2] == "error: tiny.yaml has no model yet (satiety run tiny.yaml)\n"
    assert "nothing was recorded in MLflow yet" in called("lineage", "models:/tiny@champion")[2]
    assert "is no address of MLflow" in called("lineage", "models:/tiny")[2]
    assert "has the digest 0123456789" in called("lineage", "0123456789")[2]
    assert "is empty" in called("peek", "tiny")[2]
    assert called("verify") == (
        0,
        "",
        "0 files, 0 B in " + str(Path.cwd() / "store") + ": all as they were committed\n",
    )
    for command in ("verify", "gc"):
        assert called(command, "quickstar") == (
            2,
            "",
            "error: there is no recipe 'quickstar' (did you mean 'quickstart'?)\n",
        )
    assert called("verify", "tiny.yaml")[0] == called("gc", "quickstart")[0] == 0
    assert json.loads(called("gc", "--json")[1]) == {"deleted": False, "bytes": 0, "removals": []}


def test_results_go_to_a_mirror_and_come_back(
    called: Callable[..., tuple[int, str, str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    def write(output: Output) -> Counts:
        output.json("a.json", {"a": 1})
        return Counts(rows_in=1, rows_out=1)

    Store(Path("store")).slot("quickstart", "raw_corpus").commit("a" * 32, {}, write)
    code, out, err = called("push", "mirror")
    assert (code, out) == (0, "")
    assert err.endswith("mirror: versions brought: 1 (1 files, 13 B); there already: 0\n")
    monkeypatch.setenv("SATIETY_STORE", "elsewhere")
    said = json.loads(called("pull", "mirror", "--json")[1])
    assert (said["versions"], said["there"], said["objects"]) == (1, 0, 1)
    assert Store(Path("elsewhere")).slot("quickstart", "raw_corpus").peek() == "a" * 32
    assert called("push", "mirror", "quickstar")[0] == 2 and called("pull", "mirror", "not-yet-here")[0] == 2
    assert called("pull", "nosuch://a/b")[0] == 2


def test_figures_have_their_interval_beside_them_and_a_unit() -> None:
    metrics = {"accuracy": 0.5, "accuracy_high": 0.625, "accuracy_low": 0.25, "flops": 2e9, "test_rows": 1234}
    assert figures(metrics) == [
        ("accuracy", "0.5000", "0.2500 to 0.6250", ""),
        ("flops", "2,000,000,000", "", "operations of training"),
        ("test_rows", "1,234", "", ""),
    ]
    assert figures({"is_low": 1}) == [("is_low", "1", "", "")]


def test_wrong_settings_are_exit_2(called: Callable[..., tuple[int, str, str]], recipe_folder: Path) -> None:
    (recipe_folder / "params.yaml").write_text("stor: x\n")
    code, out, err = called("plan", "tiny.yaml")
    assert (code, out) == (2, "")
    assert "'store'" in err


def test_colours_only_on_a_terminal(recipe_folder: Path) -> None:
    done = satiety("plan", "tiny.yaml", cwd=recipe_folder)
    assert done.returncode == 0
    assert "\x1b" not in done.stdout + done.stderr
    assert max(len(line) - len(line.rstrip()) for line in done.stdout.splitlines()) == 0


def test_verbose_may_stand_anywhere(recipe_folder: Path) -> None:
    for words in (["-v", "plan", "none.yaml"], ["plan", "none.yaml", "--verbose"]):
        done = satiety(*words, cwd=recipe_folder)
        assert done.returncode == 2
        assert "Traceback" in done.stderr
        assert done.stderr.splitlines()[-1].startswith("error: none.yaml: no such file")


def test_a_closed_pipe_is_no_error(recipe_folder: Path) -> None:
    command = f"{shlex.quote(sys.executable)} -m pipelines.cli schema | head -1"
    done = subprocess.run(
        ["bash", "-o", "pipefail", "-c", command], capture_output=True, text=True, cwd=ROOT, timeout=60, check=False
    )
    assert done.stdout == "{\n"
    assert done.stderr == ""


def test_what_the_terminal_cannot_show_is_escaped(recipe_folder: Path) -> None:
    (recipe_folder / "notes.txt").write_text("café\n", encoding="utf-8")
    done = satiety("peek", "notes.txt", cwd=recipe_folder, PYTHONIOENCODING="ascii")
    assert (done.returncode, done.stderr) == (0, "")
    assert r"caf\xe9" in done.stdout
    done = satiety("peek", "notes.txt", "--json", cwd=recipe_folder, PYTHONIOENCODING="ascii")
    assert "café" in str(json.loads(done.stdout))


@pytest.mark.slow
def test_an_interrupted_run_is_resumed_by_the_pasted_line(recipe_folder: Path, store: Store) -> None:
    """In the middle: one partition waits for another process, which holds it until the run is interrupted."""
    command = [sys.executable, "-m", "pipelines.cli", "run", "tiny.yaml", "--set", "seed=5"]
    stages = ["--stage", "raw_corpus", "--stage", "signatures", "--stage", "duplicates"]
    recipe = load(str(recipe_folder / "tiny.yaml"), ["seed=5"]).recipe
    stage = stage_named(recipe, "raw_corpus")
    key = partitions_of(stage, recipe)[-1]
    slot = store.slot("tiny", "raw_corpus", key)
    with lock.hold(slot.lock_path(wanted(stage, recipe, key, store).fingerprint), "another run"):
        process = subprocess.Popen(
            [*command, *stages],
            cwd=recipe_folder,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
            stderr=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        try:
            assert process.stderr is not None
            seen = [process.stderr.readline()]
            while "waiting for" not in seen[-1]:
                seen.append(process.stderr.readline())
                assert seen[-1], seen
            process.send_signal(signal.SIGINT)
            _, err = process.communicate(timeout=300)
        finally:
            process.kill()
    assert "build" in seen[0]
    assert process.returncode == 130
    assert "Traceback" not in err
    line = err.splitlines()[-1]
    assert line == f"resume: satiety run tiny.yaml --set seed=5 {' '.join(stages)}"
    words = shlex.split(line.removeprefix("resume: satiety "))
    done = satiety(*words, cwd=recipe_folder)
    assert done.returncode == 0, done.stderr
    assert satiety(*words, cwd=recipe_folder).stderr.startswith("tiny: nothing has changed")


def test_nobody_reads_the_output() -> None:
    command = f"{shlex.quote(sys.executable)} -m pipelines.cli"
    for ending, code in ((">&-", 0), ("> /dev/full", 74)):
        done = subprocess.run(
            ["bash", "-c", f"{command} schema {ending}"], cwd=ROOT, capture_output=True, text=True, timeout=120
        )
        assert done.returncode == code, done.stderr
        assert done.stderr.splitlines() == (
            ["error: standard output cannot be written: No space left on device"] if code else []
        )


def test_a_missing_folder_of_recipes_is_named(tmp_path: Path) -> None:
    done = satiety("plan", "mine", SATIETY_RECIPES=str(tmp_path / "gone"))
    assert done.returncode == 2
    assert f"SATIETY_RECIPES names {tmp_path / 'gone'}, which is no folder" in done.stderr


def test_results_of_a_recipe_run_by_its_path_are_found_by_its_name(
    recipe_folder: Path, called: Callable[..., tuple[int, str, str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    def write(output: Output) -> None:
        output.text("report.html", "<p>")
        output.json("report.json", {})
        output.facts({"headline": "It is better."})

    monkeypatch.setenv("SATIETY_STORE", str(recipe_folder / "elsewhere"))
    Store(recipe_folder / "elsewhere").slot("mine", "report").commit("0" * 32, {}, write)
    code, out, err = called("report", "mine")
    assert code == 0 and "It is better." in err and out.strip().endswith("report.html")
