"""A backbone with gates and exits: the dual dynamic network of Section 3."""

import dataclasses
from typing import NamedTuple

import tensorflow as tf
import tf_keras

from ddi_tf import costs
from ddi_tf import deciding
from ddi_tf import densenet
from ddi_tf import errors
from ddi_tf import exits
from ddi_tf import gating
from ddi_tf import imagenet_resnet
from ddi_tf import mobilenetv2
from ddi_tf import precisions
from ddi_tf import quantization
from ddi_tf import resnet

# What builds a family's `backbone.Backbone`, and the depth it is known for.
BACKBONES = {
    "resnet": (resnet.build, 38),
    "densenet": (densenet.build, 100),
    "mobilenetv2": (mobilenetv2.build, mobilenetv2.DEPTH),
    "imagenet_resnet": (imagenet_resnet.build, 50),
    "imagenet_densenet": (densenet.build_imagenet, 121)}


@dataclasses.dataclass(frozen=True)
class NetworkConfig:
    """Everything that decides a network's variables and shapes.

    Attributes:
        backbone: a key of BACKBONES.
        depth: layers of the backbone, where its family has several.
        width: factor on its numbers of channels.
        classes: number of classes.
        image_shape: (height, width, channels) of the input, pixels.
        layer_gates, channel_gates: whether the network has them.
        layer_gate, channel_gate: of which kind (`gating.KINDS`).
        mask_site: where a channel mask applies (`block.MASK_SITES`).
        groups: channel decisions per block; 0 is one for every channel.
        exits: whether the network has early exits.
        exit_head: what they are made of (`exits.FORMS`).
        exit_entropy: what their thresholds bound (`exits.ENTROPIES`).
        strategy: who decides what runs (`strategies.CLASSES`).
        inner_width: of strategy "pfec": factors on the channels between two
            convolutions, one or one per stage.
        settled: gates that are not asked, and what they say (`settling.find`).
    """

    backbone: str = "resnet"
    depth: int = 38
    width: float = 1.0
    classes: int = 10
    image_shape: tuple = (32, 32, 3)
    layer_gates: bool = True
    channel_gates: bool = True
    layer_gate: str = "recurrent"
    channel_gate: str = "convolutional"
    mask_site: str = "inner"
    groups: int = 2
    exits: bool = True
    exit_head: str = "grid"
    exit_entropy: str = "shannon"  # what runs that do not say so went by
    strategy: str = "gates"
    inner_width: tuple = (1.0,)
    settled: tuple = ()

    @classmethod
    def from_dict(cls, values):
        """The inverse of `dataclasses.asdict`. Raises ConfigError."""
        known = {field.name for field in dataclasses.fields(cls)}
        if unknown := sorted(set(values) - known):
            raise errors.ConfigError(
                f"a network has no setting {', '.join(unknown)}; it was "
                "written by another version of ddi_tf")
        return cls(**{name: _tuples(value) for name, value in values.items()})

    @property
    def title(self):
        """The base network's name: "resnet14", "mobilenetv2 x0.5"."""
        depth = "" if self.backbone[-1].isdigit() else self.depth  # has one
        width = "" if self.width == 1 else f" x{self.width:g}"
        pruned = "" if self.strategy != "pfec" else " pruned to " + "/".join(
            f"{share:g}" for share in self.inner_width)
        return f"{self.backbone}{depth}{width}{pruned}"


class Outputs(NamedTuple):
    """Everything the network answered and decided, E exits and the head."""

    logits: tf.Tensor         # [B, C], the head's
    exit_logits: tuple        # E times [B, C], in order; () if not asked
    decisions: deciding.Decisions      # hard, with straight-through gradients
    probabilities: deciding.Decisions  # what they were rounded from
    spent: tf.Tensor          # [B, E + 1] float64: costs.spent


class Network(tf_keras.Model):
    """A gated network with early exits.

    Calling it is the masked forward: every block is computed and the gates
    multiply. The device does not compute what gates close, nor does this what
    settled ones do; both walk `blocks`, deciding layer gate, channels, exit.

    Args:
        config: `NetworkConfig`.
        precision: of `precisions.NAMES`, of stem and blocks; gates, exits and
            head compute in float32. Variables are float32 in any case.

    Attributes:
        rounding: `quantization.Rounding` of its int8 ranges; None: it has none
            (`ranges.attach`).
    """

    def __init__(self, config, precision="float32", **kwargs):
        super().__init__(**kwargs)
        if config.backbone not in BACKBONES:
            raise errors.ConfigError(
                f"`model_backbone` must be one of {', '.join(BACKBONES)}. "
                f"Received: {config.backbone}")
        self.config, self.rounding, self.image_range = config, None, None
        with precisions.computing_in(precision):
            backbone = self._make_backbone()
        self.stem, self.blocks = backbone.stem, backbone.blocks
        self.layer_gate = self.recurrent_channel_gate = None
        self.layer_gates, self.channel_gates = {}, {}
        reads = {"classes": config.classes, "normalizes": backbone.normalizes}
        self.head = exits.Head(self.blocks[-1].out_shape, name="head", **reads)
        self._make_gates(backbone.gate_filters)
        self.exits = {
            self.blocks[index].name: exits.form(config.exit_head)(
                self.blocks[index].out_shape, filters=backbone.exit_filters,
                name=f"exit{number}", **reads)
            for number, index in enumerate(backbone.exit_after, start=1)
        } if config.exits else {}
        # What every subgraph does, and the MACs of it.
        self.work = self._work_table(backbone.stem_work)
        self.costs = self.work.priced(lambda work: work.macs)
        self(tf.zeros([1, *config.image_shape]))  # makes every variable

    def call(self, images, training=False, train_gates=None, decisions=None,
             with_exits=True, thresholds=None, sampled=False, train_exits=None):
        """The masked forward: `Outputs`.

        Args:
            images: [B, H, W, 3] float, scaled as `data.normalize` does.
            training: whether stem, blocks and head are being trained (batch
                norm by the batch).
            train_gates, train_exits: the same for the gates, and for the exits;
                None: as `training`.
            decisions: `deciding.Decisions` to obey instead of asking the gates.
            with_exits: whether the exits are evaluated.
            thresholds: [B, D] from which probabilities count as open, first of
                the layer gates, then of each block's channel groups; None: one
                half.
            sampled: whether the decisions have no gradient (`policy`).
        """
        train_gates = training if train_gates is None else train_gates
        train_exits = training if train_exits is None else train_exits
        x = self.stem(quantization.rounded(images, self.image_range), training)
        walk = self._walk(tf.shape(images)[0], train_gates, decisions,
                          thresholds, sampled)
        exit_logits = []
        for index, block in enumerate(self.blocks):
            x = walk.run(index, block, x, training)
            if with_exits and block.name in self.exits:
                exit_logits.append(self.exits[block.name](x, train_exits))
        hard = walk.decisions()
        return Outputs(self.head(x, training), tuple(exit_logits), hard,
                       walk.probabilities(), costs.spent(self.costs, hard))

    def base(self, images, training=False):
        """[B, C] logits of the plain backbone: no gate, no exit, all runs."""
        x = self.stem(quantization.rounded(images, self.image_range), training)
        for block in self.blocks:
            x = block(x, training=training)
        return self.head(x, training)

    def copy_from(self, other):
        """Takes the values of another network of the same config."""
        if other is not self:
            for ours, theirs in zip(self.variables, other.variables):
                ours.assign(tf.convert_to_tensor(theirs))

    @property
    def rounds(self):
        """Whether it computes in int8 numbers now."""
        return quantization.rounds(self.image_range)

    @property
    def decision_count(self):
        """D: decisions that an image can take, one per block and group."""
        return len(self.blocks) + sum(self._group_counts)

    @property
    def decides(self):
        """Whether a gate is asked about anything: not all are settled."""
        return not self.config.settled or any(
            gating.decides(block) and gating.function(block) is not None
            for gating in (self.layer_gating, self.channel_gating)
            for block in self.blocks)

    @property
    def _group_counts(self):
        return [groups_of(self.config, block)
                if self.channel_gating.decides(block) else 1
                for block in self.blocks]

    def _make_backbone(self):
        """The `backbone.Backbone` that it is made of."""
        build, _ = BACKBONES[self.config.backbone]
        return build(self.config)

    def _make_gates(self, filters):
        """Makes gates, under the names that checkpoints know, and who asks.

        Args:
            filters: `backbone.Backbone.gate_filters`.
        """
        # One group leaves no choice where something must run.
        masked = [block for block in self.blocks if block.channels and (
            block.skippable or self.config.groups != 1)]
        groups = {block.name: groups_of(self.config, block)
                  for block in masked} if self.config.channel_gates else {}
        (self.layer_gate, self.layer_gates, self.layer_gating,
         self.recurrent_channel_gate, self.channel_gates, self.channel_gating
         ) = gating.make(self.config, self.blocks, groups, filters)

    def _work_table(self, stem_work):
        """`costs.CostTable` in `work.Work`."""
        return costs.work_table(self, stem_work)

    def _walk(self, batch_size, train_gates, decisions, thresholds, sampled):
        """Who decides in one forward, and runs the blocks."""
        return deciding.Walk(self, batch_size, train_gates, decisions,
                             self.split(thresholds), sampled)

    def split(self, thresholds):
        """[B, D] -> `deciding.Decisions` of thresholds."""
        if thresholds is None:
            thresholds = tf.fill([1, self.decision_count], 0.5)
        layers, *masks = tf.split(
            thresholds, [len(self.blocks), *self._group_counts], axis=1)
        return deciding.Decisions(layers, tuple(masks))

    def all_open(self, batch_size):
        """`deciding.Decisions` that run every block with every channel."""
        return deciding.Decisions(
            tf.ones([batch_size, len(self.blocks)]),
            tuple(tf.ones([batch_size, groups])
                  for groups in self._group_counts))

    def all_closed(self, batch_size):
        """`deciding.Decisions` that run as little as gates may say."""
        return deciding.closed(self, self.all_open(batch_size))

    @property
    def base_variables(self):
        """Trainable variables of the plain backbone (W): stem, blocks, head."""
        return _trainable([self.stem, *self.blocks, self.head])

    @property
    def gates(self):
        """The layer gates, then the channel gates; those that there are."""
        return [gate for gate in (
            self.layer_gate, *self.layer_gates.values(),
            self.recurrent_channel_gate, *self.channel_gates.values())
            if gate is not None]

    @property
    def gate_variables(self):
        """Trainable variables of the gates."""
        return _trainable(self.gates)

    @property
    def exit_variables(self):
        """Trainable variables of the early exits."""
        return _trainable(self.exits.values())


def groups_of(config, block):
    """Channel decisions that a block offers. Raises ConfigError."""
    groups = config.groups or block.channels
    if block.channels % groups:
        raise errors.ConfigError(
            f"`model_groups` must divide every block's channels; {block.name} "
            f"has {block.channels}. Received: {groups}")
    return groups


def _tuples(value):
    """Lists, as JSON has them, as tuples, inner ones too."""
    return tuple(map(_tuples, value)) if isinstance(value, list) else value


def _trainable(parts):
    return [v for part in parts for v in part.trainable_variables]
