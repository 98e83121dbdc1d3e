"""A tiny recipe over made-up local files, for tests of the whole chain: trained in about two seconds."""

from __future__ import annotations

import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal

import yaml

WORDS = {
    "sea": ["wave", "tide", "salt", "reef", "gull", "harbour", "anchor", "squid", "foam", "current", "shoal"],
    "sky": [
        "cloud",
        "wind",
        "star",
        "comet",
        "swallow",
        "thunder",
        "kite",
        "dusk",
        "orbit",
        "haze",
        "rainbow",
        "sunlight",
    ],
    "soil": [
        "root",
        "clay",
        "worm",
        "furrow",
        "seed",
        "gravel",
        "moss",
        "tunnel",
        "harvest",
        "compost",
        "mole",
        "bulb",
    ],
}
PARTITIONS = 3

DATA = ("raw_corpus", "signatures", "duplicates", "clean_corpus", "statistics", "shards", "tokenizer", "token_cache")
"""The stages before training that the recipe over texts has."""

KEPT, DIRTY, COPIES, CONFLICTING, SHORT, REJECTED = 160, 6, 16, 8, 6, 4
ROWS = KEPT + DIRTY + COPIES + CONFLICTING + SHORT + REJECTED
"""Records of the text: kept as they are, kept and repaired, dropped for each of three reasons, and rejected."""
CLEAN = KEPT + DIRTY

IMAGES, IMAGE_COPIES, IMAGE_CONFLICTING, BROKEN_IMAGES = 120, 6, 4, 3
"""Files of the images: kept, dropped for each of two reasons, and rejected."""


def tiny_recipe(
    folder: Path, *, name: str = "tiny", modality: Literal["text", "image"] = "text", **overrides: Any
) -> Path:
    """Write data and `<name>.yaml` into the folder; returns the recipe's path.

    Mappings among the overrides are merged into the recipe's (`training={"steps": 5}`); anything else replaces.
    """
    folder.mkdir(parents=True, exist_ok=True)
    if modality == "text":
        write_rows(folder / f"{name}.csv")
        recipe = _text(name)
    else:
        write_images(folder / name)
        recipe = _image(name)
    path = folder / f"{name}.yaml"
    path.write_text(yaml.safe_dump(_merged(recipe, overrides), sort_keys=False), encoding="utf-8")
    return path


def write_rows(path: Path, seed: int = 0) -> None:
    """A CSV file of `ROWS` records after its header."""
    draw = random.Random(seed)
    lines = list(_records(draw))
    draw.shuffle(lines)
    path.write_text("\n".join(["text,label,stars", *lines]) + "\n", encoding="utf-8")


def _records(draw: random.Random) -> Iterator[str]:
    plain = _sentences(draw)
    kept = [next(plain) for _ in range(KEPT)]
    yield from (f"{text},{label},{draw.randrange(6)}" for text, label in kept)
    for index in range(DIRTY):
        text, label = next(plain)
        yield f"{text} cafÃ©  \u200b{index},{label},1"
    # Copies differ in case and spaces from the row they repeat.
    yield from (f"  {text.upper().replace(' ', '  ')} ,{label},2" for text, label in kept[:COPIES])
    for _ in range(CONFLICTING // 2):
        text, _ = next(plain)
        yield from (f"{text},{label},3" for label in ("sea", "sky"))
    yield from (f"x{index},soil,4" for index in range(SHORT))
    yield from (f"{text},{label},many" for text, label in (next(plain) for _ in range(REJECTED // 2)))
    yield from (f"{text},{label}" for text, label in (next(plain) for _ in range(REJECTED // 2)))


def _sentences(draw: random.Random) -> Iterator[tuple[str, str]]:
    """Different sentences, of classes that words tell apart, with some words of no class among them."""
    seen: set[str] = set()
    while True:
        label = draw.choice(list(WORDS))
        words = [*draw.choices(WORDS[label], k=draw.randint(3, 6)), draw.choice(["the", "a", "old"])]
        draw.shuffle(words)
        text = " ".join(words)
        if text not in seen:
            seen.add(text)
            yield text, label


def write_images(folder: Path, seed: int = 0) -> None:
    """A folder for each class with images of 8 x 8 grey pixels: `bar` has a bright row, `post` a bright column."""
    draw = random.Random(seed)
    pixels: list[tuple[bytes, str]] = []
    for index in range(IMAGES):
        label = ("bar", "post")[index % 2]
        place = draw.randrange(8)
        bright = [(i // 8 if label == "bar" else i % 8) == place for i in range(64)]
        pixels.append((bytes(draw.randint(180, 255) if b else draw.randint(0, 90) for b in bright), label))
    copies = pixels[:IMAGE_COPIES]
    for index in range(IMAGE_CONFLICTING // 2):
        grey = bytes([100 + index] * 64)
        copies += [(grey, "bar"), (grey, "post")]
    for index, (content, label) in enumerate([*pixels, *copies]):
        (folder / label).mkdir(parents=True, exist_ok=True)
        (folder / label / f"{index:03d}.pgm").write_bytes(b"P5\n8 8\n255\n" + content)
    for index in range(BROKEN_IMAGES):
        (folder / "bar" / f"broken-{index}.pgm").write_bytes(b"P5\n8 8\n255\n" + bytes(5))


def _text(name: str) -> dict[str, Any]:
    return {
        **_common(name),
        "source": {
            "kind": "csv",
            "path": f"{name}.csv",
            "columns": {"text": "string", "label": "string", "stars": "int64"},
        },
        "cleaning": [
            {"kind": "unicode_repair"},
            {"kind": "control_characters"},
            {"kind": "whitespace"},
            {"kind": "length", "minimum": 4, "maximum": 200},
            {"kind": "exact_duplicates", "conflict_label": "label"},
        ],
        "split": {"valid": 0.2, "test": 0.2, "columns": ["text"]},
        "normalization": [{"kind": "text_case"}],
        "tokenizer": {"kind": "bpe", "vocabulary": 320, "max_length": 24},
        "task": {"kind": "text_classification", "input": "text", "label": "label"},
        "model": {"kind": "transformer_encoder", "dim": 16, "depth": 1, "heads": 2, "dropout": 0.0},
        "training": {"steps": 60, "batch_size": 16, "learning_rate": 0.01, "checkpoint_every": 20},
        "evaluation": {"bootstrap": 100, "baseline": {"kind": "tfidf_svm"}},
    }


def _image(name: str) -> dict[str, Any]:
    return {
        **_common(name),
        "source": {"kind": "image_folder", "path": name},
        "cleaning": [
            {"kind": "image_decodable"},
            {"kind": "exact_duplicates", "columns": ["image"], "conflict_label": "label"},
        ],
        "split": {"valid": 0.2, "test": 0.2, "columns": ["image"]},
        "normalization": [{"kind": "resize", "height": 8, "width": 8, "channels": 1}],
        "augmentation": {"copies": 1, "steps": [{"kind": "scale", "low": 0.9, "high": 1.1}]},
        "task": {"kind": "image_classification", "input": "image", "label": "label"},
        "model": {"kind": "vision_transformer", "dim": 16, "depth": 1, "heads": 2, "dropout": 0.0},
        "training": {"steps": 60, "batch_size": 16, "learning_rate": 0.005, "checkpoint_every": 20},
        "evaluation": {"bootstrap": 100, "baseline": {"kind": "pixel_svm"}},
    }


def _common(name: str) -> dict[str, Any]:
    return {
        "name": name,
        "description": "Tells made-up examples apart.",
        "seed": 3,
        "owners": ["team:tests"],
        "partitions": {"hash": PARTITIONS},
    }


def _merged(base: dict[str, Any], changes: dict[str, Any]) -> dict[str, Any]:
    merged = dict(base)
    for key, value in changes.items():
        inner = merged.get(key)
        merged[key] = _merged(inner, value) if isinstance(inner, dict) and isinstance(value, dict) else value
    return merged
