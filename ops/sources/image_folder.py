"""A folder of images, one subfolder per class."""

from __future__ import annotations

import os
import re
import warnings
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path
from typing import ClassVar, Literal, Self

import polars as pl
from pydantic import PositiveInt, PrivateAttr

from ops.errors import ConfigError
from ops.sources.base import Batch, Modality, Source
from ops.sources.containers import InputFile
from ops.sources.files import digest_files, nearest, unreadable
from ops.sources.rejects import Reject, reject_frame

BATCH_BYTES = 32 << 20
BATCH_IMAGES = 4096

IMAGE_SCHEMA: dict[str, pl.DataType] = {"image": pl.Binary(), "label": pl.String(), "file": pl.String()}

# Formats that every later stage can decode, by the name that Pillow gives them.
EXTENSIONS: dict[str, tuple[str, ...]] = {
    "PNG": (".png",),
    "JPEG": (".jpg", ".jpeg", ".jpe"),
    "PPM": (".ppm", ".pgm", ".pbm", ".pnm"),
    "BMP": (".bmp",),
    "TIFF": (".tif", ".tiff"),
    "WEBP": (".webp",),
}


class ImageFolder(Source):
    """Images as they lie in `<path>/<class>/**`: the original bytes, the class, the file's name within the folder.

    Every file that is not hidden is a row or a reject: empty files, files that no decoder takes to the end, files whose
    extension names another format, animations, images of more pixels than allowed (known from the header, before
    anything is decoded), and files outside a class folder.
    """

    modality: ClassVar[Modality] = "image"

    kind: Literal["image_folder"] = "image_folder"
    """A folder of images by class."""
    path: str
    """The folder, relative to the recipe's folder."""
    max_pixels: PositiveInt = 40_000_000
    """Most pixels (width times height) of an image."""
    max_file_bytes: PositiveInt = 64 << 20
    """Largest file."""
    wrong_extension: Literal["reject", "keep"] = "reject"
    """Whether an image whose extension names another format is rejected or kept."""

    _base: Path = PrivateAttr(default_factory=Path)

    def resolve(self, base: Path) -> Self:
        """A copy that takes a relative path from `base`."""
        copy = self.model_copy()
        copy._base = base.absolute()
        return copy

    @property
    def columns(self) -> dict[str, pl.DataType]:
        """The encoded image and its class."""
        return {"image": pl.Binary(), "label": pl.String()}

    def check(self) -> None:
        """Look whether the folder is there and holds files."""
        self.files()

    def paths(self) -> list[Path]:
        """The folder, as an absolute path."""
        return [(self._base / Path(self.path).expanduser()).absolute()]

    def files(self) -> list[InputFile]:
        """All files under the folder that are not hidden, by name; links to folders are not followed.

        Raises:
            ConfigError: there is no such folder, or nothing in it.
        """
        root = self._base / Path(self.path).expanduser()
        if not root.is_dir():
            near = nearest(root.name, sorted(p.name for p in root.parent.iterdir())) if root.parent.is_dir() else ""
            raise ConfigError(f"no folder {self.path!r}{near}", where=str(self._base))
        found: list[Path] = []
        for folder, subfolders, names in os.walk(root):
            subfolders[:] = sorted(name for name in subfolders if not name.startswith("."))
            found.extend(Path(folder) / name for name in names if not name.startswith("."))
        files = [InputFile(path.relative_to(root).as_posix(), path) for path in found if path.is_file()]
        if not files:
            raise ConfigError(f"the folder {self.path!r} holds no files", where=str(self._base))
        return sorted(files)

    def external(self, partition: str | None = None) -> str:
        """SHA-256 over the names within the folder and the SHA-256 of the files."""
        return digest_files(self.files())

    def read(self, partition: str | None = None) -> Iterator[Batch]:
        """Yield all images, in the order of their names."""
        rows: list[tuple[bytes, str, str]] = []
        rejects: list[Reject] = []
        size = 0
        for file in self.files():
            data, fault = self._load(file)
            if fault is None:
                rows.append((data, file.name.split("/", 1)[0], file.name))
                size += len(data)
            else:
                rejects.append(Reject(file.name, None, None, *fault, data[:256]))
            if size >= BATCH_BYTES or len(rows) + len(rejects) >= BATCH_IMAGES:
                yield _batch(rows, rejects)
                rows, rejects, size = [], [], 0
        if rows or rejects:
            yield _batch(rows, rejects)

    def _load(self, file: InputFile) -> tuple[bytes, tuple[str, str] | None]:
        try:
            with file.path.open("rb") as stream:
                data = stream.read(self.max_file_bytes + 1)
        except OSError as error:
            raise unreadable(file, error) from error
        if "/" not in file.name:
            return data, ("no_class_folder", "the file lies beside the class folders")
        if not data:
            return data, ("empty_file", "zero bytes")
        if len(data) > self.max_file_bytes:
            return data, ("too_large", f"more than {self.max_file_bytes} bytes")
        return data, self._fault(data, Path(file.name).suffix.lower())

    def _fault(self, data: bytes, extension: str) -> tuple[str, str] | None:
        """What is wrong with an image; its header is judged before its pixels are decoded."""
        from PIL import Image

        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                with Image.open(BytesIO(data), formats=list(EXTENSIONS)) as image:
                    width, height = image.size
                    if width * height > self.max_pixels:
                        return "too_many_pixels", f"{width} x {height}, {self.max_pixels} pixels are allowed"
                    name = image.format or ""
                    if self.wrong_extension == "reject" and extension not in EXTENSIONS[name]:
                        return "wrong_extension", f"the file is {name}, its name says {extension or 'nothing'}"
                    if getattr(image, "n_frames", 1) > 1:
                        return "animated", f"{image.n_frames} frames"  # type: ignore[attr-defined]
                    image.load()
        except Image.DecompressionBombError as error:
            return "too_many_pixels", str(error)
        except MemoryError:
            return "undecodable", "out of memory"
        except Exception as error:  # decoders raise anything on damaged bytes, and each means the same here
            # Without the address of an object that some messages have: rejects are the same in every run.
            said = re.sub(r" at 0x[0-9a-f]+", "", " ".join(str(error).split()))
            return "undecodable", f"{type(error).__name__}: {said}"
        return None


def _batch(rows: list[tuple[bytes, str, str]], rejects: list[Reject]) -> Batch:
    return Batch(pl.DataFrame(rows, schema=IMAGE_SCHEMA, orient="row"), reject_frame(rejects))
