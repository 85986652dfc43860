"""Gives a network's activations their int8 ranges, and finds those on images.

Ranges are found on the way that the device goes: what a gate closes is not run,
so a block never counts images that pass it by.
"""

from typing import NamedTuple

import numpy as np
import tensorflow as tf

from ddi_tf import data
from ddi_tf import errors
from ddi_tf import finish
from ddi_tf import quantization
from ddi_tf import subgraphs

# Fewer images than this say little about what others do.
LEAST_IMAGES = 32

# That ranges are found on, where nothing else is said.
IMAGES = 500

_BATCH_SIZE = 100


class Found(NamedTuple):
    """What the ranges were found on, and what lies beyond them."""

    images: int        # that they were found on
    saturated: float   # share of the activations of other images beyond them
    worst: str         # the range with the largest share
    worst_share: float


def attach(network, scaling):
    """Gives every layer of `network` its ranges; off until they are found.

    Blocks between which features keep their shape share one: a skip hands on
    what came in.

    Args:
        network: `network.Network` without ranges.
        scaling: `data.Scaling` of its images.
    """
    rounding = network.rounding = quantization.Rounding()
    new = lambda name: quantization.Range(rounding, name=f"{name}_range")
    network.image_range = quantization.Range(
        rounding, _image_interval(scaling), name="image_range")
    features = network.stem.range = new("stage1")
    stages = 1
    for block in network.blocks:
        block.in_range = features
        if not block.keeps_features:
            stages += 1
            features = new(f"stage{stages}")
        block.range = features
        for conv in block.convolutions:
            # Two ranges on one activation: the converter would take the first.
            conv.range = (features if conv is block.writer
                          else new(f"{block.name}_{conv.name}"))
    for gate in (*network.layer_gates.values(),
                 *network.channel_gates.values()):
        for conv in gate.convolutions:
            conv.range = new(f"{gate.name}_{conv.name}")
        gate.pooled_range = new(f"{gate.name}_pooled")
    for gate in (network.layer_gate, network.recurrent_channel_gate):
        if gate is not None:
            gate.pooled_ranges = {
                width: new(f"{gate.name}_{width}_pooled")
                for width in gate.embed}
    for answer in (*network.exits.values(), network.head):
        if answer.norm is not None:
            answer.norm.range = new(f"{answer.name}_norm")
    for exit_ in network.exits.values():
        for conv in exit_.convolutions:
            conv.range = new(f"{exit_.name}_{conv.name}")
        if hasattr(exit_, "pooled_range"):
            exit_.pooled_range = new(f"{exit_.name}_pooled")
        exit_.range = new(f"{exit_.name}_logits")
    network.head.pooled_range = new("head_pooled")
    network.head.range = new("head_logits")


def find_on(network, dataset, count=IMAGES):
    """`find` on the first tune images of a `data.Dataset`, then as many others.

    Args:
        count: images; the others are what is left of the split at most.
    """
    return find(network, dataset.scaling, *_parts(dataset, count))


def known(network, dataset, count=IMAGES):
    """`Found` of a network whose ranges were found by `find_on` before."""
    images, others = _parts(dataset, count)
    try:
        return Found(len(images), *_count(network, dataset.scaling, others))
    finally:
        network.rounding.mode = quantization.ROUND


def _parts(dataset, count):
    """(tune images to find ranges on, others; the same where there are none).
    """
    images = dataset.tune.images[:2 * count]
    return images[:count], images[count:] if len(images) > count else images


def in_words(found):
    """A `Found` for the log."""
    return (f"ranges found on {found.images} tune images; "
            f"{100 * found.saturated:.4f}% of other images' activations lie "
            f"beyond them ({100 * found.worst_share:.3f}% of {found.worst})")


def find(network, scaling, images, others):
    """Finds the ranges on `images`; from then on activations are rounded.

    Args:
        network: `network.Network` with ranges (`attach`).
        scaling: `data.Scaling`.
        images: [N, H, W, 3] uint8, not of the test split.
        others: [M, H, W, 3] uint8, to see what lies beyond the ranges on.

    Returns:
        `Found`.

    Raises:
        ConfigError: fewer than LEAST_IMAGES images.
    """
    if len(images) < LEAST_IMAGES:
        raise errors.ConfigError(
            f"int8 ranges need {LEAST_IMAGES} images at least to be found on, "
            f"found {len(images)}. Give more.")
    rounding = network.rounding
    try:
        _revive(network, scaling, images)
        _observe(network, scaling, images)
        saturated = _count(network, scaling, others)
    finally:
        rounding.mode = quantization.ROUND
    return Found(len(images), *saturated)


def _revive(network, scaling, images):
    """Measures the batch norms of blocks that no image runs, with all open.

    In runs from before `gates.unmasked_if_closed` they saw nothing but zeros,
    and blow up what a device feeds them beyond what int8 graphs can hold.
    """
    network.rounding.mode = quantization.OFF
    walk = _Walk(network, scaling)
    walk.all(images)
    if unused := [conv for block in network.blocks
                  if block.name not in walk.run_blocks
                  for conv in block.branch]:
        finish.Norms(network, "open", unused).measure(
            data.normalize(images[start:start + _BATCH_SIZE], scaling)
            for start in range(0, len(images), _BATCH_SIZE))


def _observe(network, scaling, images):
    network.rounding.mode = quantization.OBSERVE
    _Walk(network, scaling).all(images)
    seen = [range_ for range_ in _ranges(network) if not range_.is_empty]
    try:
        # What no image has run is run all the same: a budget, or an image
        # unlike these, can open it on a device.
        for range_ in seen:
            range_.frozen = True
        if len(seen) < len(_ranges(network)):
            _Walk(network, scaling, all_open=True).all(images)
    finally:
        for range_ in seen:
            range_.frozen = False
    for range_ in _ranges(network):
        if range_.is_empty:  # all zeros, as behind a dead ReLU
            range_.high.assign(1.0)
    for block in network.blocks:
        block.limit_ranges()


def _count(network, scaling, images):
    """(share of activations beyond, name of the worst range, its share)."""
    network.rounding.mode = quantization.COUNT
    counts = network.rounding.counts
    for count in counts.values():
        count.assign([0, 0])
    _Walk(network, scaling).all(images)
    beyond, passed = np.stack([count.numpy() for count in counts.values()]).T
    shares = beyond / np.maximum(passed, 1)
    worst = int(shares.argmax())
    return (float(beyond.sum() / max(passed.sum(), 1)), list(counts)[worst],
            float(shares[worst]))


def _ranges(network):
    return [part for part in network.submodules
            if isinstance(part, quantization.Range)]


def _image_interval(scaling):
    """(least, largest) value that a pixel can have."""
    ends = data.normalize(np.array([[[[0] * 3, [255] * 3]]], np.uint8), scaling)
    return float(tf.reduce_min(ends)), float(tf.reduce_max(ends))


class _Walk:
    """Runs images one by one through a network's subgraphs, as a device does.

    Args:
        network: `network.Network`; its ranges' mode is that of all runs.
        scaling: `data.Scaling`.
        all_open: whether all blocks and channels run, whatever gates say.

    Attributes:
        run_blocks: names of the blocks that some image has run.
    """

    def __init__(self, network, scaling, all_open=False):
        self._cut = subgraphs.cut(network, subgraphs.masked)
        self._scaling, self._all_open = scaling, all_open
        self._run = {graph.name: tf.function(graph.function, autograph=False)
                     for graph in self._cut.graphs}
        self.run_blocks = set()
        self._states = (network.layer_gating.initial_state(1),
                        network.channel_gating.initial_state(1))

    def all(self, images):
        """Runs all images, each by itself."""
        for image in images:
            self._one(data.normalize(image[np.newaxis], self._scaling))

    def _one(self, image):
        run = self._run
        layer_state, channel_state = self._states
        x = run["stem"](image)
        for step in self._cut.steps:
            mask = tf.constant([[float(
                step.settled is None or group in step.settled)
                for group in range(step.groups)]])
            is_open = step.settled != ()
            if step.layer_gate is not None:
                chance, layer_state = self._ask(
                    step.layer_gate, x, layer_state)
                is_open = bool(chance[0, 0] >= 0.5)
            if (is_open or self._all_open) and step.channel_gate is not None:
                chances, channel_state = self._ask(
                    step.channel_gate, x, channel_state)
                mask = tf.cast(chances >= 0.5, tf.float32)
                is_open = is_open and bool(tf.reduce_any(mask > 0))
            if self._all_open:
                mask, is_open = tf.ones_like(mask), True
            if is_open:
                self.run_blocks.add(step.name)
                variant = step.variants[0]
                made = run[variant.graph.name](
                    x, *([mask] if variant.masked else []))
                x = made if not step.appended else tf.concat([x, made], axis=3)
            elif step.appended:
                x = tf.pad(x, [[0, 0]] * 3 + [[0, step.appended]])
            elif step.skip is not None:
                x = run[step.skip.name](x)
            if step.exit is not None:
                run[step.exit.name](x)
        run["head"](x)

    def _ask(self, gate, x, state):
        """(probabilities, state) of a gate, recurrent or not."""
        run = self._run[gate.name]
        return (run(x), None) if state is None else run(x, state)
