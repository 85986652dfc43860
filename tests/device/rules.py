"""What a controller has to do on a toy plan, from the rules in DDI."""

from device import controller
from device import plan
import fakes
import strategies


def open_(case):
    """(controller, its `fakes.FakeRuntime`)."""
    runtime = fakes.FakeRuntime(case.script)
    return controller.Controller(fakes.in_memory(case.manifest),
                                 make_graph=runtime.make_graph), runtime


def is_open(case, gate):
    """Groups that a gate opens; (0,) for a layer gate that is open."""
    return tuple(index for index, probability in enumerate(case.script[gate][0])
                 if probability >= 0.5)


def least(step):
    """The groups of `step` that run in any case."""
    if step.skippable:
        return plan.SKIPPED
    return (0,) if step.settled is None else step.settled


def wanted(case, step):
    """(groups that the gates of `step` want, gates that say so)."""
    asked = [step.layer_gate] if step.layer_gate else []
    if step.layer_gate and not is_open(case, step.layer_gate):
        return plan.SKIPPED, asked
    if step.channel_gate:
        groups = {*least(step), *is_open(case, step.channel_gate)}
        return tuple(sorted(groups)), [*asked, step.channel_gate]
    return (0,) if step.settled is None else step.settled, asked


def block(case, step, groups):
    """The graph that runs `groups`: a list of one name, or of none."""
    if not groups:
        return [step.skip] if step.skip else []
    ways = [way.graph for way in step.variants
            if way.groups == groups or way.masked]
    return [min(ways, key=case.macs.get)]


def expected(case):
    """(path, graphs that run) without a budget, from the rules in DDI."""
    path, graphs = [], ["stem"]
    thresholds = iter(case.thresholds or [None] * len(case.manifest.graphs))
    for step in case.manifest.plan.steps:
        groups, asked = wanted(case, step)
        path.append(groups)
        graphs += [*asked, *block(case, step, groups)]
        threshold = next(thresholds) if step.exit else None
        if threshold is not None:
            graphs.append(step.exit)
            logits, = case.script[step.exit]
            if case.entropies[logits] <= threshold:
                return tuple(path), graphs
    return tuple(path), [*graphs, "head"]
