"""The layers in which the gates of a network end, for tests to set."""

import tf_keras


def scores(network):
    """Every `gates.score` layer of a network, gate by gate."""
    return [layer for gate in network.gates for layer in gate.submodules
            if isinstance(layer, tf_keras.layers.Dense)
            and layer.name.endswith("score")]
