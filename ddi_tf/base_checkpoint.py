"""Checkpoints of a base network: among all else, or alone and small.

Small, it is stem, blocks and head with kernels in float16: for teaching,
growing from and comparing with, which takes no more, at half the bytes.
"""

import tensorflow as tf

from ddi_tf import checkpoints
from ddi_tf import quantization

# Under which a small one's variables are found.
_SMALL = "small/0/.ATTRIBUTES/VARIABLE_VALUE"


def write_small(network, prefix):
    """Writes the base network of a `network.Network`, in place of an old one.

    Args:
        network: it stays as it is.
        prefix: as for `checkpoints.write`.

    Raises:
        StorageError: as `checkpoints.write`.
    """
    kept = _kept(network)
    for variable, own in zip(kept, _variables(network)):
        variable.assign(tf.cast(own, variable.dtype))
    checkpoints.write(tf.train.Checkpoint(small=kept), prefix)


def restore(network, prefix, where):
    """Gives `network` the base network of a checkpoint; gates, exits stay.

    Args:
        network: `network.Network`.
        prefix, where: as for `checkpoints.restore`.

    Raises:
        CheckpointError: as `checkpoints.restore`, or it is of another backbone.
    """
    if not _is_small(prefix):
        backbone = tf.train.Checkpoint(
            stem=network.stem, blocks=network.blocks, head=network.head)
        checkpoints.restore(
            tf.train.Checkpoint(network=backbone), prefix, where)
        return
    kept = _kept(network)
    checkpoints.restore(tf.train.Checkpoint(small=kept), prefix, where)
    for variable, own in zip(kept, _variables(network)):
        own.assign(tf.cast(variable, own.dtype))


def _is_small(prefix):
    try:
        return tf.train.load_checkpoint(prefix).has_tensor(_SMALL)
    except (tf.errors.OpError, ValueError, RuntimeError):
        return False  # reading it will say what is wrong


def _kept(network):
    """Variables of the shapes of `_variables`: what a small one holds.

    Norms are a hundredth of the weights, and variances can be large.
    """
    return [tf.Variable(tf.zeros(
        own.shape, tf.float16 if len(own.shape) > 1 else tf.float32),
        trainable=False) for own in _variables(network)]


def _variables(network):
    """Those of the base network, in order, without ranges."""
    ranges = {variable.ref() for part in network.submodules
              if isinstance(part, quantization.Range)
              for variable in part.variables}
    return [variable for part in (network.stem, *network.blocks, network.head)
            for variable in part.variables if variable.ref() not in ranges]
