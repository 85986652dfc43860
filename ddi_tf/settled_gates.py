"""What settled gates say (`settling`), of a network's configuration."""

import numpy as np

LAYER, CHANNELS = "layer_gate", "channel_gate"


def answers(config, kind):
    """Block name -> answers of its settled gate of a kind, LAYER or CHANNELS.

    Args:
        config: `network.NetworkConfig`.
    """
    return {name: answer for role, name, answer in config.settled
            if role == kind}


def groups_run(network, block):
    """Groups of a block that run where no gate is asked about channels.

    Returns:
        Ascending tuple, () if the block is skipped; None: no gate is settled.
    """
    never = answers(network.config, LAYER).get(block.name) == (0,)
    mask = answers(network.config, CHANNELS).get(block.name)
    return () if never else mask and tuple(np.flatnonzero(mask).tolist())


def groups_computed(network, block):
    """Groups of a block that are computed whatever the image; None: images
    decide, or masks are on what a branch makes, where nothing is left out.
    """
    run = groups_run(network, block)
    return run if block.narrows or run == () else None


def counts(settled):
    """{LAYER or CHANNELS: how many such gates are settled}."""
    kinds = [kind for kind, *_ in settled]
    return {kind: kinds.count(kind) for kind in (LAYER, CHANNELS)}
