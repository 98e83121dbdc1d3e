"""The calls to MLflow that bring one journal there; every one may be made again without doing anything twice.

Runs only in the sender's process (`tracking_sync.py`): MLflow takes 2 to 5 s and 200 MB to import.
"""

from __future__ import annotations

import contextlib
import fcntl
import warnings
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any

import mlflow
from mlflow.data.dataset_source_registry import resolve_dataset_source
from mlflow.data.meta_dataset import MetaDataset
from mlflow.entities import DatasetInput, InputTag, LifecycleStage, Metric, Param, RunTag
from mlflow.exceptions import MlflowException
from mlflow.tracking import MlflowClient

from ops.errors import ServiceDown
from resources.journal import Ended, Journal, Point

BATCH = 1000
"""Metrics in one call: MLflow's limit."""
FEW = 100
"""Parameters, or datasets, in one call: MLflow's limit for parameters."""
CHAMPION = "champion"
LONGEST = {"param": 6000, "key": 250}


class Sender:
    """Brings journals to one MLflow.

    Args:
        uri: its address.
        home: folder of the default database, whose migrations (7 s) only one process may make; None for a server.
    """

    def __init__(self, uri: str, home: Path | None) -> None:
        mlflow.set_tracking_uri(uri)
        self.home = home
        self.client = MlflowClient(uri)
        self._described: set[Path] = set()
        if home is not None:
            with _locked(home / "create.lock"):
                self.client.search_experiments(max_results=1)

    def send(self, journal: Journal) -> int:
        """Bring everything that the journal has by now; returns the number of metric values sent."""
        remote = journal.read("remote.json")
        if journal.folder not in self._described and not self._knows(remote.get("run_id")):
            # Never sent; or the database was replaced, or the run deleted: then all of it goes there anew.
            remote = self._attach(journal)
            journal.write("remote.json", remote)
        if journal.folder not in self._described:
            # Also for a run that is there already: a resumed training has new tags.
            self._describe(remote["run_id"], journal.training)
            self._nest(remote, journal)
            if journal.ended is None:
                self.client.update_run(remote["run_id"], status="RUNNING")
            self._described.add(journal.folder)
        sent = self._send_points(journal, remote)
        # Read once: the training may say more while this is being sent.
        said = journal.read("ended.json")
        if said and remote.get("ended") != said:
            self._send_end(journal, remote, Ended(**said))
            journal.write("remote.json", {**remote, "ended": said})
        return sent

    def mark_killed(self, journal: Journal) -> None:
        """Note that the training's process is gone without a word."""
        remote = journal.read("remote.json")
        if "run_id" in remote:
            self.client.update_run(remote["run_id"], status="KILLED")

    def _knows(self, run_id: str | None) -> bool:
        """Whether MLflow has this run, and not among the deleted ones."""
        if run_id is None:
            return False
        try:
            return bool(self.client.get_run(run_id).info.lifecycle_stage == LifecycleStage.ACTIVE)
        except MlflowException as error:
            if error.error_code != "RESOURCE_DOES_NOT_EXIST":
                raise
            return False

    def _attach(self, journal: Journal) -> dict[str, Any]:
        """The training's run, found by its tag or made."""
        training = journal.training
        experiment = self._experiment(training["recipe"])
        wanted = f"tags.`satiety.journal` = '{training['id']}'"
        found = self.client.search_runs([experiment], wanted, max_results=1)
        if found:
            run = found[0]
        else:
            run = self.client.create_run(
                experiment,
                start_time=training["started_ms"],
                tags={"satiety.journal": training["id"], "satiety.training": training["fingerprint"]},
                run_name=training.get("name") or f"{training['recipe']}-{training['fingerprint'][:8]}",
            )
        return {"experiment_id": experiment, "run_id": run.info.run_id}

    def _describe(self, run_id: str, training: dict[str, Any]) -> None:
        """Parameters, tags and input datasets."""
        tags = {
            **training["tags"],
            "satiety.journal": training["id"],
            "satiety.training": training["fingerprint"],
            "satiety.fingerprint": training["fingerprint"],
            "satiety.recipe": training["recipe"],
        }
        self.client.log_batch(run_id, tags=[RunTag(k, v) for k, v in tags.items()])
        # A parameter cannot be changed once it is set; the first start's stay.
        there = set(self.client.get_run(run_id).data.params)
        params = [
            Param(key[: LONGEST["key"]], value[: LONGEST["param"]])
            for key, value in training["params"].items()
            if key not in there
        ]
        for few in _parts(iter(params), FEW):
            self.client.log_batch(run_id, params=few)
        datasets = [_dataset(training["recipe"], said) for said in training["datasets"]]
        for some in _parts(iter(datasets), FEW):
            self.client.log_inputs(run_id, datasets=some)

    def _nest(self, remote: dict[str, Any], journal: Journal) -> None:
        """Put the run of a part below that of the whole, which is sent first."""
        parent = journal.training.get("parent")
        if not parent:
            return
        whole = Journal(journal.folder.with_name(parent))
        if not self._knows(whole.read("remote.json").get("run_id")):
            with whole.locked() as mine:
                if not mine:
                    raise ServiceDown("the run that this one belongs to is only being made", where=str(whole.folder))
                self.send(whole)
        tag = RunTag("mlflow.parentRunId", whole.read("remote.json")["run_id"])
        self.client.log_batch(remote["run_id"], tags=[tag])

    def _experiment(self, name: str) -> str:
        found = self.client.get_experiment_by_name(name)
        if found is not None:
            return str(found.experiment_id)
        place = None if self.home is None else (self.home / "artifacts" / name).resolve().as_uri()
        try:
            return str(self.client.create_experiment(name, artifact_location=place))
        except MlflowException:
            # Somebody else made it meanwhile.
            found = self.client.get_experiment_by_name(name)
            if found is None:
                raise
            return str(found.experiment_id)

    def _send_points(self, journal: Journal, remote: dict[str, Any]) -> int:
        sent = 0
        for batch, end in _batches(journal.points(remote.get("sent", 0))):
            self.client.log_batch(remote["run_id"], metrics=batch)
            sent += len(batch)
            remote["sent"] = end
            journal.write("remote.json", remote)
        return sent

    def _send_end(self, journal: Journal, remote: dict[str, Any], ended: Ended) -> None:
        run_id = remote["run_id"]
        training = journal.training
        if ended.digest:
            remote["model_id"] = self._model(training, remote, ended)
            metrics = [
                Metric(key, value, when, ended.step, model_id=remote["model_id"], run_id=run_id)
                for key, value in ended.metrics.items()
                # MLflow has one value of a model's metric at a time and step; the same once more is passed over.
                for when in [ended.changed_ms.get(key, ended.time_ms)]
            ]
            for batch in _parts(iter(metrics), BATCH):
                self.client.log_batch(run_id, metrics=batch)
            tags = {"satiety.digest": ended.digest, "satiety.checks": ended.verdict}
            self.client.log_batch(run_id, tags=[RunTag(k, v) for k, v in tags.items()])
            remote["version"] = self._register(training, remote, ended)
        self.client.set_terminated(run_id, ended.status, ended.time_ms)

    def _model(self, training: dict[str, Any], remote: dict[str, Any], ended: Ended) -> str:
        """The logged model: an entry that names the weights' place and digest. Nothing is uploaded."""
        # The filter knows no tag with a dot in its name, and there are few models to a run.
        filters = f"source_run_id = '{remote['run_id']}'"
        for model in self.client.search_logged_models([remote["experiment_id"]], filter_string=filters):
            if model.tags.get("satiety.digest") == ended.digest:
                return str(model.model_id)
        mlflow.set_experiment(experiment_id=remote["experiment_id"])
        made = mlflow.create_external_model(
            name=training["recipe"],
            source_run_id=remote["run_id"],
            params={k: v[: LONGEST["param"]] for k, v in training["params"].items()},
            tags={"uri": _uri(ended.path), "satiety.digest": ended.digest},
            model_type="checkpoint",
        )
        return str(made.model_id)

    def _register(self, training: dict[str, Any], remote: dict[str, Any], ended: Ended) -> str:
        """The version of the registered model, and the alias `champion` if all checks passed."""
        name = training["recipe"]
        with contextlib.suppress(MlflowException):  # It is there already.
            self.client.create_registered_model(name)
        tags = {
            "satiety.digest": ended.digest,
            "satiety.training": training["fingerprint"],
            "satiety.in_use_ms": str(ended.in_use_ms),
            "checks": ended.verdict,
        }
        versions = self.client.search_model_versions(f"name = '{name}'")
        mine = [v for v in versions if v.run_id == remote["run_id"] and v.tags.get("satiety.digest") == ended.digest]
        if mine:
            version = str(mine[0].version)
            for key, value in tags.items():
                self.client.set_model_version_tag(name, version, key, value)
        else:
            source = f"models:/{remote['model_id']}"
            made = self.client.create_model_version(
                name, source, remote["run_id"], tags, model_id=remote["model_id"], await_creation_for=0
            )
            version = str(made.version)
        self._crown(name, version, ended)
        return version

    def _crown(self, name: str, version: str, ended: Ended) -> None:
        """Give the alias to a version that passed, take it from one that did not.

        The champion is the model that came into use last, also where settings went back to those of an earlier one. A
        training that is only now being sent does not replace the champion of a later one.
        """
        try:
            champion = self.client.get_model_version_by_alias(name, CHAMPION)
        except MlflowException:
            champion = None
        mine = champion is not None and str(champion.version) == version
        since = int(champion.tags.get("satiety.in_use_ms", 0)) if champion is not None else 0
        passed = ended.verdict == "passed"
        if mine and not passed:
            self.client.delete_registered_model_alias(name, CHAMPION)
        elif passed and not mine and since <= ended.in_use_ms:
            self.client.set_registered_model_alias(name, CHAMPION, version)


def _dataset(recipe: str, said: dict[str, str]) -> DatasetInput:
    with warnings.catch_warnings():
        # MLflow registers its local kind of source twice and warns of the choice between the two.
        warnings.simplefilter("ignore")
        source = resolve_dataset_source(said["path"])
    # MLflow declares `profile` abstract and implements it in no MetaDataset; it may be instantiated all the same.
    kind: Any = MetaDataset
    dataset = kind(source=source, name=f"{recipe}/{said['name']}", digest=said["digest"])
    return DatasetInput(dataset._to_mlflow_entity(), [InputTag("mlflow.data.context", said["context"])])


def _uri(path: str) -> str:
    return Path(path).resolve().as_uri() if path else ""


def _batches(points: Iterator[Point]) -> Iterator[tuple[list[Metric], int]]:
    """Whole points in batches of at most `BATCH` values, each with the journal's byte that it reaches to."""
    batch: list[Metric] = []
    end = 0
    for point in points:
        if batch and len(batch) + len(point.metrics) > BATCH:
            yield batch, end
            batch = []
        batch += [Metric(key, value, point.time_ms, point.step) for key, value in point.metrics.items()]
        end = point.end
    if batch:
        yield batch, end


def _parts(items: Iterator[Any], size: int) -> Iterator[list[Any]]:
    while part := list(islice(items, size)):
        yield part


@contextlib.contextmanager
def _locked(path: Path) -> Iterator[None]:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
