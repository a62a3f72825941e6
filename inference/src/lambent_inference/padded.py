"""A decoded picture's own memory as an array, without a copy.

Pillow keeps RGB pixels in four bytes each, and copies them twice on their way into a numpy array of
three: as long as a fifth of the decoding itself, and a third for a photograph. It also lends them out
by Arrow's C interface, which is a handful of structures that ctypes can read. The array that comes of
it holds what was lent. https://pillow.readthedocs.io/en/stable/reference/arrow_support.html
"""

from __future__ import annotations

import ctypes
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from PIL.Image import Image as Picture

BYTES = 4
"""Of a pixel: red, green, blue, and one that means nothing."""


class _ArrowArray(ctypes.Structure):
    """The part of Arrow's structure that is read, https://arrow.apache.org/docs/format/CDataInterface.html."""

    _fields_: ClassVar[list[Any]] = [
        ("length", ctypes.c_int64),
        ("null_count", ctypes.c_int64),
        ("offset", ctypes.c_int64),
        ("n_buffers", ctypes.c_int64),
        ("n_children", ctypes.c_int64),
        ("buffers", ctypes.POINTER(ctypes.c_void_p)),
        ("children", ctypes.POINTER(ctypes.c_void_p)),
    ]


_pointer = ctypes.pythonapi.PyCapsule_GetPointer
_pointer.restype = ctypes.c_void_p
_pointer.argtypes = [ctypes.py_object, ctypes.c_char_p]


def in_one_piece() -> None:
    """Let Pillow keep each picture in one block, also above 16 MB; others cannot be lent."""
    from PIL import _imaging

    allow = getattr(_imaging, "set_use_block_allocator", None)
    if allow is not None:
        allow(1)


def padded(picture: Picture) -> NDArray[np.uint8] | None:
    """An RGB picture as height × width × 4, read only; None where Pillow does not lend it."""
    lend = getattr(picture, "__arrow_c_array__", None)
    if picture.mode != "RGB" or lend is None:
        return None
    try:
        _, lent = lend()
    except (ValueError, MemoryError):  # in several pieces
        return None
    count = picture.width * picture.height * BYTES
    pixels = _ArrowArray.from_address(_pointer(lent, b"arrow_array"))
    if pixels.n_children != 1:
        return None
    values = _ArrowArray.from_address(pixels.children[0])
    if values.length != count or values.n_buffers != 2 or pixels.offset or values.offset:
        return None
    memory = (ctypes.c_ubyte * count).from_address(values.buffers[1])
    memory.lent = lent  # type: ignore[attr-defined]  # gives it back when the last array is gone
    flat: NDArray[np.uint8] = np.frombuffer(memoryview(memory), np.uint8)
    flat.flags.writeable = False
    return flat.reshape(picture.height, picture.width, BYTES)
