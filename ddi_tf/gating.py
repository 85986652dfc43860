"""Which gate decides about a block: its own, or one that remembers for all.

Both kinds answer the same questions, for layers as for channels:

    decides(block)  whether they decide about it at all
    initial_state(batch_size)  what `ask` takes first; None without a memory
    ask(block, features, state, training) -> (probabilities, state)
    work(block)     `work.Work` of asking
    function(block)  what the graph that asks on a device computes; None: it
                    is not asked
"""

from typing import Any, NamedTuple

import tensorflow as tf

from ddi_tf import conv_gate
from ddi_tf import errors
from ddi_tf import recurrent_gates
from ddi_tf import settled_gates
from ddi_tf import work

KINDS = ("recurrent", "convolutional")


class Gates(NamedTuple):
    """The gates of a network, and who asks them."""

    layer_gate: Any              # `recurrent_gates.RecurrentGate`, or None
    layer_gates: dict            # block name -> `conv_gate.ConvGate`
    layer_gating: Any
    recurrent_channel_gate: Any  # another, or None
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
    made = []
    for role, kind, decided, counts in (
            (settled_gates.LAYER, config.layer_gate, layers,
             {block.name: 1 for block in layers}),
            (settled_gates.CHANNELS, config.channel_gate, masked, groups)):
        *gates, gating = _gates(role, kind, decided, counts, filters)
        answers = settled_gates.answers(config, role)
        made += [*gates, Settled(gating, answers) if answers else gating]
    return Gates(*made)


def _gates(role, kind, blocks, groups, filters):
    """(recurrent gate or None, gates per block, gating).

    Args:
        role: layer_gate or channel_gate.
        blocks: those that have one.
        groups: name of each -> its decisions.
    """
    if blocks and kind == "recurrent":
        gate = recurrent_gates.RecurrentGate(
            [block.in_shape[-1] for block in blocks], groups,
            [block.name for block in blocks if not block.skippable], name=role)
        return gate, {}, Shared(gate)
    gates = {block.name: conv_gate.ConvGate(
        block.in_shape[-1], groups[block.name], filters=filters,
        keeps_first=not block.skippable, name=f"{block.name}_{role}")
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

    def function(self, block):
        return self._gates[block.name]


class Shared:
    """One `recurrent_gates.RecurrentGate` for several blocks.

    Args:
        gate: the gate; it decides about the blocks of its `groups`.
    """

    def __init__(self, gate):
        self._gate = gate

    def decides(self, block):
        return block.name in self._gate.groups

    def initial_state(self, batch_size):
        return self._gate.initial_state(batch_size)

    def ask(self, block, features, state, training=False):
        del training  # nothing in it depends on that
        return self._gate(features, state, block.name)

    def work(self, block):
        return self._gate.work(*block.in_shape, block.name)

    def function(self, block):
        return lambda features, state: self._gate(features, state, block.name)


class Settled:
    """Gates of which some say the same about every image, and are not asked.

    Args:
        gating: who decides about the other blocks.
        answers: block name -> 0 or 1 for each decision (`settling`).
    """

    def __init__(self, gating, answers):
        self._gating, self._answers = gating, answers

    def decides(self, block):
        return self._gating.decides(block)

    def initial_state(self, batch_size):
        return self._gating.initial_state(batch_size)

    def ask(self, block, features, state, training=False):
        if block.name not in self._answers:
            return self._gating.ask(block, features, state, training)
        # It has its variables all the same; a compiled step leaves this out.
        self._gating.ask(block, features, state)
        answer = tf.constant([self._answers[block.name]], tf.float32)
        return tf.repeat(answer, tf.shape(features)[0], axis=0), state

    def work(self, block):
        return (work.Work() if block.name in self._answers
                else self._gating.work(block))

    def function(self, block):
        return (None if block.name in self._answers
                else self._gating.function(block))
