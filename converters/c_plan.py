"""A bundle's plan as the C controller takes it: numbers in place of names.

The fields are those of the structs in `c/ddi_controller.h`.
"""

import itertools
import math
from typing import NamedTuple

import numpy as np

from ddi_tf import errors
from device import budget
from device import passing
from device import quantization

NONE = -1        # DDI_NONE
OFF = -1.0       # DDI_OFF

# Bits of `ddi_groups`; what fits `variant_count`.
_MOST_GROUPS, _MOST_VARIANTS = 64, 255
# What fits `appended`.
_MOST_APPENDED = (1 << 16) - 1
# MACs of a path, and what a budget keeps beside them, must fit 32 bits.
_MOST_MACS = (1 << 31) - 1
_FLOAT_BYTES = 4
_LARGEST = float(np.finfo(np.float32).max)
# Offsets into the work memory have 16 bits.
_MOST_FLOATS = (1 << 16) - 1

# sizeof of the structs where pointers have 4 bytes.
_PLAN_BYTES, _STEP_BYTES, _VARIANT_BYTES, _EXIT_BYTES = 52, 48, 24, 8
_POINTER_BYTES = 4


class Variant(NamedTuple):
    """`ddi_variant`."""

    groups: int    # bits
    macs: int
    graph: int
    masked: bool
    closed: int
    open: int


class Step(NamedTuple):
    """`ddi_step`; its variants beside."""

    settled: int   # bits
    variants: tuple
    feature_bytes: int
    ask_macs: int
    reserve_macs: int
    onward_macs: int
    layer_gate: int
    channel_gate: int
    skip: int
    exit: int
    appended: int
    groups: int
    skippable: bool
    zero: int


class Exit(NamedTuple):
    """`ddi_exit`."""

    scale: float
    graph: int


class Plan(NamedTuple):
    """`ddi_plan`, and the tables that belong to it."""

    pixels: np.ndarray   # [channels, 256] int8
    graph_macs: tuple
    steps: tuple
    exits: tuple         # the head is the last
    image_bytes: int
    stem_bytes: int
    cheapest_macs: int
    layer_state_bytes: int
    channel_state_bytes: int
    scratch_at: int      # floats
    features_at: int     # floats
    channels: int
    stem: int
    min_entropy: bool
    work_floats: int     # floats, of all work memory
    points: tuple        # (name, thresholds) of each operating point
    labels: tuple

    @property
    def work_bytes(self):
        return _FLOAT_BYTES * self.work_floats

    @property
    def table_bytes(self):
        """Flash that ddi_plan.c takes, and ddi_graphs.c beside the graphs."""
        words = _FLOAT_BYTES * sum(len(point) for _, point in self.points)
        labels = sum(len(label.encode()) + 1 + _POINTER_BYTES
                     for label in self.labels)
        per_graph = 2 * _POINTER_BYTES + _FLOAT_BYTES  # where, how long, MACs
        return (_PLAN_BYTES + self.pixels.size + words + labels
                + per_graph * len(self.graph_macs)
                + _EXIT_BYTES * len(self.exits) + sum(
                    _STEP_BYTES + _VARIANT_BYTES * len(step.variants)
                    for step in self.steps))


def make(bundle):
    """The `Plan` of a `bundle.Bundle` of int8 numbers.

    Raises:
        ExportError: the C controller has no way to hold or to run it.
    """
    manifest = bundle.manifest
    _check(bundle)
    costs = budget.costs(manifest.plan, bundle.graphs)
    numbers = {graph.name: number
               for number, graph in enumerate(manifest.graphs)}
    stem = bundle.graphs[manifest.plan.stem]
    image = stem.inputs[0]
    states = [_state_bytes(bundle, role)
              for role in ("layer_gate", "channel_gate")]
    scratch_at = sum(states) // _FLOAT_BYTES
    features = passing.along(manifest.plan, bundle.graphs)
    features_at = scratch_at + _scratch_floats(manifest, features)
    exits = [step.exit for step in manifest.plan.steps if step.exit]
    return Plan(
        pixels=quantization.pixels(manifest.input, image),
        graph_macs=tuple(graph.macs for graph in manifest.graphs),
        steps=tuple(_step(bundle, numbers, exits, *both) for both in zip(
            manifest.plan.steps, itertools.pairwise(features), costs.steps,
            costs.to_answer, costs.past_exit, strict=True)),
        exits=tuple(Exit(bundle.graphs[name].outputs[0].scale, numbers[name])
                    for name in (*exits, manifest.plan.head)),
        image_bytes=_bytes(image), stem_bytes=_bytes(stem.outputs[0]),
        cheapest_macs=costs.cheapest, layer_state_bytes=states[0],
        channel_state_bytes=states[1],
        scratch_at=scratch_at, features_at=_fitting(features_at),
        channels=image.shape[-1], stem=numbers[stem.name],
        min_entropy=manifest.entropy == "min",
        work_floats=features_at + math.ceil(
            max(map(_bytes, (image, *features))) / _FLOAT_BYTES),
        points=tuple(
            (point.name, tuple(OFF if t is None else min(t, _LARGEST)
                               for t in point.thresholds))
            for point in manifest.operating_points if exits),
        labels=manifest.labels)


def _step(bundle, numbers, exits, step, features, prices, reserve, onward):
    number = lambda name: NONE if name is None else numbers[name]
    before, after = features
    return Step(
        settled=_bits(budget.settled_groups(step) if step.skippable
                      else budget.least_groups(step)),
        variants=tuple(_variant(bundle.graphs[variant.graph], variant,
                                numbers[variant.graph])
                       for variant in step.variants),
        feature_bytes=_bytes(after), ask_macs=prices.asked,
        reserve_macs=reserve, onward_macs=onward,
        layer_gate=number(step.layer_gate),
        channel_gate=number(step.channel_gate), skip=number(step.skip),
        exit=NONE if step.exit is None else exits.index(step.exit),
        appended=step.appended, groups=step.groups, skippable=step.skippable,
        zero=before.zero_point)


def _variant(graph, variant, number):
    closed, open_ = (quantization.encode(
        np.array([0.0, 1.0]), graph.inputs[1]).tolist()
        if variant.masked else (0, 0))
    return Variant(_bits(variant.groups), graph.macs, number, variant.masked,
                   closed, open_)


def _bits(groups):
    return sum(1 << group for group in groups)


def _check(bundle):
    """Raises ExportError for what has no place in the C structs."""
    manifest = bundle.manifest
    for graph in manifest.graphs:
        gate = graph.role in ("layer_gate", "channel_gate")
        expected = ["int8"] + ["float32" if gate else "int8"] * (
            len(graph.inputs) - 1) + ["float32" if gate else "int8"] * len(
                graph.outputs)
        found = [t.dtype for t in (*graph.inputs, *graph.outputs)]
        _require(found == expected, f"graph {graph.name} reads and leaves "
                 f"{found}", f"{expected}")
    for step in manifest.plan.steps:
        _require(step.groups <= _MOST_GROUPS, f"step {step.name} has "
                 f"{step.groups} channel groups", f"{_MOST_GROUPS} at most")
        _require(len(step.variants) <= _MOST_VARIANTS, f"step {step.name} has "
                 f"{len(step.variants)} variants", f"{_MOST_VARIANTS} at most")
        _require(step.appended <= _MOST_APPENDED, f"step {step.name} appends "
                 f"{step.appended} channels", f"{_MOST_APPENDED} at most")
    # Several steps may ask one gate.
    gates = [name for step in manifest.plan.steps
             for name in (step.layer_gate, step.channel_gate) if name]
    macs = sum(graph.macs for graph in manifest.graphs) + sum(
        bundle.graphs[name].macs for name in gates)
    _require(macs <= _MOST_MACS, f"its graphs have {macs:,} MACs",
             f"{_MOST_MACS:,} at most")


def _fitting(features_at):
    _require(features_at <= _MOST_FLOATS, "what gates, exits and blocks that "
             f"append leave takes {_FLOAT_BYTES * features_at:,} bytes",
             f"{_FLOAT_BYTES * _MOST_FLOATS:,} at most")
    return features_at


def _require(condition, found, expected):
    if not condition:
        raise errors.ExportError(
            f"the C controller does not take this bundle: {found}, expected "
            f"{expected}. Export another network, or run the bundle with "
            "`python -m device.run`.")


def _bytes(tensor):
    return math.prod(tensor.shape) * np.dtype(tensor.dtype).itemsize


def _state_bytes(bundle, role):
    """Of a role's recurrent gates; 0 where they are feed-forward."""
    return next((_bytes(graph.outputs[1]) for graph in bundle.graphs.values()
                 if graph.role == role and len(graph.outputs) > 1), 0)


def _scratch_floats(manifest, features):
    """Room for what is never needed at once.

    A gate's chances; a mask, then the channels to append; logits.
    """
    steps = manifest.plan.steps
    appended = [_bytes(after) - _bytes(before) for step, (before, after) in zip(
        steps, itertools.pairwise(features)) if step.appended]
    numbers = [len(manifest.labels), *appended]
    return max([math.ceil(max(numbers) / _FLOAT_BYTES), 1,
                *(step.groups for step in steps)])
