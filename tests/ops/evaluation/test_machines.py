"""What kernel machines share: scikit-learn's own machine on the same values is the oracle."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC

from ops.evaluation.baselines.machines import KernelMachine
from ops.evaluation.baselines.pixel_svm import PixelSvm
from ops.evaluation.baselines.spectrum_svm import SpectrumSvm

KINDS: list[type[KernelMachine]] = [PixelSvm, SpectrumSvm]


def values(kind: type[KernelMachine], inputs: NDArray[np.uint8], train: int) -> tuple[NDArray[np.float64], int]:
    """What the machine is fitted on, by another way, and how many numbers were fitted for that."""
    if kind is PixelSvm:
        return inputs.reshape(len(inputs), -1) / 255.0, 0
    spectra = np.concatenate((inputs.mean(axis=1), inputs.std(axis=1)), axis=1)
    return StandardScaler().fit(spectra[:train]).transform(spectra), 2 * spectra.shape[1]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("regularization", [0.01, 1.0, 1000.0])
def test_it_is_the_machine_with_its_c_and_counts_all_that_was_fitted(
    kind: type[KernelMachine], regularization: float
) -> None:
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 3, 150)
    inputs = np.clip(rng.normal(100 + 8 * labels[:, None, None], 40, (150, 4, 5)), 0, 255).astype(np.uint8)
    machine_of = kind.model_validate({"regularization": regularization})
    found = machine_of.fit_predict(inputs[:90], labels[:90], inputs[90:])
    told, more = values(kind, inputs, 90)
    machine = SVC(C=regularization).fit(told[:90], labels[:90])
    assert found.predictions.tolist() == machine.predict(told[90:]).tolist()
    fitted = machine.support_vectors_.size + machine.dual_coef_.size + machine.intercept_.size + more
    assert found.cost.parameters == fitted
