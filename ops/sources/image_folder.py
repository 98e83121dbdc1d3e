"""A folder of images, one subfolder per class."""

from __future__ import annotations

from collections.abc import Iterator
from typing import ClassVar, Literal

import polars as pl
from pydantic import PositiveInt

from ops.sources.base import Modality
from ops.sources.images import look
from ops.sources.rejects import Reject
from ops.sources.tree import ClassTreeSource, extension


class ImageFolder(ClassTreeSource):
    """Images as they lie in `<path>/<class>/**`: the original bytes, the class, the file's name within the folder.

    Every file that is not hidden is a row or a reject: empty files, files that no decoder takes to the end, files whose
    extension names another format, animations, images of more pixels than allowed (known from the header, before
    anything is decoded), and files outside a class folder.
    """

    modality: ClassVar[Modality] = "image"

    kind: Literal["image_folder"] = "image_folder"
    """A folder of images by class."""
    max_pixels: PositiveInt = 40_000_000
    """Most pixels (width times height) of an image."""
    wrong_extension: Literal["reject", "keep"] = "reject"
    """Whether an image whose extension names another format is rejected or kept."""

    @property
    def columns(self) -> dict[str, pl.DataType]:
        """The encoded image and its class."""
        return {"image": pl.Binary(), **self.named}

    def rows(self) -> Iterator[dict[str, object] | Reject]:
        """Yield all images, in the order of their names."""
        for leaf in self.leaves():
            labels = leaf.reject or self.labels(leaf)
            if isinstance(labels, Reject):
                yield labels
                continue
            seen = look(leaf.data, extension(leaf.inner), self.max_pixels, self.wrong_extension)
            if seen.fault is not None:
                yield Reject(leaf.name, None, None, *seen.fault, leaf.data[:256])
            else:
                yield {"image": leaf.data, **labels, "file": leaf.name}
