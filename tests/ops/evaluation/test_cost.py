from __future__ import annotations

import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from ops.evaluation.cost import Cost, Energy, estimate_energy, si
from ops.evaluation.measure import Meter


@pytest.mark.parametrize(
    ("value", "unit", "shown"),
    [
        (0, "J", "0 J"),
        (4, "", "4"),
        (0.0412, "s", "0.0412 s"),
        (3.127, "", "3.13"),
        (999.4, "J", "999 J"),
        (999.9, "J", "1.00 kJ"),
        (2460, "J", "2.46 kJ"),
        (999_999, "B", "1.00 MB"),
        (3.42e12, "FLOP", "3.42 TFLOP"),
        (5e26, "FLOP", "500000 ZFLOP"),
        (float("inf"), "J", "inf J"),
    ],
)
def test_si_prefixes(value: float, unit: str, shown: str) -> None:
    assert si(value, unit) == shown


@given(st.floats(1e-6, 1e20))
def test_si_keeps_three_digits(value: float) -> None:
    number, _, prefix = si(value, "W").partition(" ")
    factor = 1000 ** ("", "k", "M", "G", "T", "P", "E", "Z").index(prefix[:-1])
    assert float(number) * factor == pytest.approx(value, rel=0.00501)


def test_estimate_follows_its_formula() -> None:
    energy = estimate_energy(cpu_seconds=10, wall_seconds=20, peak_bytes=2_000_000_000)
    assert energy.joules == pytest.approx(10 * 12 + 20 * 2 * 0.3725)
    assert energy.method == "estimated"
    assert "12 W" in energy.how and "0.3725 W" in energy.how


def test_refuses_impossible_costs() -> None:
    for wrong in ({"cpu_seconds": -1.0}, {"flops": float("nan")}, {"peak_bytes": 1.5}):
        with pytest.raises(ValidationError):
            Cost.model_validate(wrong)
    with pytest.raises(ValidationError):
        Energy(joules=1.0, method="guessed", how="")  # type: ignore[arg-type]


def counter(folder: Path, microjoules: int) -> None:
    package = folder / "intel-rapl:0"
    package.mkdir(exist_ok=True)
    (package / "energy_uj").write_text(f"{microjoules}\n")
    (package / "max_energy_range_uj").write_text("1000000000\n")


@pytest.mark.parametrize(("start", "end", "joules"), [(5_000_000, 47_300_000, 42.3), (990_000_000, 10_000_000, 20.0)])
def test_energy_is_measured_where_the_machine_counts_it(tmp_path: Path, start: int, end: int, joules: float) -> None:
    counter(tmp_path, start)
    with Meter(tmp_path) as meter:
        counter(tmp_path, end)  # the second pair wraps around
    energy = meter.cost().energy
    assert energy is not None
    assert energy.method == "measured"
    assert energy.joules == pytest.approx(joules)


def test_energy_is_estimated_where_it_does_not(tmp_path: Path) -> None:
    with Meter(tmp_path) as meter:
        pass
    energy = meter.cost().energy
    assert energy is not None and energy.method == "estimated"


def test_meter_tells_work_from_waiting(tmp_path: Path) -> None:
    with Meter(tmp_path) as waiting:
        time.sleep(0.2)
    with Meter(tmp_path) as working:
        until = time.process_time() + 0.2
        while time.process_time() < until:
            pass
    slept, worked = waiting.cost(), working.cost(parameters=3)
    assert slept.cpu_seconds is not None and slept.wall_seconds is not None
    assert slept.cpu_seconds < 0.1 <= 0.2 <= slept.wall_seconds
    assert worked.cpu_seconds is not None and worked.cpu_seconds >= 0.19
    assert worked.parameters == 3
