from __future__ import annotations

from assets.model import _figures


def test_mlflow_is_told_all_figures_of_the_cost_and_the_energy() -> None:
    cost = {
        **{"cpu_s": 2, "utilisation": 0.5, "waiting_share": None, "flops_how": "counted", "flops_by_torch": 1.0},
        **{"energy": {"joules": 12.5, "method": "estimated", "how": "…"}},
    }
    assert _figures(cost) == {"cpu_s": 2.0, "utilisation": 0.5, "flops_by_torch": 1.0, "joules": 12.5}
    assert _figures({"energy": None}) == {}
