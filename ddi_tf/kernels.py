"""The kernels of the blocks' branches: what pruning and clustering shrink.

Stem, gates, projections, exits and head are not among them.
"""

import gzip

import numpy as np
import tensorflow as tf

from ddi_tf import checkpoints

_node = tf.train.Checkpoint


def of(network):
    """Variables [h, w, C, F] float32 of a `network.Network`, in order."""
    return [layer.kernel for block in network.blocks for layer in block.branch]


def stored(network, prefix):
    """Arrays [h, w, C, F] float32 of a network's checkpoint, in order.

    Args:
        network: `network.Network` of its configuration; it stays as it is.
        prefix: of a `tf.train.Checkpoint` that names the network `network`.

    Raises:
        CheckpointError: it is not there, damaged or of another network.
    """
    found = [tf.Variable(tf.zeros(kernel.shape)) for kernel in of(network)]
    kernels = iter(found)
    blocks = [_node(**{
        layer.name: _node(conv=_node(**{layer.kernel_name: next(kernels)}))
        for layer in block.branch}) for block in network.blocks]
    checkpoints.restore(_node(network=_node(blocks=blocks)), prefix, prefix)
    return [kernel.numpy() for kernel in found]


def sparsity(kernels):
    """Share of the weights that are 0, in [0, 1], of all kernels together.

    Args:
        kernels: list of tensors or arrays.
    """
    zeros = sum(np.sum(np.asarray(kernel) == 0) for kernel in kernels)
    return float(zeros / sum(np.size(kernel) for kernel in kernels))


def figures(kernels):
    """How small arrays of float32 are, as a dict for JSON.

    `distinct` is the number of values in the kernel that has most of them,
    `gzip_bytes` the size of all of them, one after the other, as `gzip -9`
    leaves it.
    """
    return {
        "weights": sum(kernel.size for kernel in kernels),
        "sparsity": round(sparsity(kernels), 5),
        "distinct": max(len(np.unique(kernel)) for kernel in kernels),
        "gzip_bytes": len(gzip.compress(
            b"".join(kernel.tobytes() for kernel in kernels), 9, mtime=0))}
