"""Images with COCO annotations: one JSON file for all images."""

from __future__ import annotations

import io
from collections.abc import Iterator
from pathlib import PurePosixPath
from typing import Any, Literal

from ops.errors import BadData
from ops.sources.boxes import Annotation, Box, BoxSource, Fault, number
from ops.sources.streamed_json import entries
from ops.sources.tree import Leaf

_IMAGE = ("id", "file_name", "width", "height")
_BOX = ("id", "image_id", "category_id", "bbox", "iscrowd")
"""What is used of images and annotations; the rest, outlines above all, is most of a file."""


class Coco(BoxSource):
    """COCO object detection (Lin et al., 2014): `images`, `categories`, and `annotations` with `bbox` [x, y, w, h].

    `bbox` counts in pixels from the upper left corner. Of the JSON file only images and boxes are kept in memory.
    An annotation that names no image or category, or whose box is no four numbers, makes its image a reject.
    """

    kind: Literal["coco"] = "coco"
    """Images with COCO annotations."""
    annotations_file: str
    """The JSON file, by its name within the folder."""
    crowds: Literal["drop", "keep"] = "drop"
    """Whether boxes around crowds (`iscrowd`: 1), which stand for many things at once, are boxes."""

    def is_annotation(self, inner: str) -> bool:
        """The file that the recipe names."""
        return inner == self.annotations_file

    def key(self, inner: str) -> str:
        """The name without its folder."""
        return PurePosixPath(inner).name

    def annotations(self, leaf: Leaf) -> Iterator[tuple[str, Annotation]]:
        """The annotations of all images of the file.

        Raises:
            BadData: the file is no COCO annotation at all.
        """
        try:
            images, boxes, labels = _parts(leaf.data)
        except ValueError as error:
            raise BadData(f"cannot be read as COCO annotations: {error}", where=leaf.name) from error
        for line, image in enumerate(images, 1):
            yield self._annotation(leaf, line, image, boxes, labels)
        # What no image of the file has taken.
        for index, item in enumerate(item for items in boxes.values() for item in items):
            fault = ("no_image", f"an annotation of image {str(item.get('image_id'))[:50]}, which is not in the file")
            yield f"\0left {index}", Annotation(leaf.name, None, [], fault=fault, excerpt=_excerpt(item))

    def _annotation(
        self, leaf: Leaf, line: int, image: Any, boxes: dict[Any, list[Any]], labels: dict[Any, str]
    ) -> tuple[str, Annotation]:
        name = image.get("file_name") if isinstance(image, dict) else None
        if not isinstance(name, str) or not name:
            fault = ("bad_annotation", f"image {line} has no file_name")
            return f"\0{line}", Annotation(leaf.name, line, [], fault=fault, excerpt=_excerpt(image))
        size = (_pixels(image.get("width")), _pixels(image.get("height")))
        mine = boxes.pop(_hashable(image.get("id")), [])
        try:
            kept = [item for item in mine if self.crowds == "keep" or not item.get("iscrowd")]
            found = [_box(item, labels) for item in kept]
        except Fault as error:
            return self.key(name), Annotation(leaf.name, line, [], size, (error.reason, error.detail), _excerpt(image))
        return self.key(name), Annotation(leaf.name, line, found, size, excerpt=_excerpt(image))


def _parts(data: bytes) -> tuple[list[Any], dict[Any, list[Any]], dict[Any, str]]:
    """The images, of each image's id the annotations, and the categories' names by id; of annotations what is used."""
    lists = ("images", "annotations", "categories")
    images: list[Any] = []
    boxes: dict[Any, list[Any]] = {}
    labels: dict[Any, str] = {}
    there, object_ = set(), False
    for kind, key, item in entries(io.BytesIO(data), lists):
        object_ = True
        if kind == "list":
            there.add(key)
        elif kind == "value":
            continue
        elif key == "images":
            images.append({name: item[name] for name in _IMAGE if name in item} if isinstance(item, dict) else item)
        elif key == "annotations":
            some = {name: item[name] for name in _BOX if name in item} if isinstance(item, dict) else {"": item}
            boxes.setdefault(_hashable(some.get("image_id")), []).append(some)
        else:
            _label(item, labels)
    for key in lists:
        if key not in there:
            raise ValueError(f"it has no list {key!r}" if object_ else "it is no object")
    return images, boxes, labels


def _label(item: Any, labels: dict[Any, str]) -> None:
    if not isinstance(item, dict) or not isinstance(item.get("name"), str) or not isinstance(item.get("id"), int):
        raise ValueError(f"a category without id or name: {_excerpt(item).decode()[:100]}")
    if item["id"] in labels:
        raise ValueError(f"category {item['id']} is there twice")
    labels[item["id"]] = item["name"]


def _box(item: Any, labels: dict[Any, str]) -> Box:
    sides = item.get("bbox")
    if not isinstance(sides, list) or len(sides) != 4:
        raise Fault("bad_box", f"bbox is {str(sides)[:100]}")
    left, top, width, height = (number(side, "bbox") for side in sides)
    label = labels.get(_hashable(item.get("category_id")))
    if label is None:
        raise Fault("unknown_category", f"category {str(item.get('category_id'))[:50]}")
    return Box(label, left, top, left + width, top + height)


def _pixels(value: Any) -> int:
    return value if isinstance(value, int) and value > 0 else 0


def _hashable(value: Any) -> Any:
    return value if isinstance(value, int | str) else None


def _excerpt(value: Any) -> bytes:
    return str(value)[:256].encode("utf-8", "backslashreplace")
