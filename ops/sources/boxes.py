"""What the sources of images with boxes share: the column of boxes, and the pairing of images with annotations."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import ClassVar, Literal, NamedTuple

import polars as pl
from pydantic import PositiveInt

from ops.sources.base import Modality
from ops.sources.images import EXTENSIONS, look
from ops.sources.rejects import Reject
from ops.sources.tree import Leaf, TreeSource, extension

BOX = pl.Struct(
    {"label": pl.String(), "left": pl.Float32(), "top": pl.Float32(), "right": pl.Float32(), "bottom": pl.Float32()}
)
"""A box in pixels from the upper left corner of the image; right and bottom are the first pixels beyond it."""

IMAGE_ENDINGS = frozenset(ending for endings in EXTENSIONS.values() for ending in endings)


class Box(NamedTuple):
    """One box in pixels, as `BOX`."""

    label: str
    left: float
    top: float
    right: float
    bottom: float


class Fault(Exception):
    """Why an annotation cannot be used."""

    def __init__(self, reason: str, detail: str) -> None:
        super().__init__(reason, detail)
        self.reason = reason
        self.detail = detail


class Annotation(NamedTuple):
    """What is known of one image.

    Attributes:
        file: where it stands, for rejects.
        line: number of its line or record there, where it has one.
        boxes: the boxes, as the format has them (of pixels, or shares of the image).
        size: width and height that it claims for the image, zeros where it does not.
        fault: why it cannot be used.
        excerpt: its first bytes.
    """

    file: str
    line: int | None
    boxes: list[Box]
    size: tuple[int, int] = (0, 0)
    fault: tuple[str, str] | None = None
    excerpt: bytes = b""


class BoxSource(TreeSource):
    """Base of Pascal VOC, COCO and YOLO. One row is one image with all of its boxes.

    The annotations are read first and held in memory (some hundred bytes a box), then the images, one after the other.
    An image without an annotation, an annotation without an image, and either of them damaged is one reject.
    """

    modality: ClassVar[Modality] = "image"
    annotation_endings: ClassVar[tuple[str, ...]] = ()
    required: ClassVar[bool] = True
    """Whether an image without an annotation is a reject, or an image of nothing."""

    max_pixels: PositiveInt = 40_000_000
    """Most pixels (width times height) of an image."""
    wrong_extension: Literal["reject", "keep"] = "reject"
    """Whether an image whose extension names another format is rejected or kept."""

    @property
    def columns(self) -> dict[str, pl.DataType]:
        """The encoded image and its boxes."""
        return {"image": pl.Binary(), "boxes": pl.List(BOX)}

    def rows(self) -> Iterator[dict[str, object] | Reject]:
        """Yield all images with their boxes, then the annotations without an image."""
        found: dict[str, Annotation] = {}
        for leaf in self.leaves(self.is_annotation):
            if leaf.reject is not None and (leaf.data or self.required):
                yield leaf.reject
                continue
            for key, annotation in self.annotations(leaf):
                if key in found:
                    fault = ("duplicate_annotation", f"{found[key].file} has one too")
                    yield _rejected(annotation, fault)
                else:
                    found[key] = annotation
        used: set[str] = set()
        for leaf in self.leaves(lambda inner: extension(inner) in IMAGE_ENDINGS):
            key = self.key(leaf.inner)
            yield self._row(leaf, found.get(key), key in used)
            used.add(key)
        for key, annotation in found.items():
            if key not in used:
                yield _rejected(annotation, annotation.fault or ("no_image", f"there is no image {key!r}"))

    def is_annotation(self, inner: str) -> bool:
        """Whether a file holds annotations, by its name."""
        return extension(inner) in self.annotation_endings

    def annotations(self, leaf: Leaf) -> Iterator[tuple[str, Annotation]]:
        """Yield the annotations of a file with the keys of their images."""
        raise TypeError(f"{type(self).__name__} has no annotations")

    def key(self, inner: str) -> str:
        """What an image and its annotation have in common, from the image's name."""
        raise TypeError(f"{type(self).__name__} has no key")

    def in_pixels(self, annotation: Annotation, width: int, height: int) -> list[Box]:
        """The boxes of an image of this size."""
        return annotation.boxes

    def _row(self, leaf: Leaf, annotation: Annotation | None, again: bool) -> dict[str, object] | Reject:
        def rejected(reason: str, detail: str) -> Reject:
            return Reject(leaf.name, None, None, reason, detail, leaf.data[:256])

        if leaf.reject is not None:
            return leaf.reject
        if again:
            return rejected("duplicate_image", "another image has the same annotation")
        if annotation is None and self.required:
            return rejected("no_annotation", "no annotation names it")
        seen = look(leaf.data, extension(leaf.inner), self.max_pixels, self.wrong_extension)
        if seen.fault is not None:
            return rejected(*seen.fault)
        boxes: list[Box] = []
        if annotation is not None:
            if annotation.fault is not None:
                return _rejected(annotation, annotation.fault)
            size = (seen.width, seen.height)
            if annotation.size not in ((0, 0), size):
                return rejected("size_differs", f"{size} pixels, {annotation.size} in {annotation.file}")
            boxes = self.in_pixels(annotation, *size)
        return {"image": leaf.data, "boxes": [box._asdict() for box in boxes], "file": leaf.name}


def _rejected(annotation: Annotation, fault: tuple[str, str]) -> Reject:
    return Reject(annotation.file, annotation.line, None, *fault, annotation.excerpt)


def number(text: object, what: str) -> float:
    """A finite number of an annotation, from text or JSON.

    Raises:
        Fault: it is none.
    """
    try:
        value = float(text) if isinstance(text, str | int | float) and not isinstance(text, bool) else math.nan
    except (ValueError, OverflowError):
        value = math.nan
    if not math.isfinite(value) or abs(value) > 1e9:
        raise Fault("bad_box", f"{what} is {str(text)[:50]!r}")
    return value
