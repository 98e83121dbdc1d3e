"""From an address of MLflow (a run, a registered model, a logged model) to the digest of the weights."""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING

from ops.errors import ConfigError, ServiceDown

if TYPE_CHECKING:
    from mlflow.tracking import MlflowClient

TAG = "satiety.digest"
_ADDRESS = re.compile(
    r"runs:/(?P<run>[0-9a-f]{8,64})(/.*)?"
    r"|models:/(?P<logged>m-[0-9a-f]+)"
    r"|models:/(?P<name>[^/@]+)(@(?P<alias>[^/@]+)|/(?P<version>[0-9]+))"
)


def model_digest(address: str, tracking_uri: str) -> str:
    """The digest that a training of ours has noted.

    Args:
        address: `runs:/<id>`, `models:/<name>@<alias>`, `models:/<name>/<version>` or `models:/m-<id>`.
        tracking_uri: MLflow's address.

    Raises:
        ConfigError: there is no such thing, or it is not of ours.
        ServiceDown: MLflow does not answer.
    """
    match = _ADDRESS.fullmatch(address)
    if match is None:
        forms = "runs:/<id>, models:/<name>@<alias>, models:/<name>/<version> or models:/m-<id>"
        raise ConfigError(f"{address!r} is no address of MLflow", hint=f"write {forms}")
    database = tracking_uri.removeprefix("sqlite:///")
    if database != tracking_uri and not os.path.isfile(database):  # noqa: PTH113 - a plain string from an address
        raise ConfigError("nothing was recorded in MLflow yet", where=address)
    from resources.journal import redact
    from resources.tracking import QUIET

    for name, value in QUIET.items():
        os.environ.setdefault(name, value)
    from mlflow.exceptions import MlflowException
    from mlflow.tracking import MlflowClient

    try:
        digest = _tags(MlflowClient(tracking_uri), match).get(TAG)
    except MlflowException as error:
        said = redact(str(error)).splitlines()[0]
        if error.error_code in ("RESOURCE_DOES_NOT_EXIST", "INVALID_PARAMETER_VALUE"):
            raise ConfigError(f"MLflow does not have it: {said}", where=address) from error
        raise ServiceDown(f"MLflow does not answer: {said}", where=redact(tracking_uri)) from error
    if not digest:
        raise ConfigError(
            f"has no tag {TAG}: it was not trained by satiety, or its training has not ended", where=address
        )
    return str(digest)


def _tags(client: MlflowClient, match: re.Match[str]) -> dict[str, str]:
    if match["run"]:
        return dict(client.get_run(match["run"]).data.tags)
    if match["logged"]:
        return dict(client.get_logged_model(match["logged"]).tags)
    if match["alias"]:
        return dict(client.get_model_version_by_alias(match["name"], match["alias"]).tags)
    return dict(client.get_model_version(match["name"], match["version"]).tags)
