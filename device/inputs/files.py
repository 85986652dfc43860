"""Images of a folder, one file, or an .npz, which are all there already."""

from absl import logging

from device import images
from device.inputs import source


class Files(source.Input):
    """Goes through an `images.Source`, from where an earlier run ended.

    Args:
        path: as for `images.Source`.
        shape: (height, width, 3) that images must have.
        warn: called with a message if it cannot go on where it ended.

    Raises:
        ImageError: the path does not exist or holds no images.
    """

    def __init__(self, path, shape, *, warn=logging.warning):
        super().__init__()
        self._path, self._warn = path, warn
        self._source = images.Source(path, shape)
        self._first = 0

    @property
    def total(self):
        return len(self._source) - self._first

    def start(self, after):
        names = self._source.names
        if after in names:
            self._first = names.index(after) + 1
        else:
            self._warn(f"{self._path}: the last image that was answered, "
                       f"{after}, is not there. Begins with the first.")

    def __iter__(self):
        for index in range(self._first, len(self._source)):
            if self._waiter.stopped:
                return
            yield self._source[index]
