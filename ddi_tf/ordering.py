"""Inner channels in the order of how much they matter, before gates learn.

A gate opens and closes groups of neighbouring channels. As training happens to
leave them, every group holds some that matter, and closing any of them costs
much. Which channel lies where makes no difference to what a block computes, so
those that matter least are gathered in the last groups: then one can be closed
at little cost, as in pruning (`peers.pfec`).

A channel matters as much as it moves what reads it: the root mean square of its
values, as if they were normally distributed as batch norm says, times the norm
of the weights that read them. No data is needed.
"""

import numpy as np
import tensorflow as tf
from scipy import special

from ddi_tf import norms


def order(network, optimizer):
    """Orders what channel gates decide about; the network answers as before.

    Where they decide about a block's output nothing is done: other blocks add
    to those channels where they lie.

    Args:
        network: `network.Network`, its base network trained.
        optimizer: tf_keras SGD, built on it. Its momentum is of channels where
            they lay, and begins anew.
    """
    config = network.config
    if not config.channel_gates or config.mask_site == "output":
        return
    for block in network.blocks:
        if network.channel_gating.decides(block):
            _order_branch(block.branch)
    for momentum in optimizer.momentums:
        momentum.assign(tf.zeros_like(momentum))


def importance(writer, reader):
    """How much each channel between two layers matters, [C] float >= 0.

    Args:
        writer: `layers.ConvBN` or `layers.DepthwiseConvBN` with norm and ReLU.
        reader: the `layers.ConvBN` behind it.
    """
    kernel = _value(reader.kernel)
    if reader.norm is not None:
        kernel = kernel * _value(reader.norm.gamma) / np.sqrt(
            _value(reader.norm.moving_variance) + norms.EPSILON)
    return _relu_rms(_value(writer.norm.beta), np.abs(
        _value(writer.norm.gamma))) * np.sqrt((kernel**2).sum(axis=(0, 1, 3)))


def _relu_rms(mean, deviation):
    """sqrt(E[relu(z)^2]) of a normal z, from the moments of its positive part.
    """
    ratio = mean / np.maximum(deviation, 1e-12)
    density = np.exp(-ratio**2 / 2) / np.sqrt(2 * np.pi)
    return np.sqrt(np.maximum(
        (mean**2 + deviation**2) * special.ndtr(ratio)
        + mean * deviation * density, 0))


def _order_branch(branch):
    """Between any two layers that mix channels; others pass them through."""
    mixing = [n for n, layer in enumerate(branch) if layer.mixes_channels]
    for first, last in zip(mixing, mixing[1:]):
        *writers, reader = branch[first:last + 1]
        by = np.argsort(-importance(writers[-1], reader), kind="stable")
        for writer in writers:
            for values in writer.norm.variables:
                _permute(values, by, 0)
            _permute(writer.kernel, by, 3 if writer.mixes_channels else 2)
        _permute(reader.kernel, by, 2)


def _permute(variable, by, axis):
    variable.assign(np.take(_value(variable), by, axis))


def _value(variable):
    return tf.convert_to_tensor(variable).numpy()
