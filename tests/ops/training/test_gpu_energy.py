"""The energy of a GPU, told by a stand-in for NVIDIA's library with its names, units and errors (`nvidia-ml-py` 13)."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Iterator
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest
import torch

from ops.evaluation.cost import ESTIMATE, GPU_ESTIMATE
from ops.training import spending
from ops.training.distributed import Group
from ops.training.gpu_energy import gpu_energy, spent
from ops.training.spending import Spending

UUID = "0f9c2b1e-1111-2222-3333-444455556666"
GPU = torch.device("cuda", 0)
MEMORY = 123_456_789


class Nvml(ModuleType):
    """Two GPUs, of which the second is the one that torch sees; its counter moves by 4.5 J at each reading."""

    class NVMLError(Exception):
        pass

    def __init__(self) -> None:
        super().__init__("pynvml")
        self.begun, self.broken, self.millijoules = False, False, 7_000_000

    def nvmlInit(self) -> None:  # noqa: N802 - the library's name
        self.begun = True

    def nvmlDeviceGetHandleByUUID(self, uuid: str) -> str:  # noqa: N802 - the library's name
        if not self.begun:
            raise self.NVMLError("Uninitialized")
        if uuid != f"GPU-{UUID}":
            raise self.NVMLError("Not Found")
        return "second"

    def nvmlDeviceGetTotalEnergyConsumption(self, handle: str) -> int:  # noqa: N802 - the library's name
        if self.broken or handle != "second":
            raise self.NVMLError("Not Supported")
        self.millijoules += 4_500
        return self.millijoules


@pytest.fixture
def nvml(monkeypatch: pytest.MonkeyPatch) -> Iterator[Nvml]:
    stand_in = Nvml()
    monkeypatch.setitem(sys.modules, "pynvml", stand_in)
    monkeypatch.setattr(torch.cuda, "get_device_properties", lambda device: SimpleNamespace(uuid=UUID))
    monkeypatch.setattr(torch.cuda, "max_memory_allocated", lambda device: MEMORY)
    yield stand_in


def test_the_counter_is_that_of_the_gpu_where_the_process_computes(nvml: Nvml) -> None:
    read = gpu_energy(GPU)
    assert (read(), read()) == (7004.5, 7009.0)
    nvml.broken = True
    assert read() is None


def test_nothing_is_told_where_there_is_no_such_counter(nvml: Nvml, monkeypatch: pytest.MonkeyPatch) -> None:
    assert gpu_energy(torch.device("cpu"))() is None and not nvml.begun
    monkeypatch.setattr(torch.cuda, "get_device_properties", lambda device: SimpleNamespace(uuid="another"))
    assert gpu_energy(GPU)() is None
    monkeypatch.setitem(sys.modules, "pynvml", None)  # not installed
    assert gpu_energy(GPU)() is None


def test_energy_between_readings() -> None:
    assert spent(2.0, 6.5) == 4.5
    assert spent(None, 6.5) is spent(2.0, None) is spent(6.5, 2.0) is None


def test_a_training_on_a_gpu_adds_up_what_its_gpu_counts(nvml: Nvml) -> None:
    first = Spending(Group(device=GPU), None, 0.0)
    total = Spending(Group(device=GPU), first.lap(), 0.0).lap()
    assert total["gpu_joules"] == 9.0  # of two laps; the reading between them belongs to neither
    assert total["gpu_s"] == pytest.approx(total["wall_s"], abs=0.002) and total["gpu_s"] > 0
    alone = Spending(Group(device=GPU), None, 0.0)
    assert [alone.lap()["gpu_joules"] for _ in range(3)] == [4.5, 9.0, 13.5]  # each counts from where it began
    nvml.broken = True
    assert first.lap()["gpu_joules"] is None  # a part is not told as if it were all
    on_a_cpu = Spending(Group(), None, 0.0).lap()
    assert (on_a_cpu["gpu_s"], on_a_cpu["gpu_joules"]) == (0.0, 0.0)


def test_the_peak_memory_of_gpus_is_kept_and_old_checkpoints_know_none(nvml: Nvml) -> None:
    first = Spending(Group(device=GPU), None, 0.0).lap()
    assert first["gpu_peak_bytes"] == MEMORY
    assert (
        Spending(Group(device=GPU), first | {"gpu_peak_bytes": 2 * MEMORY}, 0.0).lap()["gpu_peak_bytes"] == 2 * MEMORY
    )
    del first["gpu_peak_bytes"]  # of a program that did not count it yet
    assert Spending(Group(), first, 0.0).lap()["gpu_peak_bytes"] == 0
    assert Spending(Group(device=GPU), first, 0.0).lap()["gpu_peak_bytes"] == MEMORY


OTHER = {
    "cpu_s": 0.5,
    "wall_s": 0.25,
    "peak": 1 << 40,
    "gpu_peak": 7 * MEMORY,
    "gpu_s": 0.125,
    "joules": 0.0,
    "gpu_joules": 5.0,
}


def test_costs_of_several_processes_are_added_and_the_time_that_passes_is_not(
    nvml: Nvml, monkeypatch: pytest.MonkeyPatch
) -> None:
    told: list[dict[str, Any]] = []

    def gather(self: Group, data: bytes) -> list[bytes]:
        told.append(json.loads(data))
        return [data, json.dumps(told[0] | OTHER).encode()]

    monkeypatch.setattr(Group, "gather", gather)
    found, (own,) = Spending(Group(device=GPU), None, time.perf_counter() - 10.0).lap(), told
    assert own["wall_s"] > 10.0 and own["gpu_s"] == own["wall_s"] and own["cpu_s"] > 0.0
    for name, other in (("cpu_s", 0.5), ("gpu_s", 0.125), ("gpu_joules", 5.0)):
        assert found[name] == pytest.approx(own[name] + other, abs=0.001)
    assert found["peak_rss_bytes"] == own["peak"] + (1 << 40)
    assert found["gpu_peak_bytes"] == 8 * MEMORY
    assert found["wall_s"] == pytest.approx(own["wall_s"], abs=0.001)


COUNTED = "RAPL package counters of the whole machine, while training"
BY_NVML = "50.0 J by the counters of the GPUs (NVML)"


@pytest.mark.parametrize(
    ("joules", "gpu_s", "gpu_joules", "expected"),
    [
        (30.0, 0.0, 0.0, (30.0, "measured", COUNTED)),
        (30.0, 2.0, 50.0, (80.0, "measured", f"{COUNTED}, and {BY_NVML}")),
        (None, 2.0, 50.0, (170.0, "estimated", f"{ESTIMATE}, and {BY_NVML}")),
        (None, 2.0, None, (520.0, "estimated", f"{ESTIMATE}, and {GPU_ESTIMATE}")),
        (30.0, 2.0, None, (430.0, "estimated", f"{COUNTED}, and {GPU_ESTIMATE}")),
    ],
)
def test_energy_is_measured_if_all_of_it_is(
    joules: float | None, gpu_s: float, gpu_joules: float | None, expected: tuple[float, str, str]
) -> None:
    total: dict[str, Any] = Spending(Group(), None, 0.0).lap()
    total |= {"cpu_s": 10.0, "wall_s": 0.0, "joules": joules, "gpu_s": gpu_s, "gpu_joules": gpu_joules}
    figures = spending.report(total, 7, 1, peak=1e6, counted=None)
    energy = figures["energy"]
    assert (energy["joules"], energy["method"], energy["how"]) == expected
    assert figures["gpu_s"] == gpu_s and "gpu_joules" not in figures
