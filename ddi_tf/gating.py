"""Which gate decides about a block: its own, or one that all share.

Both kinds answer the same questions, for layers as for channels:

    decides(block)  whether they decide about it at all
    initial_state(batch_size)  what `ask` takes first; None without a memory
    ask(block, features, state, training) -> (probabilities, state)
    work(block)     `work.Work` of asking
    name(block, role), function(block)  of the graph that asks on a device
"""

from typing import Any, NamedTuple

from ddi_tf import conv_gate
from ddi_tf import errors
from ddi_tf import recurrent_gates

KINDS = ("recurrent", "convolutional")


class Gates(NamedTuple):
    """The gates of a network, and who asks them."""

    layer_gate: Any              # `recurrent_gates.LayerGate`, or None
    layer_gates: dict            # block name -> `conv_gate.ConvGate`
    layer_gating: Any
    recurrent_channel_gate: Any  # `...RecurrentChannelGate`, or None
    channel_gates: dict          # block name -> `conv_gate.ConvGate`
    channel_gating: Any


def make(config, blocks, groups, filters):
    """The `Gates` of a network.

    Args:
        config: `network.NetworkConfig`.
        blocks: of `block.Block`.
        groups: name of each block with a channel gate -> its decisions.
        filters: `backbone.Backbone.gate_filters`.

    Raises:
        ConfigError: there is no such kind of gate.
    """
    for kind in (config.layer_gate, config.channel_gate):
        if kind not in KINDS:
            raise errors.ConfigError(
                f"a gate's kind must be one of {', '.join(KINDS)}. "
                f"Received: {kind}")
    layers = [block for block in blocks
              if config.layer_gates and block.skippable]
    masked = [block for block in blocks if block.name in groups]
    return Gates(*_layer_gates(config.layer_gate, layers, filters),
                 *_channel_gates(config.channel_gate, masked, groups, filters))


def _layer_gates(kind, blocks, filters):
    """(recurrent gate or None, gates per block, gating)."""
    if blocks and kind == "recurrent":
        gate = recurrent_gates.LayerGate(
            [block.in_shape[-1] for block in blocks], name="layer_gate")
        return gate, {}, Shared(gate, blocks, False)
    gates = {block.name: conv_gate.ConvGate(
        block.in_shape[-1], 1, filters=filters,
        name=f"{block.name}_layer_gate") for block in blocks}
    return None, gates, PerBlock(gates)


def _channel_gates(kind, blocks, groups, filters):
    """(recurrent gate or None, gates per block, gating)."""
    if blocks and kind == "recurrent":
        gate = recurrent_gates.RecurrentChannelGate(
            [block.in_shape[-1] for block in blocks], groups,
            [block.name for block in blocks if not block.skippable],
            name="channel_gate")
        return gate, {}, Shared(gate, blocks, True)
    gates = {block.name: conv_gate.ConvGate(
        block.in_shape[-1], groups[block.name], filters=filters,
        keeps_first=not block.skippable, name=f"{block.name}_channel_gate")
        for block in blocks}
    return None, gates, PerBlock(gates)


class PerBlock:
    """A `conv_gate.ConvGate` for each block.

    Args:
        gates: block name -> gate; blocks that are not there run in full.
    """

    def __init__(self, gates):
        self._gates = gates

    def decides(self, block):
        return block.name in self._gates

    def initial_state(self, batch_size):
        del batch_size  # it has no memory

    def ask(self, block, features, state, training=False):
        return self._gates[block.name](features, training), state

    def work(self, block):
        return self._gates[block.name].work(*block.in_shape[:2])

    def name(self, block, role):
        return f"{block.name}_{role}"

    def function(self, block):
        return self._gates[block.name]


class Shared:
    """One `recurrent_gates.RecurrentGate` for several blocks.

    Args:
        gate: the gate.
        blocks: list of the blocks that it decides about.
        by_name: whether each block has an output layer of its own.
    """

    def __init__(self, gate, blocks, by_name):
        self._gate, self._by_name = gate, by_name
        self._shapes = {block.name: block.in_shape for block in blocks}

    def decides(self, block):
        return block.name in self._shapes

    def initial_state(self, batch_size):
        return self._gate.initial_state(batch_size)

    def ask(self, block, features, state, training=False):
        del training  # nothing in it depends on that
        return self._gate(features, state, *self._which(block))

    def work(self, block):
        return self._gate.work(*block.in_shape, *self._which(block))

    def name(self, block, role):
        if self._by_name:
            return f"{block.name}_{role}"
        # Blocks that share a graph read features of one shape.
        *size, width = block.in_shape
        shapes = {shape for shape in self._shapes.values()
                  if shape[-1] == width}
        resolution = "" if len(shapes) == 1 else "_" + "x".join(map(str, size))
        return f"{role}_{width}{resolution}"

    def function(self, block):
        which = self._which(block)
        return lambda features, state: self._gate(features, state, *which)

    def _which(self, block):
        return (block.name,) if self._by_name else ()
