import io
from typing import Any

import numpy as np
import pytest
from PIL import Image

from ops.normalization.decode import Refusal, decoded, in_mode

RNG = np.random.default_rng(0)


def png(image: Image.Image, **options: Any) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, "PNG", **options)
    return buffer.getvalue()


def pixels(data: bytes, channels: int, background: int = 255) -> np.ndarray[Any, Any]:
    image = decoded(data, 10_000)
    assert not isinstance(image, Refusal)
    return np.asarray(in_mode(image, channels, background))


def test_rgb_and_grey_come_back_as_they_were() -> None:
    colour = RNG.integers(0, 256, (5, 4, 3), dtype=np.uint8)
    assert (pixels(png(Image.fromarray(colour)), 3) == colour).all()
    assert (pixels(png(Image.fromarray(colour[..., 0])), 1) == colour[..., 0]).all()
    assert (pixels(png(Image.fromarray(colour[..., 0])), 3) == colour[..., :1]).all()


def test_grey_is_the_luma_of_bt_601() -> None:
    colour = RNG.integers(0, 256, (9, 9, 3), dtype=np.uint8)
    luma = colour @ np.array([0.299, 0.587, 0.114])
    assert np.abs(pixels(png(Image.fromarray(colour)), 1) - luma).max() <= 1.0


def test_sixteen_bits_keep_their_upper_byte() -> None:
    deep = RNG.integers(0, 65_536, (6, 5), dtype=np.uint16)
    assert (pixels(png(Image.fromarray(deep)), 1) == deep >> 8).all()
    header = b"P5 5 6 65535\n"
    assert (pixels(header + deep.astype(">u2").tobytes(), 1) == deep >> 8).all()


@pytest.mark.parametrize("background", [0, 200, 255])
def test_transparent_pixels_show_the_background(background: int) -> None:
    rgba = RNG.integers(0, 256, (6, 6, 4), dtype=np.uint8)
    alpha = rgba[..., 3:] / 255
    expected = rgba[..., :3] * alpha + background * (1 - alpha)
    assert np.abs(pixels(png(Image.fromarray(rgba)), 3, background) - expected).max() <= 1.0


def test_a_transparent_palette_entry_shows_the_background() -> None:
    image = Image.fromarray(np.array([[0, 1]], dtype=np.uint8), mode="L").convert("P")
    image.putpalette([10, 20, 30, 40, 50, 60])
    assert pixels(png(image, transparency=1), 3, 7).tolist() == [[[10, 20, 30], [7, 7, 7]]]


@pytest.mark.parametrize(("orientation", "turns"), [(1, 0), (6, 3), (3, 2), (8, 1)])
def test_exif_orientation_is_undone(orientation: int, turns: int) -> None:
    grey = RNG.integers(0, 256, (3, 5), dtype=np.uint8)
    exif = Image.Exif()
    exif[0x0112] = orientation
    assert (pixels(png(Image.fromarray(grey), exif=exif), 1) == np.rot90(grey, turns)).all()


def test_of_an_animation_the_first_frame_is_taken() -> None:
    frames = [Image.new("L", (3, 2), value) for value in (10, 200)]
    buffer = io.BytesIO()
    frames[0].save(buffer, "GIF", save_all=True, append_images=frames[1:])
    assert (pixels(buffer.getvalue(), 1) == 10).all()


def test_floating_point_pixels_are_unsupported() -> None:
    buffer = io.BytesIO()
    Image.fromarray(np.zeros((2, 2), dtype=np.float32)).save(buffer, "TIFF")
    result = decoded(buffer.getvalue(), 100)
    assert isinstance(result, Refusal) and result.reason == "unsupported"
