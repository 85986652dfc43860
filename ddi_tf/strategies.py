"""Which class of network follows a configuration's strategy."""

from ddi_tf import errors
from ddi_tf import network
from ddi_tf.peers import act
from ddi_tf.peers import blockdrop
from ddi_tf.peers import lccl
from ddi_tf.peers import pfec
from ddi_tf.peers import sact

# `network.NetworkConfig.strategy` -> class of the network.
CLASSES = {
    "gates": network.Network, "act": act.ACT, "sact": sact.SACT,
    "blockdrop": blockdrop.BlockDrop, "lccl": lccl.LCCL, "pfec": pfec.PFEC}


def make(config, precision="float32"):
    """The network of a `network.NetworkConfig`, with new weights.

    Args:
        config: of it.
        precision: as for `network.Network`.

    Raises:
        ConfigError: there is no such network.
    """
    if config.strategy not in CLASSES:
        raise errors.ConfigError(
            f"`model_strategy` must be one of {', '.join(CLASSES)}. "
            f"Received: {config.strategy}")
    return CLASSES[config.strategy](config, precision)
