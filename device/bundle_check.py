"""Whether a manifest is consistent and its files are the ones it names."""

import hashlib
import pathlib

from device import errors

# Of every tensor, in this version of the format.
_DTYPE = "float32"

# Far more than any block has channels.
_MOST_GROUPS = 1 << 16

# What may stand where in a plan.
ROLES = ("stem", "layer_gate", "channel_gate", "block", "skip", "exit", "head")


def check(path, manifest):
    """Checks that a plan connects, before any file is opened.

    Args:
        path: of the manifest, for messages.
        manifest: `bundle.Manifest`.

    Raises:
        BundleError: the first inconsistency.
    """
    _Checker(path, manifest).run()


def verified_content(folder, graph):
    """The bytes of `graph`'s file. Raises BundleError for any others."""
    path = _inside(folder, graph.file)
    try:
        content = path.read_bytes()
    except OSError as error:
        raise errors.BundleError(
            f"{path}: cannot be read ({error.strerror}). Copy the bundle "
            "again, or export again.") from None
    found = hashlib.sha256(content).hexdigest()
    if found != graph.sha256:
        raise errors.BundleError(
            f"{path}: expected {graph.bytes} bytes of sha256 "
            f"{graph.sha256[:12]}..., found {len(content)} bytes of "
            f"{found[:12]}...: the file was edited, swapped or cut short. Copy "
            "the bundle again, or export again.")
    return content


def _inside(folder, file):
    """Path of `file`, which must not leave `folder` (links resolved)."""
    root = pathlib.Path(folder).resolve()
    try:
        path = (root / file).resolve()
    except (RuntimeError, ValueError):  # links in a circle, a zero byte
        path = root
    if not path.is_relative_to(root) or path == root:
        raise errors.BundleError(
            f"{folder}: the manifest names the file {file!r}, which lies "
            "outside the bundle. Do not use this bundle; export again.")
    return path


class _Checker:
    """Follows the features' shape through the plan."""

    def __init__(self, path, manifest):
        self._path, self._manifest = path, manifest
        self._graphs = {graph.name: graph for graph in manifest.graphs}
        self._state = None  # shape of the layer gates' state

    def run(self):
        manifest = self._manifest
        self._require_unique((g.name for g in manifest.graphs), "graph names")
        self._require_unique((p.name for p in manifest.operating_points),
                             "names of operating points")
        for graph in manifest.graphs:
            self._require(
                graph.role in ROLES and graph.macs >= 0 and graph.inputs
                and graph.outputs, f"graph {graph.name} is malformed")
            dtypes = [t.dtype for t in (*graph.inputs, *graph.outputs)]
            self._require(set(dtypes) == {_DTYPE}, f"graph {graph.name}: "
                          f"expected {_DTYPE} tensors, found {dtypes}")
        self._require(manifest.base_macs > 0, "base_macs: expected a positive "
                      f"number, found {manifest.base_macs}")
        self._require(
            len(manifest.input.shape) == 3
            and len(manifest.input.mean) == manifest.input.shape[-1]
            and len(manifest.input.std) == manifest.input.shape[-1]
            and all(value > 0 for value in manifest.input.std),
            "the input's shape, mean and std do not fit together")
        shape = self._graph(
            manifest.plan.stem, "stem", (1, *manifest.input.shape))
        self._require_unique(
            (step.name for step in manifest.plan.steps), "step names")
        for step in manifest.plan.steps:
            shape = self._step(step, shape)
        self._answer(manifest.plan.head, "head", shape)
        # Features are handed on as the graph that made them left them, so it
        # must not run again for the same image.
        self._require_unique(
            (name for step in manifest.plan.steps for name in (
                step.skip, *(variant.graph for variant in step.variants))
             if name is not None), "graphs of blocks")
        self._points()

    def _step(self, step, shape):
        """Checks one step; returns the shape of the features after it."""
        self._gates(step, shape)
        self._require(
            1 <= step.groups <= _MOST_GROUPS and step.variants,
            f"step {step.name}: expected at least one variant and 1 to "
            f"{_MOST_GROUPS} groups, found {len(step.variants)} and "
            f"{step.groups}")
        after = {self._variant(step, variant, shape)
                 for variant in step.variants}
        self._variants(step)
        if step.skip is not None:
            after.add(self._graph(step.skip, "skip", shape))
        elif step.skippable:
            after.add(shape)
        self._require(
            step.skippable or not (
                step.skip or step.layer_gate or step.channel_gate),
            f"step {step.name} cannot be skipped, yet has a gate or a skip")
        self._require(len(after) == 1,
                      f"step {step.name} leaves features of different shapes: "
                      f"{sorted(after)}")
        after = after.pop()
        if step.exit is not None:
            self._answer(step.exit, "exit", after)
        return after

    def _variant(self, step, variant, shape):
        where = f"variant {variant.graph} of step {step.name}"
        groups = variant.groups
        self._require(
            groups and list(groups) == sorted(set(groups))
            and 0 <= groups[0] and groups[-1] < step.groups,
            f"{where} has groups {groups}, expected some of 0 to "
            f"{step.groups - 1}, ascending")
        extra = ((1, step.groups),) if variant.masked else ()
        return self._graph(variant.graph, "block", shape, *extra)

    def _variants(self, step):
        """Whatever groups the gate opens, some variant must run them."""
        every = tuple(range(step.groups))
        self._require(
            any(v.groups == every for v in step.variants),
            f"step {step.name} has no variant with all {step.groups} groups")
        exact = {v.groups for v in step.variants if not v.masked}
        self._require(
            any(v.masked and v.groups == every for v in step.variants)
            or len(exact) + 1 == 1 << step.groups,
            f"step {step.name}: expected a masked variant with all groups, or "
            f"one for each set of them, found only {sorted(exact)}")

    def _gates(self, step, shape):
        if step.layer_gate is not None:
            graph = self._named(step.layer_gate, "layer_gate")
            shapes = [tensor.shape for tensor in graph.outputs]
            self._require(len(shapes) == 2 and shapes[0] == (1, 1),
                          f"graph {graph.name}: expected a probability [1, 1] "
                          f"and a state, found outputs {shapes}")
            self._state = self._state or shapes[1]
            self._require(shapes[1] == self._state,
                          f"graph {graph.name}: expected a state of shape "
                          f"{self._state}, found {shapes[1]}")
            self._graph(step.layer_gate, "layer_gate", shape, self._state)
        if step.channel_gate is not None:
            found = self._graph(step.channel_gate, "channel_gate", shape)
            self._require(found == (1, step.groups),
                          f"graph {step.channel_gate}: expected "
                          f"[1, {step.groups}] probabilities, found {found}")
        else:
            self._require(step.groups == 1,
                          f"step {step.name} has {step.groups} channel groups "
                          "but no gate that chooses among them")

    def _answer(self, name, role, shape):
        found = self._graph(name, role, shape)
        expected = (1, len(self._manifest.labels))
        self._require(found == expected,
                      f"graph {name}: expected logits of shape {expected}, one "
                      f"per label, found {found}")

    def _graph(self, name, role, *inputs):
        """Checks a graph's role and inputs; returns its output's shape."""
        graph = self._named(name, role)
        found = tuple(tensor.shape for tensor in graph.inputs)
        self._require(found == inputs, f"graph {name}: expected inputs "
                      f"{inputs}, found {found}")
        return graph.outputs[0].shape

    def _named(self, name, role):
        graph = self._graphs.get(name)
        self._require(graph is not None and graph.role == role,
                      f"the plan needs a graph {name!r} of role {role}, found "
                      f"{'none' if graph is None else graph.role}")
        return graph

    def _points(self):
        exits = sum(step.exit is not None for step in self._manifest.plan.steps)
        for point in self._manifest.operating_points:
            self._require(
                len(point.thresholds) == exits
                and all(t is None or t >= 0 for t in point.thresholds),
                f"operating point {point.name}: expected {exits} thresholds "
                f"(nats >= 0, or null), found {list(point.thresholds)}")

    def _require_unique(self, names, what):
        names = list(names)
        twice = sorted({name for name in names if names.count(name) > 1})
        self._require(not twice, f"{what} are not unique: {twice}")

    def _require(self, condition, message):
        if not condition:
            raise errors.BundleError(f"{self._path}: {message}. Export again.")
