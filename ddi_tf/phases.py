"""The training phases, as rows of a table (Section 3.2-3.3, 4.1)."""

import dataclasses
import math
from typing import NamedTuple

from ddi_tf import errors


class Phase(NamedTuple):
    """One row: what is trained, and by which loss."""

    name: str
    weights: bool     # W: stem, blocks and head, with their batch norm
    gates: bool       # whether gates exist in the forward, and are trained
    exits: bool       # Eq. 4, and the exits are trained
    priced: bool      # whether the resource loss of Eq. 5 is on
    lr_peak: float    # share of `base_lr` or `joint_lr` that it begins with
    lr_floor: float   # share of its peak that the cosine ends at
    compression: str = ""  # what becomes of the blocks' kernels: a key of
                           # `compression.KINDS`; "": nothing
    sampled: bool = False  # gates are drawn and learn by REINFORCE (`policy`)
    curriculum: bool = False  # first about the last block alone, in the end
                              # about all (`blocks_decided`)


PHASES = (
    Phase("base", True, False, False, False, 1.0, 0.0),
    Phase("warmup", False, True, False, False, 1.0, 1.0),
    Phase("skip", True, True, False, True, 1.0, 1.0),
    Phase("restore", True, True, False, True, 1.0, 0.1),
    # SkipNet's second step (arXiv:1711.09485, Section 3.3).
    Phase("reinforce", True, True, False, True, 0.3, 0.1, sampled=True),
    # Eq. 4 adds up seven losses; at the full rate their sum undid what restore
    # had won (ResNet14, CIFAR-10: 81% to 69% in an epoch).
    Phase("exits", True, True, True, True, 0.3, 0.0),
    Phase("prune", True, True, True, True, 0.3, 0.0, "prune"),
    # Values that many weights share move by the mean of their gradients: it is
    # the rest of the network that has to follow.
    Phase("cluster", True, True, True, True, 0.1, 0.0, "cluster"),
    # Quantisation-aware: int8 rounding in the forward (`quantization`).
    Phase("quantize", True, True, True, True, 0.1, 0.0, "quantize"),
)

# What strategies (`strategies`) have otherwise: phase -> changes.
_OTHERWISE = {
    # A policy learns alone, then together with the rest: the reinforce phase
    # (arXiv:1711.08393, Section 3.3).
    "blockdrop": {"skip": {
        "weights": False, "sampled": True, "curriculum": True}},
}

# With --train_exits_alone: all else stays as it is.
_EXITS_ALONE = {"exits": {"weights": False, "gates": False, "priced": False}}

# Strategies without probabilities to draw by, and those not of int8 numbers.
_NOT_DRAWN = ("act", "sact")
_NOT_QUANTIZED = ("act", "sact", "lccl", "blockdrop")


@dataclasses.dataclass(frozen=True)
class Schedule:
    """How long and how fast each phase learns.

    Attributes:
        batch_size: images per step, of all replicas.
        accumulate: parts that a step's batch is cut into, one after the other,
            each normalised by itself; a part's activations take memory.
        epochs: phase name -> epochs; for "warmup" an upper limit: it ends when
            the gates are open.
        base_lr: peak rate of the base phase.
        joint_lr: peak rate of the phases after it.
        decay: how the rates fall, one of `course.DECAYS`.
        weight_decay: L2 factor on the kernels of W and exits.
        label_smoothing: share of the target spread over all classes.
        distill: share of every answer's loss that asks for a teacher's softened
            answers instead of the labels, after the base phase: the head's
            teacher is the base network, the exits' teacher is the head.
        distill_temperature: that softens the base network's, > 0.
        average: share of the weights' running mean that a step keeps; it
            replaces the weights at the end of each phase. 0: no mean.
        gate_noise: how far from one half the gates' thresholds are drawn while
            they learn to skip, in [0, 1] (`gates.draw_thresholds`).
        exits_alone: whether the exits phase trains nothing but exits.
        calibrate: whether every answer's logits are divided by a temperature
            at the end (`finish.calibrate`).
        norm_batches: training batches that batch norm is measured on at the
            end; 0: its running averages stay.
        alpha: weight of the resource loss that the skip phase begins with.
        target_cost: executed cost to reach, as a fraction of the base network.
        sparsity: share of each block kernel's weights that are 0 after the
            prune phase, in [0, 1).
        clusters: distinct values of each block kernel after the cluster phase,
            at most, >= 2; 0 is one of them where weights were pruned.
        seed: of weights, data order and augmentation.
    """

    batch_size: int = 128
    accumulate: int = 1
    epochs: dict = dataclasses.field(default_factory=dict)
    base_lr: float = 0.1
    joint_lr: float = 0.01
    decay: str = "cosine"
    weight_decay: float = 1e-4
    label_smoothing: float = 0.0
    distill: float = 0.0
    distill_temperature: float = 4.0
    average: float = 0.0
    gate_noise: float = 0.0
    exits_alone: bool = False
    calibrate: bool = False
    norm_batches: int = 100
    alpha: float = 0.1
    target_cost: float = 0.5
    sparsity: float = 0.5
    clusters: int = 16
    seed: int = 0

    @property
    def quantizes(self):
        """Whether the network ends as one of int8 numbers."""
        return bool(self.epochs.get("quantize", 0))

    def __post_init__(self):
        if unknown := set(self.epochs) - {phase.name for phase in PHASES}:
            raise errors.ConfigError(f"there is no phase {sorted(unknown)}")
        if not 0 < self.target_cost <= 2:
            raise errors.ConfigError(
                "`target_cost` is a fraction of the base network's cost and "
                f"must lie in (0, 2]. Received: {self.target_cost}")
        if not 0 <= self.sparsity < 1:
            raise errors.ConfigError(
                "`train_sparsity` is the share of weights that become 0 and "
                f"must lie in [0, 1). Received: {self.sparsity}")
        if self.clusters < 2:
            raise errors.ConfigError(
                "`train_clusters` is the number of values that a kernel keeps "
                f"and must be at least 2. Received: {self.clusters}")
        numbers = {name: value for name, value in vars(self).items()
                   if isinstance(value, float)}
        numbers |= {f"{name}_epochs": epochs
                    for name, epochs in self.epochs.items()}
        for name, value in numbers.items():
            if not math.isfinite(value):
                raise errors.ConfigError(
                    f"`{name}` must be a finite number. Received: {value}")


def planned(config, schedule):
    """The phases a network goes through: those it has gates and exits for.

    Args:
        config: `network.NetworkConfig`.
        schedule: `Schedule`; a phase of 0 epochs is left out.

    Raises:
        ConfigError: none is left, or one is of gates alone.
    """
    gated = config.layer_gates or config.channel_gates
    otherwise = _OTHERWISE.get(config.strategy, {}) | (
        _EXITS_ALONE if schedule.exits_alone else {})
    rows = tuple(
        phase._replace(**{
            "gates": phase.gates and gated,
            "exits": phase.exits and config.exits,
            "priced": phase.priced and gated,
            **otherwise.get(phase.name, {})})
        for phase in PHASES
        if schedule.epochs.get(phase.name, 0) and (
            phase.compression  # there are kernels in any network
            or (config.exits or not phase.exits)
            and (gated or not phase.gates or phase.exits)))
    if not rows:
        raise errors.ConfigError(
            "there is nothing to train: every phase that this network has is "
            "given 0 epochs. Raise one of --train_*_epochs.")
    if alien := [
            row.name for row in rows
            if row.sampled and config.strategy in _NOT_DRAWN
            or row.compression == "quantize"
            and config.strategy in _NOT_QUANTIZED]:
        raise errors.ConfigError(
            "only gates are drawn and computed in int8, not `model_strategy` "
            f"{config.strategy}: give --train_{alien[0]}_epochs=0. "
            f"Received: {schedule.epochs[alien[0]]}")
    return rows


def check_parts(schedule, share):
    """Raises ConfigError if a replica's `share` images make no equal parts."""
    if share % schedule.accumulate:
        raise errors.ConfigError(
            "`train_accumulate` must divide a device's share of a step, "
            f"{share} images. Received: {schedule.accumulate}")


def check_target(planned_phases, schedule, least):
    """Raises ConfigError if the target cost cannot be reached.

    Args:
        planned_phases: as `planned` returns.
        schedule: `Schedule`.
        least: cost with every gate closed, as a fraction of the base network's.
    """
    if schedule.target_cost < least and any(
            phase.priced for phase in planned_phases):
        raise errors.ConfigError(
            "`target_cost` must be above what is left with every gate closed, "
            f"{least:.3f} of the base network. "
            f"Received: {schedule.target_cost}")


def gates_begin(rows, index):
    """Whether `rows[index]` is the first to train gates, on a base network.

    Phases that compress go on with gates that have learnt.

    Args:
        rows: `planned` phases.
        index: of one of them.
    """
    return rows[index].gates and not rows[index].compression and not any(
        row.gates for row in rows[:index])
