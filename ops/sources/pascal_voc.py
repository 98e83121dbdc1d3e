"""Images with Pascal VOC annotations: an XML file for each image."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import PurePosixPath
from typing import ClassVar, Literal
from xml.etree import ElementTree

from ops.sources.boxes import Annotation, Box, BoxSource, Fault, number
from ops.sources.tree import Leaf


class PascalVoc(BoxSource):
    """Pascal VOC (Everingham et al., 2010): `<annotation>` with an `<object>` for each box; both files have one name.

    The development kit counts pixels from 1, and the right and bottom ones belong to the box: `inclusive`. Many tools
    write the same files with coordinates from 0 and the border beyond the box: `exclusive`.
    """

    annotation_endings: ClassVar[tuple[str, ...]] = (".xml",)

    kind: Literal["pascal_voc"] = "pascal_voc"
    """Images with Pascal VOC annotations."""
    coordinates: Literal["inclusive", "exclusive"] = "inclusive"
    """`inclusive`: from 1, with the right and bottom pixels; `exclusive`: from 0, up to right and bottom."""

    def key(self, inner: str) -> str:
        """The name without folder and extension."""
        return PurePosixPath(inner).stem

    def annotations(self, leaf: Leaf) -> Iterator[tuple[str, Annotation]]:
        """The one annotation of a file."""
        boxes: list[Box] = []
        size, fault = (0, 0), None
        try:
            root = _parsed(leaf.data)
            size = (_pixels(root, "size/width"), _pixels(root, "size/height"))
            boxes = [self._box(item, index) for index, item in enumerate(root.iterfind("object"), 1)]
        except Fault as error:
            fault = (error.reason, error.detail)
        yield self.key(leaf.inner), Annotation(leaf.name, None, boxes, size, fault, leaf.data[:256])

    def _box(self, item: ElementTree.Element, index: int) -> Box:
        label = (item.findtext("name") or "").strip()
        if not label:
            raise Fault("bad_box", f"object {index} has no name")
        sides = [number(item.findtext(f"bndbox/{side}"), f"{side} of object {index}") for side in SIDES]
        first = 1 if self.coordinates == "inclusive" else 0
        return Box(label, sides[0] - first, sides[1] - first, sides[2], sides[3])


SIDES = ("xmin", "ymin", "xmax", "ymax")


def _parsed(data: bytes) -> ElementTree.Element:
    # A declaration can define entities that multiply (billion laughs) or name files; annotations need none.
    if b"<!DOCTYPE" in data or b"<!ENTITY" in data:
        raise Fault("not_xml", "a document type is not allowed")
    try:
        root = ElementTree.fromstring(data)
    except (ElementTree.ParseError, ValueError, LookupError, RecursionError) as error:
        raise Fault("not_xml", str(error)) from error
    if root.tag != "annotation":
        raise Fault("not_xml", f"its root is <{root.tag[:50]}>, not <annotation>")
    return root


def _pixels(root: ElementTree.Element, path: str) -> int:
    text = (root.findtext(path) or "0").strip()
    return int(text) if text.isascii() and text.isdigit() and len(text) < 10 else 0
