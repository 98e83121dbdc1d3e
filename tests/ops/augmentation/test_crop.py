from typing import Any

import numpy as np

from ops.augmentation.crop import Crop


def test_the_whole_area_at_the_same_aspect_changes_nothing(changed: Any, noise: Any) -> None:
    assert (changed(Crop(minimum=1.0, aspect=1.0), noise) == noise).all()


def test_a_crop_is_a_part_of_the_ramp(changed: Any) -> None:
    ramp = np.broadcast_to(np.arange(200, dtype=np.uint8)[None, None, :, None], (60, 100, 200, 1)).copy()
    results = changed(Crop(minimum=0.25, aspect=1.0), ramp).astype(int)
    spans = results[:, 50, -1, 0] - results[:, 50, 0, 0]
    # The side of a quarter of the area is half a side; the ramp never turns round.
    assert spans.min() >= 95 and spans.max() > 180 and len(set(spans)) > 10
    assert (np.diff(results[:, 50, :, 0], axis=1) >= 0).all()


def test_crops_come_from_everywhere(changed: Any) -> None:
    ramp = np.broadcast_to(np.arange(200, dtype=np.uint8)[None, None, :, None], (60, 100, 200, 1)).copy()
    starts = changed(Crop(minimum=0.25, aspect=1.0), ramp)[:, 50, 0, 0]
    assert starts.min() < 10 and starts.max() > 40


def test_the_shape_stays(changed: Any, noise: Any) -> None:
    assert changed(Crop(minimum=0.1, aspect=2.0), noise).shape == noise.shape
