"""A folder of images, one subfolder per class."""

from __future__ import annotations

from typing import ClassVar, Literal

from pydantic import PositiveInt

from ops.sources.base import Modality
from ops.sources.images import look
from ops.sources.tree import ClassTreeSource


class ImageFolder(ClassTreeSource):
    """Images as they lie in `<path>/<class>/**`: the original bytes, the class, the file's name within the folder.

    Every file that is not hidden is a row or a reject: empty files, files that no decoder takes to the end, files whose
    extension names another format, animations, images of more pixels than allowed (known from the header, before
    anything is decoded), and files outside a class folder.
    """

    modality: ClassVar[Modality] = "image"
    content: ClassVar[str] = "image"

    kind: Literal["image_folder"] = "image_folder"
    """A folder of images by class."""
    max_pixels: PositiveInt = 40_000_000
    """Most pixels (width times height) of an image."""
    wrong_extension: Literal["reject", "keep"] = "reject"
    """Whether an image whose extension names another format is rejected or kept."""

    def fault(self, data: bytes, ending: str) -> tuple[str, str] | None:
        """What is wrong with an image; see `ClassTreeSource.fault`."""
        return look(data, ending, self.max_pixels, self.wrong_extension).fault
