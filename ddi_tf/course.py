"""What changes in the course of a phase: rate, target, noise, and its end."""

import math

# Warm-up is over when this share of the gated work is skipped at most.
WARMUP_SKIP_RATIO = 0.01

# Share of a phase's steps over which the rate climbs from 0 (base phase only).
_CLIMB = 0.05

# Share of the skip phase over which noise in the gates rises.
_NOISE_RISE = 0.1

# How the learning rate falls, and where it does in steps.
DECAYS = ("cosine", "steps")
_MILESTONES = (1 / 2, 3 / 4)


def learning_rate(phase, schedule, step, steps):
    """Rate at `step` of `steps`.

    "cosine": it climbs over the first steps of the base phase, and falls as a
    cosine from each phase's peak to its floor. "steps": it is divided by 10 at
    one half and at three quarters of the base phase, and stays `joint_lr`
    afterwards (Section 4.1: 64k steps, 32k and 48k).
    """
    if schedule.decay == "steps":
        if phase.name != "base":
            return schedule.joint_lr
        return schedule.base_lr * 0.1 ** sum(
            step >= share * steps for share in _MILESTONES)
    peak = phase.lr_peak * (
        schedule.base_lr if phase.name == "base" else schedule.joint_lr)
    if phase.name == "base" and step < _CLIMB * steps:
        return peak * (step + 1) / (_CLIMB * steps + 1)
    floor = peak * phase.lr_floor
    return floor + (peak - floor) * (1 + math.cos(math.pi * step / steps)) / 2


def target(phase, schedule, open_cost, step, steps):
    """Cost to be at, as a fraction of the base network's.

    Over the skip phase it descends evenly, from everything run to the target,
    so that the weights can follow the gates; afterwards it is the target.

    Args:
        open_cost: cost with every gate open, gates and exits included.
    """
    if phase.name != "skip":
        return schedule.target_cost
    way = (step + 1) / steps
    return open_cost + way * (schedule.target_cost - open_cost)


def gate_noise(phase, schedule, step, steps):
    """Width of the noise in the gates' thresholds, in [0, 1].

    It rises soon after gates begin to skip, and stays while weights recover: a
    gate that is drawn sees what comes of both, and learns to be sure. Without,
    gates gather round one half and follow every step of the weights (ResNet14,
    layer gates alone, 0.4: 78.4% on tune where it went over the phase, 81.5%).
    """
    if phase.sampled:
        return 1.0
    share = {"skip": (step + 1) / steps / _NOISE_RISE,
             "restore": 1.0}.get(phase.name, 0.0)
    return schedule.gate_noise * min(share, 1.0)


def blocks_decided(phase, blocks, step, steps):
    """How many of the last `blocks` are decided about; those before them run.

    BlockDrop's curriculum (arXiv:1711.08393, Section 3.3), which takes in one
    block after the other, evenly over the phase.
    """
    if not phase.curriculum:
        return blocks
    return math.ceil(blocks * (step + 1) / steps)


def is_done(phase, skip_ratio):
    """Whether a phase has reached what it is for before its epochs end.

    Args:
        skip_ratio: running mean share of gated work that is not executed.
    """
    return phase.name == "warmup" and skip_ratio <= WARMUP_SKIP_RATIO
