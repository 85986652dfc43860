"""A toy network without files: bundles in memory and graphs that only record.

Features are [1, 2, 2, 4] from the stem to the head; there are three labels.
"""

import dataclasses
import hashlib
import pathlib
import time
import weakref
from typing import Optional

import numpy as np

from device import bundle
from device import controller

LABELS = ("cat", "dog", "emu")
IMAGE = (2, 2, 3)
FEATURES = (1, 2, 2, 4)
STATE = (1, 2)
LOGITS = (1, len(LABELS))


@dataclasses.dataclass(frozen=True)
class Block:
    """A block of the toy plan; costs in MACs, None where it has no such graph.

    `variants` holds (cost, groups, masked).
    """

    variants: tuple = ((10, (0,), False),)
    groups: int = 1
    layer_gate: Optional[int] = None
    channel_gate: Optional[int] = None
    skippable: bool = True
    appended: int = 0
    recurrent: tuple = ("layer_gate",)  # roles of its gates that have a state
    skip: Optional[int] = None
    exit: Optional[int] = None
    settled: Optional[tuple] = None


# Everything that a block can have.
GATED = Block(
    variants=((10, (0,), False), (11, (1,), False), (20, (0, 1), False)),
    groups=2, layer_gate=1, channel_gate=2, skip=5, exit=7)


def manifest(blocks=(), *, stem=1, head=1, thresholds=None):
    """The `bundle.Manifest` of a stem, blocks 0, 1, ... and a head.

    Args:
        blocks: of `Block`.
        stem: MACs.
        head: MACs.
        thresholds: of the operating point "default"; None: there is none.
    """
    steps, graphs = [], [_graph("stem", "stem", stem)]
    features = FEATURES
    for index, block in enumerate(blocks):
        step, own, features = _step(f"block{index}", block, features)
        steps.append(step)
        graphs.extend(own)
    graphs.append(_graph("head", "head", head, features))
    points = () if thresholds is None else (
        bundle.OperatingPoint("default", tuple(thresholds), 0.5, 12.5),)
    return bundle.Manifest(
        format_version=bundle.FORMAT_VERSION, task="image classification",
        labels=LABELS, input=bundle.Input(IMAGE, (10.0, 20.0, 30.0),
                                          (2.0, 4.0, 5.0)),
        base_macs=1000, numbers=bundle.Numbers("none", None),
        energy_model="horowitz", plan=bundle.Plan("stem", tuple(steps), "head"),
        graphs=tuple(graphs), operating_points=points,
        provenance=bundle.Provenance("0123abc", {"seed": 0, "gates": [True]}))


def contents(manifest_):
    """Graph name -> the bytes of its file."""
    return {graph.name: _content(graph.name) for graph in manifest_.graphs}


def in_memory(manifest_):
    """The `bundle.Bundle` of a manifest, unchecked."""
    return bundle.Bundle(pathlib.Path("toy"), manifest_, contents(manifest_))


def with_graph(manifest_, name, /, **changes):
    """The manifest with fields of graph `name` changed."""
    return dataclasses.replace(manifest_, graphs=tuple(
        dataclasses.replace(graph, **changes) if graph.name == name else graph
        for graph in manifest_.graphs))


def with_step(manifest_, index, /, **changes):
    """The manifest with fields of step number `index` changed."""
    steps = list(manifest_.plan.steps)
    steps[index] = dataclasses.replace(steps[index], **changes)
    return dataclasses.replace(manifest_, plan=dataclasses.replace(
        manifest_.plan, steps=tuple(steps)))


def tensors(*shapes, dtype="float32", scale=None, zero_point=None):
    """`bundle.Tensor`s of these shapes."""
    return tuple(bundle.Tensor(f"tensor{index}", tuple(shape), dtype, scale,
                               zero_point)
                 for index, shape in enumerate(shapes))


def _step(name, block, features):
    """(`bundle.Step`, its graphs, the shape of the features after it)."""
    left, after = features, features
    if block.appended:
        left = (*features[:-1], block.appended)
        after = (*features[:-1], features[-1] + block.appended)
    costs = {"layer_gate": block.layer_gate, "channel_gate": block.channel_gate,
             "skip": block.skip, "exit": block.exit}
    graphs = {role: _graph(
        f"{name}_{role}", role, cost, after if role == "exit" else features,
        groups=block.groups, recurrent=block.recurrent)
        for role, cost in costs.items() if cost is not None}
    ways = [(_graph(f"{name}_way{index}", "block", cost, features, left,
                    groups=len(groups) if masked else None),
             groups, masked)
            for index, (cost, groups, masked) in enumerate(block.variants)]
    step = bundle.Step(
        name=name, groups=block.groups, skippable=block.skippable,
        appended=block.appended, settled=block.settled,
        variants=tuple(bundle.Variant(graph.name, groups, masked)
                       for graph, groups, masked in ways),
        **{role: graphs[role].name if role in graphs else None
           for role in costs})
    return step, [*graphs.values(), *(graph for graph, _, _ in ways)], after


def _graph(name, role, macs, features=FEATURES, left=FEATURES, groups=None,
           recurrent=("layer_gate",)):
    state = (STATE,) if role in recurrent else ()
    inputs, outputs = {
        "stem": [((1, *IMAGE),), (FEATURES,)],
        "layer_gate": [(features, *state), ((1, 1), *state)],
        "channel_gate": [(features, *state), ((1, groups), *state)],
        "block": [(features, (1, groups)) if groups else (features,), (left,)],
        "skip": [(features,), (features,)],
        "exit": [(features,), (LOGITS,)],
        "head": [(features,), (LOGITS,)]}[role]
    content = _content(name)
    return bundle.Graph(
        name, role, f"graphs/{name}.tflite",
        hashlib.sha256(content).hexdigest(), len(content), macs, 0.5 * macs,
        tensors(*inputs), tensors(*outputs))


def _content(name):
    return f"the graph {name}".encode()


def open_(blocks, script=None, *, profile=None, clock=time.perf_counter_ns,
          **macs):
    """(`controller.Controller` of a toy plan, its `FakeRuntime`)."""
    runtime = FakeRuntime(script)
    return controller.Controller(
        in_memory(manifest(blocks, **macs)), make_graph=runtime.make_graph,
        profile=profile, clock=clock), runtime


class FakeRuntime:
    """Makes graphs that run nothing and remember what they were given.

    Features and states are filled with the graph's number in the manifest, so
    that a test sees where an input came from. Gates are open and logits zero,
    unless scripted.

    Args:
        script: graph name -> its first output, as nested lists.

    Attributes:
        calls: (graph name, inputs) of every execution, in order.
        on_run: called during every execution.
    """

    def __init__(self, script=None):
        self.script = dict(script or {})
        self.calls = []
        self.on_run = lambda: None
        self._made = 0

    def make_graph(self, spec, content):
        """For `Controller(make_graph=...)`."""
        assert content == _content(spec.name)
        self._made += 1
        return FakeGraph(spec, self._made - 1, self)

    @property
    def executed(self):
        """Names of the graphs that ran, in order."""
        return [name for name, _ in self.calls]


class FakeGraph:
    """What `runtime.Graph` is, without a file or an interpreter."""

    def __init__(self, spec, number, runtime):
        self.name = spec.name
        self._spec, self._runtime, self._views = spec, runtime, []
        self._outputs = [np.full(tensor.shape, number, tensor.dtype)
                         for tensor in spec.outputs]
        if "gate" in spec.role or spec.role in ("exit", "head"):
            self._outputs[0][:] = "gate" in spec.role

    def run(self, *inputs):
        """Records; strict about its inputs and held views, as TFLite is."""
        expected = [(t.shape, t.dtype) for t in self._spec.inputs]
        found = [(value.shape, value.dtype.name) for value in inputs]
        if expected != found:
            raise ValueError(f"{self.name}: expected {expected}, found {found}")
        if any(view() is not None for view in self._views):
            raise RuntimeError(f"{self.name}: a view of its output is held")
        self._runtime.calls.append(
            (self.name, tuple(value.copy() for value in inputs)))
        self._runtime.on_run()
        if self.name in self._runtime.script:
            self._outputs[0][:] = self._runtime.script[self.name]

    def view(self, output=0):
        """The output itself."""
        view = self._outputs[output].view()
        self._views.append(weakref.ref(view))
        return view

    def read(self, output=0):
        """A copy of the output."""
        return self._outputs[output].copy()
