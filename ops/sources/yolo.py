"""Images with YOLO annotations: a text file for each image."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import PurePosixPath
from typing import Annotated, ClassVar, Literal

from pydantic import Field

from ops.sources.boxes import Annotation, Box, BoxSource, Fault, number
from ops.sources.tree import Leaf


class Yolo(BoxSource):
    """YOLO (Darknet) labels: lines of `class x y width height`, the centre and size as shares of the image's.

    `images/a.jpg` belongs to `labels/a.txt`, or to `a.txt` beside it. An image without a label file shows nothing.
    """

    annotation_endings: ClassVar[tuple[str, ...]] = (".txt",)
    required: ClassVar[bool] = False

    kind: Literal["yolo"] = "yolo"
    """Images with YOLO annotations."""
    names: Annotated[list[str], Field(min_length=1)]
    """The classes, in the order of their numbers from 0."""

    def is_annotation(self, inner: str) -> bool:
        """Text files that are not one of the lists of files and names that come with such a data set."""
        name = PurePosixPath(inner).name.lower()
        lists = ("classes.txt", "train.txt", "val.txt", "test.txt", "readme.txt", "notes.txt")
        return name.endswith(".txt") and not name.startswith("readme.") and name not in lists

    def key(self, inner: str) -> str:
        """The path without extension, and without the last folder `images` or `labels` in it."""
        parts = list(PurePosixPath(inner).with_suffix("").parts)
        for index in range(len(parts) - 2, -1, -1):
            if parts[index] in ("images", "labels"):
                del parts[index]
                break
        return "/".join(parts)

    def annotations(self, leaf: Leaf) -> Iterator[tuple[str, Annotation]]:
        """The one annotation of a file; its boxes are shares of the image."""
        boxes: list[Box] = []
        line: int | None = None
        fault: tuple[str, str] | None = None
        try:
            for place, row in enumerate(leaf.data.decode("utf-8-sig").splitlines(), 1):
                line = place
                if row.strip():
                    boxes.append(self._box(row.split()))
        except UnicodeDecodeError as error:
            fault = ("bad_utf8", f"at byte {error.start}")
        except Fault as error:
            fault = (error.reason, error.detail)
        yield self.key(leaf.inner), Annotation(leaf.name, line, boxes, (0, 0), fault, leaf.data[:256])

    def _box(self, fields: list[str]) -> Box:
        if len(fields) != 5:
            raise Fault("bad_box", f"{len(fields)} fields, 5 expected")
        index = fields[0]
        if not index.isascii() or not index.isdigit() or len(index) > 6 or int(index) >= len(self.names):
            raise Fault("unknown_category", f"class {index[:50]!r}, there are {len(self.names)} names")
        x, y, width, height = (number(field, "a side") for field in fields[1:])
        return Box(self.names[int(index)], x - width / 2, y - height / 2, x + width / 2, y + height / 2)

    def in_pixels(self, annotation: Annotation, width: int, height: int) -> list[Box]:
        """The shares times the image's size."""
        return [
            Box(b.label, b.left * width, b.top * height, b.right * width, b.bottom * height) for b in annotation.boxes
        ]
