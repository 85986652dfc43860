"""Tables: what was compared, single answers, mean budgets, searches."""

import numpy as np

from ddi_tf.report import items
from ddi_tf.report import static
from ddi_tf.report import tradeoff
from ddi_tf.report import wording

_LOSSES = {"flops": "FLOPs"}


def header(groups):
    """`items.Table` of the runs."""
    about = groups[0].about
    sizes = [len(recorded.traces.labels)
             for recorded in (groups[0].first.tune, groups[0].first.test)]
    return items.Table(
        "runs", "Runs",
        f"Data set: {about.settings['data']['name']}, "
        f"{len(about.label_names)} classes; {sizes[0]:,} images of tune, "
        f"{sizes[1]:,} of test.", "",
        ("run", "network", "commit", "seed", "loss resource", "target cost"),
        (("", [_run_row(run, group.network) for group in groups
               for run in group.runs]),))


def _run_row(run, network):
    about = run.about
    target = about.settings["schedule"]["target_cost"]
    return (run.name, f"{network}, {_parts(about)}", about.commit,
            str(about.seed), _resource(about),
            f"{wording.percent(target, 0)} of base")


def _parts(about):
    """ "layer and channel gates, 6 exits"."""
    network = about.settings["network"]
    gates = [kind for kind in ("layer", "channel") if network[f"{kind}_gates"]]
    return (f"{' and '.join(gates) or 'no'} gates, "
            f"{len(about.exits) or 'no'} exits")


def _resource(about):
    name = about.settings["resource"]["name"]
    return _LOSSES.get(name, name)


def answers(groups):
    """Table 1: `items.Table` if all images left at one answer."""
    return items.Table(
        "answers", "Table 1. All images leave at one answer",
        "Test accuracy if every image is answered there, with gates at work "
        "and no other answer asked. MFLOPs are the mean per image.",
        wording.origin(groups),
        ("answer", "MFLOPs", "of base", "accuracy"),
        tuple((group.name, _answer_rows(group)) for group in groups))


def _answer_rows(group):
    base = group.base()
    points = [group.all_at(answer) for answer in range(len(group.answers))]
    names = [*group.answers, f"base {group.network} in full"]
    return [(name, wording.spread(wording.megaflops(point.cost)),
             wording.percent((point.cost / base.cost).mean()),
             wording.shares(point.accuracy, 2))
            for name, point in zip(names, [*points, base])]


def budgets(groups):
    """Table 2: `items.Table` at hard mean budgets."""
    there = [group for group in groups if group.has_exits]
    data_name = groups[0].about.settings["data"]["name"]
    known = any(static.at(data_name, "", cost) for group in there
                for cost in group.table_curve.test_cost.mean(axis=0))
    caption = (
        "A budget is the most that an image may cost on average on tune. "
        "“Spent” is what that came to on test, “miss” by how much of the "
        "budget it is off.")
    caption += (
        " The static network is one of the same cost as was spent: between two "
        f"published ones, or the nearest cheaper one. Source: {static.SOURCE}."
        if known else " No published network that we know of is as cheap."
        if static.published(data_name) else
        " No static networks are known to us for this data set.")
    columns = ("budget [MFLOPs]", "of base", "spent on test", "miss",
               "accuracy")
    if known:
        columns += ("static network", "its accuracy", "difference [points]")
    return items.Table(
        "budgets", "Table 2. Accuracy within a mean budget", caption,
        wording.origin(there), columns,
        tuple((group.name, [_budget_row(group, place, data_name, known)
                            for place in range(len(group.table_curve.budgets))])
              for group in there))


def _budget_row(group, place, data_name, known):
    curve = group.table_curve
    budget, cost = curve.budgets[place], curve.test_cost[:, place]
    accuracy = curve.test_accuracy[:, place]
    miss = f"{100 * (cost.mean() / budget - 1):+.1f}%"
    row = (f"{wording.megaflops(budget):.1f}",
           wording.percent(budget / group.base().cost.mean()),
           wording.spread(wording.megaflops(cost)), miss,
           wording.shares(accuracy, 2))
    if not known:
        return row
    backbone = group.about.settings["network"]["backbone"]
    found = static.at(data_name, backbone, cost.mean())
    if found is None:
        return (*row, "none as cheap", "–", "–")
    name, other = found
    return (*row, name, wording.percent(other, 2),
            f"{100 * (accuracy.mean() - other):+.2f}")


def searches(groups):
    """`items.Table`: our thresholds and those of simpler rules."""
    there = [group for group in groups if group.has_exits]
    columns = ["budget [MFLOPs]", "ours, tune", "ours, test"]
    for rule in there[0].rules:
        columns += [f"{tradeoff.RULES.get(rule, rule)}, {split}"
                    for split in ("tune", "test")]
    return items.Table(
        "searches", "Accuracy by three ways to choose thresholds",
        "On tune ours cannot be worse, as it starts from the others; test says "
        "whether the gain is real. “–”: the rule has no setting as cheap.",
        wording.origin(there), tuple(columns),
        tuple((group.name, _search_rows(group)) for group in there))


def _search_rows(group):
    curves = [group.table_curve, *group.rules.values()]
    return [(f"{wording.megaflops(budget):.1f}", *(
        wording.shares(values[:, place], 2) for curve in curves
        for values in (curve.tune_accuracy, curve.test_accuracy)))
        for place, budget in enumerate(group.table_curve.budgets)]


def takeaway(groups):
    """Sentences: the one that matters most, then one for each other group."""
    points = [group.default() for group in groups]
    shares = [(point.cost / group.base().cost).mean()
              for point, group in zip(points, groups)]
    accuracy = np.array([point.accuracy.mean() for point in points])
    # The cheapest of those that are nearly as right as the best.
    near = [n for n in range(len(groups))
            if accuracy[n] >= accuracy.max() - _NEARLY]
    first = min(near, key=lambda n: shares[n])
    order = [first, *(n for n in range(len(groups)) if n != first)]
    return [
        f"At {wording.percent(shares[n])} of the base network's FLOPs, "
        f"{groups[n].name} answers {wording.shares(accuracy_of)} of the test "
        f"images right (base: {wording.shares(groups[n].base().accuracy)})."
        for n in order for accuracy_of in (points[n].accuracy,)]


_NEARLY = 0.01  # of accuracy
