"""Images of a folder, one file, or an .npz, which are all there already."""

from device import images
from device.inputs import source


class Files(source.Input):
    """Goes through an `images.Source`, from where an earlier run ended.

    Args:
        path: as for `images.Source`.
        shape: (height, width, 3) that images must have.

    Raises:
        ImageError: the path does not exist or holds no images.
    """

    def __init__(self, path, shape):
        super().__init__()
        self._source = images.Source(path, shape)
        self._first = 0

    @property
    def total(self):
        return len(self._source) - self._first

    def start(self, after):
        names = self._source.names
        if after in names:
            self._first = names.index(after) + 1

    def __iter__(self):
        for index in range(self._first, len(self._source)):
            if self._waiter.stopped:
                return
            yield self._source[index]
