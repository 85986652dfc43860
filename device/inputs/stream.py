"""Images from a stream: each is its length, then as many bytes.

The length is 4 bytes, big-endian. The bytes are an image file (as a folder
holds them), or raw RGB: height x width x 3 bytes of uint8, row after row. To
send one from Python:

    out.write(struct.pack(">I", len(content)) + content)
"""

import io
import math
import os

import numpy as np

from device import errors
from device import images
from device.inputs import source

MOST_BYTES = 64 << 20  # of one image

_STDIN = 0
_AT_ONCE = 1 << 20  # bytes; a length alone makes nobody reserve memory


class Stream(source.Input):
    """Reads until the stream ends.

    Args:
        shape: (height, width, 3) that images must have.
        file: open, binary, with a descriptor; None: standard input. Closing
            it is its owner's affair.
        name: what messages and items call it.
    """

    def __init__(self, shape, file=None, name="stdin"):
        super().__init__()
        self._shape, self._name = shape, name
        self._descriptor = _STDIN if file is None else file.fileno()
        self._offset = 0  # bytes read

    def __iter__(self):
        """`images.Item`s; one that does not decode is an ImageError.

        Raises:
            InputError: a length that is too large, or the stream ends within
                an image; where the next one begins is not known then.
        """
        index = 0
        while (content := self._frame(index)) is not None:
            name = f"{self._name}[{index}]"
            yield images.Item(name, self._decode(content, name))
            index += 1

    def _frame(self, index):
        """Bytes of the next image, or None at the end or when stopped."""
        where = f"{self._name}: image {index} (at byte {self._offset})"
        header = self._read(4)
        if not header:
            return None
        if len(header) < 4:
            raise _cut_short(where, "4 bytes of its length", header)
        length = int.from_bytes(header, "big")
        if length > MOST_BYTES:
            raise errors.InputError(
                f"{where}: expected a length of at most {MOST_BYTES} bytes, "
                f"found {length}. Send the length as 4 bytes, big-endian, "
                "before every image.")
        content = self._read(length)
        if content is not None and len(content) < length:
            raise _cut_short(where, f"{length} bytes of its content", content)
        return content

    def _read(self, count):
        """`count` bytes, or fewer at the end; None when stopped."""
        content = bytearray()
        while len(content) < count:
            part = self._some(count - len(content))
            if part is None:
                return None
            if not part:
                break
            content += part
        return content

    def _some(self, most):
        """What there is of `most` bytes; b"" at the end, None when stopped."""
        while not self._waiter.wait(descriptor=self._descriptor):
            if self._waiter.stopped:
                return None
        try:
            part = os.read(self._descriptor, min(most, _AT_ONCE))
        except OSError as error:
            raise errors.InputError(
                f"{self._name}: cannot be read ({error.strerror}) at byte "
                f"{self._offset}. Start whatever sends the images again."
            ) from None
        self._offset += len(part)
        return part

    def _decode(self, content, name):
        image = images.decode(io.BytesIO(content), self._shape, name)
        raw = len(content) == math.prod(self._shape)
        if raw and isinstance(image, errors.ImageError):
            return np.frombuffer(content, np.uint8).reshape(self._shape)
        return image


def _cut_short(where, expected, found):
    return errors.InputError(
        f"{where}: expected {expected}, found {len(found)} before the end. "
        "Send whole images, and close the stream after the last.")
