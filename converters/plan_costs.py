"""What the graphs of a bundle cost, each alone and along ways through it."""

import collections
import zlib
from typing import NamedTuple, Optional

from device import budget
from device import bundle as bundle_lib


class Row(NamedTuple):
    """A graph where the plan first names it."""

    graph: bundle_lib.Graph
    uses: int            # places of the plan that may run it
    step: Optional[str]  # name of the first such block; None: of no block


class Way(NamedTuple):
    """Graphs that run, one after the other; one may run more than once."""

    name: str
    graphs: tuple  # of `bundle.Graph`


class Cost(NamedTuple):
    """Of a `Way`."""

    macs: int
    bytes: int        # of its graphs, each counted once
    energy_nj: float  # modelled, nanojoules
    median_ms: Optional[float]  # sum of its graphs'; None: one was not measured


def step_graphs(step):
    """Names of a `bundle.Step`'s graphs, in the order of its decisions."""
    names = (step.layer_gate, step.channel_gate,
             *(variant.graph for variant in step.variants), step.skip,
             step.exit)
    return tuple(name for name in names if name is not None)


def rows(bundle):
    """A `Row` for each graph, in the plan's order; unused ones come last."""
    plan, graphs = bundle.manifest.plan, bundle.graphs
    places = [(plan.stem, None),
              *((name, step.name) for step in plan.steps
                for name in step_graphs(step)), (plan.head, None)]
    uses = collections.Counter(name for name, _ in places)
    first = dict(reversed(places))
    order = dict.fromkeys([*(name for name, _ in places), *graphs])
    return [Row(graphs[name], uses[name], first.get(name)) for name in order]


def ways(bundle):
    """The `Way`s through a bundle that bound what an image can cost.

    The full path: stem, every block with all channels that gates can open,
    head; with all gates and exits it is the most that an image costs. The
    cheapest: stem, blocks passed by where that can be, the first exit (or the
    head), no gate asked.
    """
    plan, graphs = bundle.manifest.plan, bundle.graphs
    full, asked = budget.opened(plan, graphs), budget.asked(plan)
    cheapest, answer = _cheapest(plan, graphs)
    named = {"full path": full, "full path + all gates, exits": full + asked,
             f"cheapest to {answer}": cheapest, "all graphs, once each": graphs}
    return [Way(name, tuple(graphs[graph] for graph in run))
            for name, run in named.items()]


def cost(graphs, profile=None):
    """`Cost` of `bundle.Graph`s; `profile` is a `profile.Profile`."""
    medians = {} if profile is None else {
        graph.name: graph.median_ms for graph in profile.graphs}
    times_ms = [medians.get(graph.name) for graph in graphs]
    return Cost(
        sum(graph.macs for graph in graphs),
        sum({graph.name: graph.bytes for graph in graphs}.values()),
        sum(graph.energy_nj for graph in graphs),
        None if None in times_ms else sum(times_ms))


def compressed_bytes(bundle):
    """Of all graphs, each by DEFLATE."""
    return sum(len(zlib.compress(bundle.content(name), 9))
               for name in bundle.graphs)


def _cheapest(plan, graphs):
    """(names of the graphs up to the first answer, the answer's name)."""
    names = [plan.stem]
    for step in plan.steps:
        passed = budget.graph_run(step, budget.least_groups(step), graphs)
        if passed is not None:
            names.append(passed)
        if step.exit is not None:
            return [*names, step.exit], step.exit
    return [*names, plan.head], plan.head
