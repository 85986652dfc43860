"""A block: a branch of convolutions that is run, skipped or run in part.

What all backbones' blocks have in common; a backbone adds what stands round the
branch (`Block.joined`) and which layers it is made of (`Block.branch`).

Dual Dynamic Inference, Eqs. 1-3: a layer gate g and a channel mask m decide
about an image; where the mask applies is an option. On the branch's output the
mask multiplies g. On its inner channels, those between its first and its last
layer, it saves work on both sides of them; then g is multiplied by "any channel
is open".
"""

import math

import tensorflow as tf
import tf_keras

from ddi_tf import costs
from ddi_tf import errors
from ddi_tf import gates
from ddi_tf import quantization
from ddi_tf import work

# Where a channel mask applies: on the branch's output (the paper's Eq. 2-3), on
# the channels within it, or on both.
MASK_SITES = ("output", "inner", "both")


def expand(mask, channels):
    """[B, G] group mask -> [B, 1, 1, channels]; groups are neighbours."""
    # Not `tf.repeat`: TFLite Micro has no kernel for what it becomes.
    repeated = tf.stack([mask] * (channels // mask.shape[-1]), axis=2)
    return tf.reshape(repeated, [-1, 1, 1, channels])


class Block(tf_keras.layers.Layer):
    """A branch of layers with gates; features in, features out.

    Args:
        in_shape: (height, width, channels) of the features it receives.
        out_shape: of those it leaves.
        mask_site: one of MASK_SITES.

    Attributes:
        in_range, range: `quantization.Range` of what it reads and of what it
            leaves, or None.
        skippable: whether a layer gate decides about it.
        appended: channels that its graph adds behind the features it received,
            which stay as they are; 0: what it leaves replaces them.
    """

    skippable = True
    appended = 0

    def __init__(self, in_shape, out_shape, mask_site, **kwargs):
        super().__init__(**kwargs)
        if mask_site not in MASK_SITES:
            raise errors.ConfigError(
                f"`model_mask_site` must be one of {', '.join(MASK_SITES)}. "
                f"Received: {mask_site}")
        self.in_shape, self.out_shape = tuple(in_shape), tuple(out_shape)
        self.mask_site = mask_site
        self.in_range = self.range = None

    # What a backbone says.

    @property
    def branch(self):
        """The layers that a skip leaves out, in order; one at least.

        Each offers what `layers.ConvBN` does. All but the last have as many
        channels: a mask of inner channels stands behind each of them.
        """
        raise NotImplementedError

    def joined(self, x, residual, weight, training):
        """The features after the block.

        Args:
            x: [B, H, W, C], the features before.
            residual: [B, H', W', F], what the branch gives.
            weight: [B, 1, 1, 1 or F] in {0, 1}, of the branch; None: 1.
            training: as for `call`.
        """
        raise NotImplementedError

    def skip(self, x, training=False):
        """What is left of the block when it does not run."""
        del training
        return x

    def entered(self, x, training):
        """What the branch reads, of the block's features."""
        del training
        return x

    def left(self, x, residual, weight=None):
        """What its graph leaves on a device: `joined`, or what is `appended`.
        """
        return self.joined(x, residual, weight, False)

    @property
    def writer(self):
        """The layer whose output it leaves as it is; None: a sum is behind it.
        """
        return None

    def limit_ranges(self):
        """Cuts the branch's range to what makes a difference in the sum."""

    @property
    def keeps_features(self):
        """Whether a skip hands on what came in, or that with zeros behind."""
        return self.skippable

    @property
    def beside(self):
        """Its layers with a range that are not of the branch."""
        return []

    @property
    def skip_work(self):
        """`work.Work` that is done whether or not the block runs."""
        return work.Work()

    @property
    def written(self):
        """`work.Work` of leaving the branch's output: a sum reads the shortcut.
        """
        return work.traffic(self.out_shape, self.out_shape)

    # What follows from it.

    @property
    def channels(self):
        """Channels that a mask decides about in groups; 0: there is no mask.

        A mask on both ends has as many as divide the channels of either.
        """
        inner, output = self.branch[0].filters, self.branch[-1].filters
        return {"output": output, "inner": inner,
                "both": math.gcd(inner, output)}[self.mask_site]

    @property
    def convolutions(self):
        """Its layers whose output has a range."""
        return [*self.branch, *self.beside]

    @property
    def narrows(self):
        """Whether graphs can compute some of its groups only."""
        return self.mask_site == "inner" and self.channels > 0

    def call(self, x, gate=None, mask=None, training=False):
        """Runs or skips, with the gradient that the gates learn from.

        Args:
            x: [B, H, W, C] float.
            gate: [B] in {0, 1}; 1 runs the block. None: all run.
            mask: [B, G] in {0, 1}; 1 keeps a group of channels. None: all kept.
            training: whether batch norm uses (and updates by) the batch.

        Returns:
            [B, *out_shape] float.
        """
        gate, mask = self._cast(x, gate, mask)
        residual = self._branch(x, mask, training)
        return self.joined(x, residual, self._weight(gate, mask), training)

    def run(self, x, mask=None):
        """What its graph leaves on a device for `mask` (inference): `left`."""
        _, mask = self._cast(x, None, mask)
        return self.left(
            x, self._branch(x, mask, False), self._weight(None, mask))

    def run_groups(self, x, mask=None, *, groups, total):
        """`run` with the inner channels of `groups` only.

        Args:
            x: [B, H, W, C] float.
            mask: [B, len(groups)] in {0, 1}: which of them are open; None: all.
            groups: ascending numbers of the groups to keep, at least one.
            total: how many groups there are.

        Returns:
            What `run` returns for the mask that opens exactly these groups.
        """
        if not self.narrows:
            raise ValueError("only inner channels can be left out of a graph. "
                             f"Received: mask_site={self.mask_site}")
        return self.left(x, self._narrow_branch(x, mask, groups, total, False))

    def settled(self, x, gate, *, groups, total, training=False):
        """`call` for a mask that is the same for every image, computed in part.

        Args:
            x, gate, training: as for `call`.
            groups: ascending numbers of the groups that the mask opens; none:
                the block does not run.
            total: how many groups there are.
        """
        if not groups:
            return self.skip(x, training)
        [gate] = self._cast(x, gate)
        residual = self._narrow_branch(x, None, groups, total, training)
        return self.joined(x, residual, self._weight(gate, None), training)

    @property
    def run_work(self):
        """`costs.Run` of `work.Work` for the branch."""
        counts, inner, shape = [], work.Work(), self.in_shape
        for layer in self.branch:
            counts.append(layer.work(*shape)._replace(activations=0))
            shape = layer.out_shape(shape)
            if layer is not self.branch[-1]:
                inner += work.traffic(shape, shape)  # written, then read
        *before, last = counts
        linear, square, read = inner, work.Work(), work.traffic(self.in_shape)
        for number, (count, layer) in enumerate(zip(before, self.branch)):
            # Both sides of a layer within the branch shrink, if it mixes them.
            if number and layer.mixes_channels:
                square += count
            else:
                linear += count
        return {
            "output": costs.Run(
                read + linear + square, last + self.written, work.Work()),
            "inner": costs.Run(read + self.written, linear + last, square),
            "both": costs.Run(read, linear + self.written, square + last),
        }[self.mask_site]

    def rounded(self, x):
        """`x` in the numbers of the features after the block."""
        return quantization.rounded(x, self.range)

    @staticmethod
    def _cast(x, *decisions):
        # Gates decide in float32, whatever the features are.
        return [None if decision is None else tf.cast(decision, x.dtype)
                for decision in decisions]

    def _branch(self, x, mask, training):
        inside = None
        if mask is not None and self.mask_site != "output":
            inside = gates.unmasked_if_closed(mask) if training else mask
        x = self.entered(x, training)
        for layer, following in zip(self.branch, [*self.branch[1:], None]):
            x = layer(x, training)
            if following is not None:
                x = self._masked(x, inside, layer, following)
        return x

    def _narrow_branch(self, x, mask, groups, total, training):
        """The branch's output, of the inner channels of `groups` only."""
        size = self.channels // total
        kept = [c for g in groups for c in range(g * size, (g + 1) * size)]
        inner, inputs = self.entered(x, training), None
        *before, last = self.branch
        for layer, following in zip(before, self.branch[1:]):
            inner = layer.narrow(inner, inputs, kept, training)
            inner, inputs = self._masked(inner, mask, layer, following), kept
        return last.narrow(inner, kept, training=training)

    @staticmethod
    def _masked(inner, mask, layer, following):
        """[B, H, W, C] with the channels of closed groups at 0.

        Only where the next layer would mix them with others.
        """
        if mask is None or not following.mixes_channels:
            return inner
        # In the range that it had: an open channel passes as it is.
        return quantization.rounded(
            inner * expand(mask, inner.shape[-1]), layer.range)

    def _weight(self, gate, mask):
        """[B, 1, 1, 1 or F] share of the branch's output, or None for all."""
        weight = None if gate is None else gate[:, tf.newaxis]
        if mask is not None and (self.skippable or self.mask_site != "inner"):
            kept = mask
            if self.mask_site == "inner":
                kept = gates.opened(mask)[:, tf.newaxis]
            weight = kept if weight is None else weight * kept
        return None if weight is None else expand(
            weight, self.branch[-1].filters if weight.shape[-1] > 1 else 1)

    def get_config(self):
        return {**super().get_config(), "mask_site": self.mask_site}
