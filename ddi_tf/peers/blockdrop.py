"""BlockDrop: a policy network looks at the image and decides about all blocks.

Wu et al. 2018, "BlockDrop: Dynamic Inference Paths in Residual Networks"
(arXiv:1711.08393), Section 3; https://github.com/Tushar-N/blockdrop. The
policy is drawn and learns by REINFORCE (`policy`), first about the last blocks
only and with the other weights as they are (`phases`: the skip phase), then
together with them (the reinforce phase). Where we differ: a wrong answer costs
its cross-entropy and work costs its share of the base network's, weighed so that
the target cost is reached; theirs are rewards of -gamma and of 1 minus the
squared share of blocks.
"""

import math
from typing import NamedTuple

import tensorflow as tf
import tf_keras

from ddi_tf import errors
from ddi_tf import gates
from ddi_tf import gating
from ddi_tf import network as network_lib
from ddi_tf import resnet
from ddi_tf import work

# Probabilities stay between 1 - BOUND and BOUND, so that what is unlikely is
# tried as well (Section 3.2). Theirs is 0.8, for up to 54 blocks: of the six of
# a ResNet14 it leaves out more than one of an image that needs all.
BOUND = 0.95


class _PolicyBackbone(NamedTuple):
    """Settings of the policy's own ResNet, as `resnet.build` takes them.

    Theirs is a ResNet-8 of full width: 46% of the MACs of a ResNet14.
    """

    image_shape: tuple
    depth: int = 8
    width: float = 0.5
    mask_site: str = "inner"


def bounded(score):
    """Scores -> probabilities in [1 - BOUND, BOUND].

    A score at its bound still learns to come back: theirs, `(1 - BOUND) +
    (2 BOUND - 1) sigmoid(score)`, lose their gradient there (ResNet14, CIFAR-10:
    all blocks of all images, whatever work cost, until one closed for all).
    """
    return tf.sigmoid(_within(score))


@tf.custom_gradient
def _within(score):
    limit = math.log(BOUND / (1 - BOUND))

    def gradient(upstream):
        # Descent goes against it: outward where their signs differ.
        learns = (tf.abs(score) < limit) | (upstream * score > 0)
        return tf.where(learns, upstream, 0.0)

    return tf.clip_by_value(score, -limit, limit), gradient


class Policy(tf_keras.layers.Layer):
    """A small ResNet -> pool -> dense -> sigmoid, bounded.

    Args:
        image_shape: (height, width, channels), pixels.
        decisions: how many blocks it decides about, > 0.
    """

    def __init__(self, image_shape, decisions, **kwargs):
        super().__init__(**kwargs)
        self.image_shape, self.decisions = tuple(image_shape), decisions
        backbone = resnet.build(_PolicyBackbone(self.image_shape))
        self.stem, self.blocks = backbone.stem, backbone.blocks
        self._stem_work = backbone.stem_work
        self.score = gates.score(decisions, activation=bounded)

    @property
    def biases(self):
        """Variables that are added to its scores."""
        return [self.score.bias]

    def call(self, images, training=False):
        """[B, H, W, 3] float, scaled -> [B, decisions] probabilities.

        They lie in [1 - BOUND, BOUND].
        """
        x = self.stem(images, training)
        for block in self.blocks:
            x = block(x, training=training)
        return self.score(tf.reduce_mean(x, axis=[1, 2]))

    @property
    def work(self):
        """`work.Work` of all its decisions about an image."""
        shape = self.blocks[-1].out_shape
        return (self._stem_work
                + sum(sum(block.run_work, block.skip_work)
                      for block in self.blocks)
                + work.traffic(shape) + work.dense(shape[-1], self.decisions))

    def get_config(self):
        return {**super().get_config(), "image_shape": self.image_shape,
                "decisions": self.decisions}


class BlockDrop(network_lib.Network):
    """A residual network whose layer gates are one `Policy`.

    Attributes:
        policy: the `Policy`.
    """

    def call(self, images, training=False, train_gates=None, decisions=None,
             with_exits=True, thresholds=None, sampled=False, train_exits=None):
        """As `network.Network`; every block is decided about beforehand."""
        if decisions is not None:
            return super().call(
                images, training, decisions=decisions, with_exits=with_exits,
                train_exits=train_exits)
        layers = self.policy(
            images, training if train_gates is None else train_gates)
        decided = gates.drawn if sampled else gates.straight_through
        opened = self.all_open(tf.shape(images)[0])
        outputs = super().call(
            images, training, with_exits=with_exits, train_exits=train_exits,
            decisions=opened._replace(layers=decided(
                layers, self.split(thresholds).layers)))
        return outputs._replace(probabilities=opened._replace(layers=layers))

    def _make_gates(self, filters):
        del filters  # channel gates' own
        config = self.config
        if not config.layer_gates or config.channel_gates:
            raise errors.ConfigError(
                "`blockdrop` decides about blocks, and about nothing else: "
                "give --model_layer_gates and --nomodel_channel_gates.")
        for block in self.blocks:
            if not block.skippable:
                raise errors.ConfigError(
                    "`blockdrop` needs a backbone of blocks that can all be "
                    f"skipped; {block.name} cannot. Give "
                    "--model_backbone=resnet.")
        self.policy = Policy(
            config.image_shape, len(self.blocks), name="policy")
        self.layer_gating = AllAtOnce(self.policy, self.blocks[0])
        self.channel_gating = gating.PerBlock({})

    @property
    def gates(self):
        return [self.policy]


class AllAtOnce:
    """Who decides about blocks (`gating`), for what it costs.

    Args:
        policy: the `Policy`.
        first: the block before which it is asked, and paid.
    """

    def __init__(self, policy, first):
        self._policy, self._first = policy, first.name

    def decides(self, block):
        del block
        return True

    def work(self, block):
        return self._policy.work if block.name == self._first else work.Work()

    def initial_state(self, batch_size):
        del batch_size  # it remembers nothing

    def function(self, block):
        """There is no graph of it. Raises ExportError."""
        raise errors.ExportError(
            "the gates of a bundle look at features, and a policy at the "
            "image: `model_strategy` blockdrop is trained and counted in MACs "
            "or energy, not exported or timed. Received: layer_gate of "
            f"{block.name}")
