"""Gates that say the same about every image are settled, and asked no more.

After the restore phase most gates decide alike for all images, and asking them
takes time all the same: of ResNet38 a sixth of the whole network's. What they
say then becomes part of the network: no graph of theirs is exported or run, no
MACs of theirs count, and an LSTM passes them by. The exits phase trains on with
the others, and computes no more than a device does of what they decide.
"""

import collections

from absl import logging

from ddi_tf import settled_gates
from ddi_tf import traces

# A gate is settled if it says the same about this share of the tune images it
# is asked about: to tell the others apart costs all of them.
_ALIKE = 0.99


class SettledError(Exception):
    """The network has other gates now: make it anew and go on with the run."""


class Settler:
    """Settles gates before the exits phase begins.

    Args:
        folder: `run_folder.RunFolder` of the run, created.
        network: `network.Network` that is trained.
        deployed: of the same config, alone and in float32; may be `network`.
        dataset: `data.Dataset`.
        distribution: of the `distribution` module.
    """

    def __init__(self, folder, network, deployed, dataset, distribution):
        self._folder, self._network, self._deployed = folder, network, deployed
        self._dataset, self._distribution = dataset, distribution

    def begin(self, phase):
        """Before the first step of a `phases.Phase`.

        Raises:
            SettledError: the run's folder says now which gates are settled.
        """
        if phase.name != "exits" or self._network.config.settled:
            return
        self._deployed.copy_from(self._network)
        found = find(self._deployed, traces.Tracer(
            self._deployed, self._dataset.scaling).collect(self._dataset.tune))
        logging.info("settled: %s", in_words(self._network, found))
        if found:
            self._folder.settle(found)
            self._distribution.any(False)  # until the chief has written it
            raise SettledError


def find(network, traced, is_trained=False):
    """Which gates say the same about all images, and what.

    Args:
        network: `network.Network`, of no settled gates.
        traced: `traces.Traces` of the tune split.
        is_trained: whether no training follows. Then a recurrent gate stays if
            one behind it does, whose memory would lack it.

    Returns:
        Tuple of (`settled_gates.LAYER` or CHANNELS, name of the block, answers
        of 0 and 1: one about a layer, or one about each group of channels); as
        for `network.NetworkConfig.settled`.
    """
    found = []
    for index, block in enumerate(network.blocks):
        layers = traced.layers[:, index:index + 1]
        masks = traced.masks[index] * layers
        if _common(masks.any(axis=1, keepdims=True)) == (0,):  # never runs
            says = {settled_gates.LAYER: (0,),
                    settled_gates.CHANNELS: (0,) * masks.shape[1]}
        else:
            says = {settled_gates.LAYER: _common(layers),
                    settled_gates.CHANNELS: _common(masks[layers[:, 0] > 0])}
        for kind, gating in _gatings(network):
            if says[kind] and gating.decides(block):
                found.append((kind, block.name, says[kind]))
    return tuple(_behind_the_last(network, found) if is_trained else found)


def _behind_the_last(network, found):
    """Of gates as `find` has them, those whose memory nobody asks for."""
    kept = set()
    for kind, gating in _gatings(network):
        settled = {name for other, name, _ in found if other == kind}
        for block in reversed(network.blocks):
            if block.name in settled:
                kept.add((kind, block.name))
            elif gating.decides(block) and (
                    gating.initial_state(1) is not None):
                break
    return [gate for gate in found if gate[:2] in kept]


def _gatings(network):
    """((kind, who decides about it), ...) of a network."""
    return ((settled_gates.LAYER, network.layer_gating),
            (settled_gates.CHANNELS, network.channel_gating))


def _common(answers):
    """What (nearly) all rows of [N, G] are, a tuple; None if they differ."""
    [(most, count)] = collections.Counter(
        map(tuple, answers.astype(int).tolist())).most_common(1)
    return most if count >= _ALIKE * len(answers) else None


def known(folder, start):
    """Which gates are settled as a run begins, or goes on.

    Args:
        folder: `run_folder.RunFolder` of the run.
        start: `starting.Start`, or what is alike.
    """
    return (folder.network_config if folder.has_network else start).settled


def in_words(network, settled):
    """How many gates of a network are settled, for the log."""
    done, said = settled_gates.counts(settled), []
    for name, (kind, gating) in zip(("layer", "channel"), _gatings(network)):
        all_ = sum(map(gating.decides, network.blocks))
        said.append(f"{done[kind]} of {all_} {name} gates")
    return " and ".join(said)
