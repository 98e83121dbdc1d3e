"""Images with boxes: Pascal VOC, COCO and YOLO files of the same boxes give the same rows; the damaged are rejects."""

from __future__ import annotations

import json
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from ops.errors import BadData
from ops.sources.boxes import BOX, BoxSource
from ops.sources.coco import Coco
from ops.sources.pascal_voc import PascalVoc
from ops.sources.yolo import Yolo
from tests.ops.sources.packing import PACK, tar
from tests.ops.sources.reading import whole

WIDTH, HEIGHT = 40, 20
# label, left, top, right, bottom: pixels, right and bottom exclusive.
BOXES: dict[str, list[tuple[str, float, float, float, float]]] = {
    "a": [("cat", 0, 0, 40, 20), ("dog", 5, 6, 7, 18)],
    "b": [("dog", 10, 10, 11, 11)],
    "c": [],
}


def image(size: tuple[int, int] = (WIDTH, HEIGHT)) -> bytes:
    stream = BytesIO()
    Image.new("RGB", size, 7).save(stream, "PNG")
    return stream.getvalue()


def voc(boxes: list[Any], first: int = 1, size: tuple[int, int] = (WIDTH, HEIGHT)) -> bytes:
    objects = "".join(
        f"<object><name>{label}</name><bndbox><xmin>{x + first}</xmin><ymin>{y + first}</ymin>"
        f"<xmax>{r}</xmax><ymax>{b}</ymax></bndbox></object>"
        for label, x, y, r, b in boxes
    )
    size_ = f"<size><width>{size[0]}</width><height>{size[1]}</height><depth>3</depth></size>"
    return f"<annotation>{size_}{objects}</annotation>".encode()


def coco() -> dict[str, Any]:
    found: list[dict[str, Any]] = []
    for number, boxes in enumerate(BOXES.values()):
        for label, x, y, r, b in boxes:
            found.append({"image_id": number, "bbox": [x, y, r - x, b - y], "category_id": {"cat": 3, "dog": 9}[label]})
    images = [{"id": i, "file_name": f"{n}.png", "width": WIDTH, "height": HEIGHT} for i, n in enumerate(BOXES)]
    return {"images": images, "annotations": found, "categories": [{"id": 3, "name": "cat"}, {"id": 9, "name": "dog"}]}


def yolo(boxes: list[Any]) -> bytes:
    rows = []
    for label, x, y, r, b in boxes:
        shares = ((x + r) / 2 / WIDTH, (y + b) / 2 / HEIGHT, (r - x) / WIDTH, (b - y) / HEIGHT)
        rows.append(" ".join([str(["cat", "dog"].index(label)), *map(str, shares)]))
    return "\n".join(rows).encode()


IMAGES = {f"images/{name}.png": image() for name in BOXES}
FORMS: dict[str, tuple[type[BoxSource], dict[str, Any], dict[str, bytes]]] = {
    "voc": (PascalVoc, {}, {f"Annotations/{name}.xml": voc(boxes) for name, boxes in BOXES.items()}),
    "voc from 0": (
        PascalVoc,
        {"coordinates": "exclusive"},
        {f"Annotations/{name}.xml": voc(boxes, 0) for name, boxes in BOXES.items()},
    ),
    "coco": (Coco, {"annotations_file": "instances.json"}, {"instances.json": json.dumps(coco()).encode()}),
    "yolo": (Yolo, {"names": ["cat", "dog"]}, {f"labels/{n}.txt": yolo(b) for n, b in BOXES.items() if n != "c"}),
}


def source(folder: Path, form: str, files: dict[str, bytes], packed: bool = True) -> BoxSource:
    cls, settings, _ = FORMS[form]
    if packed:
        (folder / "set.tar.gz").write_bytes(PACK["gz"](tar(files)))
    for name, data in {} if packed else files.items():
        (folder / "set" / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / "set" / name).write_bytes(data)
    return cls.model_validate({"path": "set.tar.gz" if packed else "set", **settings}).resolve(folder)


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize("images_first", [False, True])
def test_all_forms_give_the_same_rows(form: str, packed: bool, images_first: bool, tmp_path: Path) -> None:
    notes = FORMS[form][2]
    files = {**IMAGES, **notes} if images_first else {**notes, **IMAGES}
    batch = whole(source(tmp_path, form, files, packed).read())
    assert batch.rejects.is_empty()
    assert batch.table.columns == ["image", "boxes", "file"]
    assert batch.table.schema["boxes"].inner == BOX  # type: ignore[attr-defined]
    assert batch.table["image"].to_list() == list(IMAGES.values())
    found = [[tuple(box.values()) for box in boxes] for boxes in batch.table["boxes"].to_list()]
    for boxes, wanted in zip(found, BOXES.values(), strict=True):
        assert [box[0] for box in boxes] == [box[0] for box in wanted]
        assert [side for box in boxes for side in box[1:]] == pytest.approx([s for box in wanted for s in box[1:]])


@pytest.mark.parametrize("form", ["voc", "coco"])
def test_images_and_annotations_that_are_alone(form: str, tmp_path: Path) -> None:
    files = {**IMAGES, **FORMS[form][2], "images/d.png": image()}
    del files["images/b.png"]
    batch = whole(source(tmp_path, form, files).read())
    assert batch.table.height == 2
    reasons = {(file.rsplit("/", 1)[-1], reason) for file, reason in batch.rejects.select("file", "reason").rows()}
    assert reasons == {("d.png", "no_annotation"), ("b.xml" if form == "voc" else "instances.json", "no_image")}


def test_damaged_voc(tmp_path: Path) -> None:
    entities = b"<!DOCTYPE a [<!ENTITY x 'lol'><!ENTITY y '&x;&x;&x;'>]><annotation>&y;</annotation>"
    cases = {
        "cut": (voc(BOXES["a"])[:-30], "not_xml"),
        "entities": (entities, "not_xml"),
        "number": (voc([("cat", 1, 1, "wide", 2)]), "bad_box"),
        "infinite": (voc([("cat", 1, 1, "inf", 2)]), "bad_box"),
        "unnamed": (voc([("", 1, 1, 2, 2)]), "bad_box"),
        "other": (b"<html></html>", "not_xml"),
        "size": (voc(BOXES["a"], size=(20, 40)), "size_differs"),
        "picture": (voc(BOXES["a"]), "undecodable"),
    }
    files = {f"a/{name}.xml": data for name, (data, _) in cases.items()} | {f"i/{name}.png": image() for name in cases}
    files["i/picture.png"] = b"nothing"
    files["j/cut.jpg"] = image()
    batch = whole(source(tmp_path, "voc", files).read())
    assert batch.table.is_empty()
    assert batch.rejects["reason"].to_list() == [reason for _, reason in cases.values()] + ["duplicate_image"]


def test_damaged_yolo(tmp_path: Path) -> None:
    cases = {
        "class": (b"7 0.5 0.5 0.1 0.1", "unknown_category", 1),
        "few": (b"0 0.5 0.5 0.1 0.1\n0 0.5 0.5", "bad_box", 2),
        "nan": (b"\n0 nan 0.5 0.1 0.1", "bad_box", 2),
        "text": (b"\xff", "bad_utf8", None),
    }
    files = {f"labels/{name}.txt": case[0] for name, case in cases.items()}
    files |= {f"images/{name}.png": image() for name in cases} | {"labels/empty.txt": b"", "images/empty.png": image()}
    batch = whole(source(tmp_path, "yolo", files | {"classes.txt": b"cat\ndog"}).read())
    assert batch.table["boxes"].to_list() == [[]]
    assert batch.rejects.select("reason", "line").rows() == [case[1:] for case in cases.values()]


def test_damaged_coco(tmp_path: Path) -> None:
    document = coco()
    document["annotations"] += [
        {"image_id": 77, "bbox": [0, 0, 1, 1], "category_id": 3},
        {"image_id": 1, "bbox": [0, 0, 1], "category_id": 3},
        "nothing",
    ]
    document["images"].append({"id": 5})
    document["annotations"].append({"image_id": 0, "bbox": [0, 0, 9, 9], "category_id": 3, "iscrowd": 1})
    batch = whole(source(tmp_path, "coco", {**IMAGES, "instances.json": json.dumps(document).encode()}).read())
    assert batch.table["boxes"].list.len().to_list() == [2, 0]
    assert sorted(batch.rejects["reason"]) == ["bad_annotation", "bad_box", "no_image", "no_image"]
    for broken in (b"[]", b'{"images": []}', b"{", b'{"images": [], "images": []}', b"\xff"):
        with pytest.raises(BadData, match=r"set\.tar\.gz/instances\.json: cannot be read as COCO annotations"):
            list(source(tmp_path, "coco", {**IMAGES, "instances.json": broken}).read())


@pytest.mark.mirror
def test_blood_cells(mirror: Path) -> None:
    settings = {"path": str(mirror / "bccd" / "bccd.tar"), "inside": "BCCD", "coordinates": "exclusive"}
    batch = whole(PascalVoc.model_validate(settings).read())
    assert (batch.table.height, batch.rejects.height) == (364, 0)
    boxes = batch.table.explode("boxes").unnest("boxes")
    assert boxes.height == 4888
    assert boxes["label"].n_unique() == 3
    assert boxes.filter((boxes["right"] == boxes["left"]) | (boxes["bottom"] == boxes["top"])).height == 2
