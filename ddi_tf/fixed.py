"""A block that no gate decides about."""

from ddi_tf import block
from ddi_tf import costs
from ddi_tf import work


class Fixed(block.Block):
    """Layers, one after the other, that run for every image.

    Args:
        in_shape: (height, width, channels) of the features it receives.
        parts: layers with `out_shape` and `work` as `layers.ConvBN` has them.
    """

    skippable = False

    def __init__(self, in_shape, parts, **kwargs):
        shape, total = tuple(in_shape), work.Work()
        for part in parts:
            total += part.work(*shape)
            shape = part.out_shape(shape)
        super().__init__(in_shape, shape, "inner", **kwargs)
        self.parts, self._work = list(parts), total

    @property
    def branch(self):
        return []

    @property
    def channels(self):
        return 0

    @property
    def beside(self):
        return [part for part in self.parts if hasattr(part, "range")]

    @property
    def writer(self):
        return self.parts[-1]

    def call(self, x, gate=None, mask=None, training=False):
        """[B, H, W, C] float -> [B, *out_shape]; `gate` and `mask` are None."""
        del gate, mask
        for part in self.parts:
            x = part(x, training)
        return self.rounded(x)

    def run(self, x, mask=None):
        return self(x)

    @property
    def skip_work(self):
        """What every image pays: all."""
        return self._work

    @property
    def run_work(self):
        return costs.Run(work.Work(), work.Work(), work.Work())
