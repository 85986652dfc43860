"""Which gate decides about a block: its own, or one that all share.

Both kinds answer the same questions, for layers as for channels:

    decides(block)  whether they decide about it at all
    initial_state(batch_size)  what `ask` takes first; None without a memory
    ask(block, features, state, training) -> (probabilities, state)
    work(block)     `work.Work` of asking
    name(block, role), function(block)  of the graph that asks on a device
"""

KINDS = ("recurrent", "convolutional")


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
        blocks: names of the blocks that it decides about.
        by_name: whether each block has an output layer of its own.
    """

    def __init__(self, gate, blocks, by_name):
        self._gate, self._blocks, self._by_name = gate, set(blocks), by_name

    def decides(self, block):
        return block.name in self._blocks

    def initial_state(self, batch_size):
        return self._gate.initial_state(batch_size)

    def ask(self, block, features, state, training=False):
        del training  # nothing in it depends on that
        return self._gate(features, state, *self._which(block))

    def work(self, block):
        return self._gate.work(*block.in_shape, *self._which(block))

    def name(self, block, role):
        return (f"{block.name}_{role}" if self._by_name
                else f"{role}_{block.in_shape[-1]}")

    def function(self, block):
        which = self._which(block)
        return lambda features, state: self._gate(features, state, *which)

    def _which(self, block):
        return (block.name,) if self._by_name else ()
