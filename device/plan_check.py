"""Whether a plan connects: follows the features from its stem to its head."""

import dataclasses

from device import budget

# Far more than any block has channels.
_MOST_GROUPS = 1 << 16


def check(manifest, require):
    """Checks that every graph of a plan gets what stands before it.

    Args:
        manifest: `bundle.Manifest` whose graphs are well-formed.
        require: callable (condition, message) that raises if it is false.
    """
    _Checker(manifest, require).run()


class _Checker:
    """Follows the features through the plan."""

    def __init__(self, manifest, require):
        self._manifest, self._require = manifest, require
        self._graphs = {graph.name: graph for graph in manifest.graphs}
        self._states = {}  # role of gates -> their state's shape, or none

    def run(self):
        plan = self._manifest.plan
        features = self._stem(plan.stem)
        for step in plan.steps:
            features = self._step(step, features)
        self._answer(plan.head, "head", features)

    def _stem(self, name):
        """Checks the stem; returns its output."""
        graph = self._named(name, "stem")
        expected = [(1, *self._manifest.input.shape)]
        found = [tensor.shape for tensor in graph.inputs]
        self._require(found == expected, f"graph {name}: expected inputs "
                      f"{expected}, found {found}")
        return graph.outputs[0]

    def _step(self, step, features):
        """Checks one step; returns the features after it, as a tensor."""
        self._gates(step, features)
        self._require(
            1 <= step.groups <= _MOST_GROUPS
            and (step.variants or step.settled == ()),
            f"step {step.name}: expected at least one variant and 1 to "
            f"{_MOST_GROUPS} groups, found {len(step.variants)} and "
            f"{step.groups}")
        after = [self._variant(step, variant, features)
                 for variant in step.variants]
        self._variants(step)
        if step.appended:
            after = self._appended(step, features, after)
        elif step.skip is not None:
            after.append(self._graph(step.skip, "skip", features))
        elif step.skippable:
            after.append(features)
        self._require(
            step.skippable or not (step.skip or step.layer_gate),
            f"step {step.name} cannot be skipped, yet has a layer gate or a "
            "skip")
        encodings = {tensor.encoding for tensor in after}
        self._require(len(encodings) == 1, f"step {step.name} leaves features "
                      "that differ in shape, type or scale: "
                      f"{sorted(encodings, key=str)}")
        if step.exit is not None:
            self._answer(step.exit, "exit", after[0])
        return after[0]

    def _appended(self, step, features, left):
        """The features, as tensors, behind which stands what graphs `left`."""
        self._require(
            step.appended > 0 and step.skip is None and features.shape,
            f"step {step.name} appends {step.appended} channels to features of "
            f"shape {features.shape}, with the skip {step.skip}: expected a "
            "positive number, features that have channels, and no skip")
        *size, channels = features.shape
        expected = (*size, step.appended)
        for variant, tensor in zip(step.variants, left):
            self._require(
                tensor.shape == expected, f"graph {variant.graph}: expected "
                f"what step {step.name} appends, of shape {expected}, found "
                f"{tensor.shape}")
        shape = (*size, channels + step.appended)
        return [dataclasses.replace(tensor, shape=shape)
                for tensor in (features, *left)]

    def _variant(self, step, variant, features):
        where = f"variant {variant.graph} of step {step.name}"
        groups = variant.groups
        self._require(
            groups and list(groups) == sorted(set(groups))
            and 0 <= groups[0] and groups[-1] < step.groups,
            f"{where} has groups {groups}, expected some of 0 to "
            f"{step.groups - 1}, ascending")
        extra = ((1, len(groups)),) if variant.masked else ()
        return self._graph(variant.graph, "block", features, *extra)

    def _variants(self, step):
        """Whatever groups the gate opens, some variant must run them."""
        if step.settled is not None:
            self._runs_settled(step)
            return
        every, least = tuple(range(step.groups)), budget.least_groups(step)
        self._require(
            any(v.groups == every for v in step.variants),
            f"step {step.name} has no variant with all {step.groups} groups")
        exact = {v.groups for v in step.variants
                 if not v.masked and set(least) <= set(v.groups)}
        # With the first group in any case, half of all sets; else all but
        # the empty one.
        count = (1 << step.groups) >> len(least)
        self._require(
            any(v.masked and v.groups == every for v in step.variants)
            or len(exact) == count - (not least),
            f"step {step.name}: expected a masked variant with all groups, or "
            f"one for each set of them, found only {sorted(exact)}")

    def _runs_settled(self, step):
        """No gate opens other groups than those that are settled."""
        choice = budget.cheapest_variant(
            step.variants, [0] * len(step.variants), step.settled)
        self._require(
            not step.settled or choice is not None,
            f"step {step.name}: expected a variant that runs the settled "
            f"groups {step.settled}, found "
            f"{[variant.groups for variant in step.variants]}")

    def _gates(self, step, features):
        for name, role, count in (
                (step.layer_gate, "layer_gate", 1),
                (step.channel_gate, "channel_gate", step.groups)):
            if name is not None:
                self._gate(name, role, count, features)
        self._require(
            step.channel_gate is not None or step.groups == 1
            or step.settled is not None,
            f"step {step.name} has {step.groups} channel groups but no gate "
            "that chooses among them")
        if step.settled is not None:
            self._settled(step)

    def _settled(self, step):
        groups = step.settled
        self._require(
            step.channel_gate is None
            and list(groups) == sorted(set(groups) & set(range(step.groups)))
            and (step.skippable or 0 in groups),
            f"step {step.name}: expected settled groups of 0 to "
            f"{step.groups - 1}, ascending, with those that run in any case, "
            f"and no gate that chooses, found {groups}")

    def _gate(self, name, role, count, features):
        """Checks a gate: all of one role are recurrent, or none is."""
        graph = self._named(name, role)
        shapes = [tensor.shape for tensor in graph.outputs]
        self._require(
            shapes[0] == (1, count) and len(shapes) <= 2,
            f"graph {name}: expected [1, {count}] probabilities, and a state "
            f"if it is recurrent, found outputs {shapes}")
        state = tuple(shapes[1:])
        expected = self._states.setdefault(role, state)
        self._require(
            state == expected, f"graph {name}: expected {_state(expected)}, as "
            f"every {role} before it, found {_state(state)}")
        self._graph(name, role, features, *state)
        kinds = [t.dtype for t in (*graph.inputs[1:], *graph.outputs[1:])]
        self._require(
            set(kinds) <= {"float32"}, f"graph {name}: expected a state in "
            f"float32, found {' and '.join(kinds)}")

    def _answer(self, name, role, features):
        found = self._graph(name, role, features).shape
        expected = (1, len(self._manifest.labels))
        self._require(found == expected,
                      f"graph {name}: expected logits of shape {expected}, one "
                      f"per label, found {found}")

    def _graph(self, name, role, features, *others):
        """Checks a graph's role and inputs; returns its first output.

        Args:
            features: `bundle.Tensor` that its first input is handed.
            *others: shapes of its other inputs.
        """
        graph = self._named(name, role)
        expected = (features.shape, *others)
        found = tuple(tensor.shape for tensor in graph.inputs)
        self._require(found == expected, f"graph {name}: expected inputs "
                      f"{expected}, found {found}")
        own = graph.inputs[0]
        self._require(
            own.encoding == features.encoding, f"graph {name} reads features "
            f"as {own.dtype} (scale {own.scale}, zero point {own.zero_point}), "
            f"but they are {features.dtype} (scale {features.scale}, zero "
            f"point {features.zero_point})")
        return graph.outputs[0]

    def _named(self, name, role):
        graph = self._graphs.get(name)
        self._require(graph is not None and graph.role == role,
                      f"the plan needs a graph {name!r} of role {role}, found "
                      f"{'none' if graph is None else graph.role}")
        return graph


def _state(shapes):
    """What a gate remembers, in words; `shapes` has one or none."""
    return f"a state of shape {shapes[0]}" if shapes else "no state"
