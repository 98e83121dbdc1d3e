from typing import Any

import numpy as np

from ops.augmentation.blur import Blur


def test_edges_get_softer_and_means_stay(changed: Any, discs: Any) -> None:
    after = changed(Blur(sigma=3.0), discs).astype(float)
    before = discs.astype(float)
    assert np.allclose(after.mean(axis=(1, 2, 3)), before.mean(axis=(1, 2, 3)), atol=1.0)
    steepest = [np.abs(np.diff(images, axis=2)).max(axis=(1, 2, 3)) for images in (before, after)]
    assert (steepest[1] <= steepest[0]).all() and len(np.unique(steepest[1])) > 20
    assert (changed(Blur(probability=0.0), discs) == discs).all()
