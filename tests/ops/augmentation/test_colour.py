from typing import Any

import numpy as np

from ops.augmentation.colour import Colour


def only(**strengths: float) -> Colour:
    """All strengths 0 but those given."""
    return Colour.model_validate({"brightness": 0.0, "contrast": 0.0, "saturation": 0.0, "hue": 0.0, **strengths})


def test_no_strength_changes_nothing(changed: Any, noise: Any) -> None:
    assert np.abs(changed(only(), noise).astype(int) - noise).max() <= 1


def test_brightness_is_a_factor_within_its_bound(changed: Any, noise: Any) -> None:
    dim = noise // 2
    results = changed(only(brightness=0.3), dim)
    factors = results.sum(axis=(1, 2, 3)) / dim.sum(axis=(1, 2, 3))
    assert 0.68 < factors.min() < 0.8 and 1.2 < factors.max() < 1.31


def test_contrast_keeps_the_mean(changed: Any) -> None:
    soft = np.random.default_rng(0).integers(100, 156, (60, 16, 16, 1), dtype=np.uint8)
    results = changed(only(contrast=0.5), soft)
    assert np.abs(results.mean(axis=(1, 2, 3)) - soft.mean(axis=(1, 2, 3))).max() < 1.5
    spread = results.std(axis=(1, 2, 3)) / soft.std(axis=(1, 2, 3))
    assert 0.48 < spread.min() < 0.7 and 1.3 < spread.max() < 1.52


def test_saturation_and_hue_leave_grey_grey(changed: Any) -> None:
    grey = np.repeat(np.random.default_rng(0).integers(0, 256, (20, 8, 8, 1), dtype=np.uint8), 3, axis=3)
    step = only(saturation=1.0, hue=0.5)
    assert np.abs(changed(step, grey).astype(int) - grey).max() <= 2
    red = np.zeros((20, 8, 8, 3), dtype=np.uint8)
    red[..., 0] = 200
    assert (changed(step, red)[:, 0, 0, 1:] > 50).any()


def test_one_channel_has_brightness_and_contrast(changed: Any) -> None:
    grey = np.random.default_rng(0).integers(50, 200, (20, 8, 8, 1), dtype=np.uint8)
    assert (changed(only(saturation=1.0, hue=0.5), grey) == grey).all()
    assert (changed(Colour(), grey) != grey).any()
