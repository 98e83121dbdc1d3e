"""A tiny recipe over a made-up hourly series, cut into months, for tests of the whole chain."""

from __future__ import annotations

import datetime as dt
import math
import random
from pathlib import Path
from typing import Any

import yaml

from tests.tiny import _merged

START = dt.datetime(2020, 1, 1)
MONTHS = ["2020-01", "2020-02", "2020-03", "2020-04"]
HOURS = (31 + 29 + 31 + 30) * 24
HOLES = range(500, 512)
"""Hours of which nothing was measured, beside single ones."""


def series_recipe(folder: Path, *, name: str = "dust", hours: int = HOURS, **overrides: Any) -> Path:
    """Write data and `<name>.yaml` into the folder; returns the recipe's path. Mappings among the overrides merge."""
    folder.mkdir(parents=True, exist_ok=True)
    write_hours(folder / f"{name}.csv", hours)
    path = folder / f"{name}.yaml"
    path.write_text(yaml.safe_dump(_merged(_recipe(name), overrides), sort_keys=False), encoding="utf-8")
    return path


def write_hours(path: Path, hours: int = HOURS, seed: int = 0) -> None:
    """A CSV file as that of Beijing: parts of the time, dust with holes (NA), and wind, which blows dust away later."""
    draw = random.Random(seed)
    lines, level = ["No,year,month,day,hour,dust,wind"], 50.0
    for hour in range(hours):
        at = START + dt.timedelta(hours=hour)
        wind = max(0.0, 3 + 3 * math.sin(hour / 17) + draw.gauss(0, 0.5))
        level = 0.9 * level + 10 - 1.5 * wind + draw.gauss(0, 1.5)
        dust = max(0.0, level + 15 * math.sin(2 * math.pi * hour / 24))
        lost = hour in HOLES or draw.random() < 0.01
        lines.append(f"{hour},{at.year},{at.month},{at.day},{at.hour},{'NA' if lost else round(dust)},{wind:.2f}")
    path.write_text("\r\n".join(lines) + "\r\n", encoding="utf-8")


def _recipe(name: str) -> dict[str, Any]:
    columns = dict.fromkeys(("No", "year", "month", "day", "hour", "dust"), "int64") | {"wind": "float64"}
    return {
        "name": name,
        "description": "Forecasts made-up dust.",
        "seed": 3,
        "owners": ["team:tests"],
        "source": {
            "kind": "csv",
            "path": f"{name}.csv",
            "columns": columns,
            "null_values": ["", "NA"],
            "moments": {"time": ["year", "month", "day", "hour"]},
            "copies": {"measured": "dust"},
        },
        "partitions": {"monthly": {"column": "time", "start": MONTHS[0], "end": MONTHS[-1]}},
        "cleaning": [
            {"kind": "consistency", "columns": {"wind": {"minimum": 0}}},
            {"kind": "impute", "columns": ["dust"], "order": "time", "method": "linear"},
        ],
        "split": {"time": "time", "valid_from": "2020-03-01", "test_from": "2020-04-01"},
        "normalization": [{"kind": "rescale", "columns": ["wind"]}],
        "task": {
            "kind": "forecasting",
            "input": "time",
            "label": "measured",
            "past": "dust",
            "features": ["dust", "wind"],
            "history": 24,
            "horizon": 6,
            "delta": 10.0,
        },
        "model": {"kind": "series_transformer", "dim": 16, "depth": 1, "heads": 2, "patch": 4, "dropout": 0.0},
        "training": {"steps": 60, "batch_size": 32, "learning_rate": 0.005, "checkpoint_every": 20},
        "evaluation": {"bootstrap": 100, "baseline": {"kind": "gradient_boosting", "trees": 10}},
    }
