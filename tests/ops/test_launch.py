from __future__ import annotations

import pytest
from pydantic import ValidationError

from ops.config import describe
from ops.launch import LaunchConfig


def test_default_is_one_process_of_this_machine() -> None:
    config = LaunchConfig()
    assert (config.nodes, config.processes, config.world_size, config.reports) == (1, 1, 1, True)


def test_world_size_counts_all_nodes_and_node_zero_reports() -> None:
    config = LaunchConfig(nodes=3, processes=4, endpoint="node-0.example:29500", node_rank=2)
    assert config.world_size == 12
    assert not config.reports


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"nodes": 2}, "endpoint"),
        ({"endpoint": "host:1"}, "free port"),
        ({"nodes": 2, "endpoint": "host:1", "node_rank": 2}, "at most 1"),
        ({"nodes": 2, "endpoint": "host"}, "pattern"),
        ({"nodes": 2, "endpoint": "http://user:secret@host:1"}, "pattern"),
        ({"processes": 0}, "greater than or equal to 1"),
        ({"processes": "2"}, "valid integer"),
        ({"timeout_s": 0.0}, "greater than 0"),
        ({"retrys": 1}, "Extra inputs"),
    ],
)
def test_settings_that_cannot_work_are_refused(settings: dict[str, object], said: str) -> None:
    with pytest.raises(ValidationError, match=said):
        LaunchConfig.model_validate(settings)


@pytest.mark.parametrize("endpoint", ["10.0.0.1:29500", "node-0:1", "[fe80::1]:29500"])
def test_endpoints(endpoint: str) -> None:
    assert LaunchConfig(nodes=2, endpoint=endpoint).endpoint == endpoint


def test_every_key_is_described() -> None:
    describe(LaunchConfig)
    assert all(field.description for field in LaunchConfig.model_fields.values())
