"""Whether answers are as sure as they are right, before and after a mend."""

from typing import NamedTuple

import numpy as np
from matplotlib import lines

from ddi_tf import calibration
from ddi_tf.report import items
from ddi_tf.report import style
from ddi_tf.report import wording

_COLUMNS = 2
_SIDE = 2.3  # inches of a panel

# Shares of the images (more than, up to), and the size of their mark.
_SIZES = ((0, 0.02, 2.5), (0.02, 0.1, 4), (0.1, 0.4, 6.5), (0.4, 1, 10))
_LOOKS = {"before": style.Look(style.VERMILLION, "o", "-"),
          "after": style.Look(style.BLUE, "s", "--")}


class Mend(NamedTuple):
    """One answer of one network: temperature from tune, errors on test."""

    temperature: float
    errors: dict       # "before", "after" -> calibration error in [0, 1]
    reliability: dict  # ditto -> `calibration.Reliability`


def mend(run, answer):
    """`Mend` of a `source.Run`'s answer, by index."""
    temperature = calibration.temperature(
        run.tune.traces.logits[:, answer], run.tune.traces.labels)
    logits, labels = run.test.traces.logits[:, answer], run.test.traces.labels
    ways = {"before": logits, "after": logits / temperature}
    return Mend(temperature,
                {way: calibration.error(values, labels)
                 for way, values in ways.items()},
                {way: calibration.reliability(values, labels)
                 for way, values in ways.items()})


def section(groups):
    """`items.Section`."""
    mends = {group.name: [[mend(run, answer) for run in group.runs]
                          for answer in range(len(group.answers))]
             for group in groups}
    return items.Section(
        "calibration", "Are answers as sure as they are right?",
        ("Exits decide by how sure they are, so it matters that this means "
         "the same at every exit. Temperature scaling divides an answer's "
         "logits by one number, fitted on tune (Guo et al. 2017); no "
         "prediction changes. ECE, the expected calibration error, is the mean "
         "distance from the diagonal, weighted by images.",),
        (_table(groups, mends),
         *(_figure(group, [row[0] for row in mends[group.name]])
           for group in groups)))


def _table(groups, mends):
    return items.Table(
        "calibration", "Calibration error on test",
        "In percentage points; a temperature above 1 makes answers less sure.",
        wording.origin(groups),
        ("answer", "temperature", "ECE before", "ECE after"),
        tuple((group.name, [
            (answer, wording.spread([one.temperature for one in row], 2),
             *(wording.spread([100 * one.errors[way] for one in row])
               for way in _LOOKS))
            for answer, row in zip(group.answers, mends[group.name])])
            for group in groups))


def _figure(group, mends):
    rows = [(answer, way, *map(float, numbers))
            for answer, one in zip(group.answers, mends) for way in _LOOKS
            for numbers in zip(*one.reliability[way])]
    means = [100 * np.mean([one.errors[way] for one in mends])
             for way in _LOOKS]
    return items.draw(
        f"reliability_{group.key}",
        f"{group.name}{wording.first_seed(group)}: reliability of each answer",
        "On the diagonal, answers given with 80% confidence are right 80% of "
        "the time; below it they are too sure. Larger marks stand "
        "for more images. The mean ECE of all answers "
        f"goes from {means[0]:.1f} to {means[1]:.1f} percentage points.",
        wording.origin([group]),
        f"Reliability diagrams of {len(mends)} answers of {group.name}, before "
        "and after temperature scaling.",
        ("answer", "temperature scaling", "mean confidence", "accuracy",
         "images"), rows,
        0.6 + _SIDE * -(-len(mends) // _COLUMNS),
        lambda drawing: _paint(drawing, group.answers, mends))


def _paint(drawing, answers, mends):
    grid = drawing.subplots(-(-len(mends) // _COLUMNS), _COLUMNS,
                            sharex=True, sharey=True, squeeze=False)
    for axes in grid.flat[len(mends):]:
        axes.set_axis_off()
    for place, (axes, answer, one) in enumerate(
            zip(grid.flat, answers, mends)):
        _panel(axes, answer, one)
        if place + _COLUMNS >= len(mends):
            axes.set_xlabel("confidence [%]")
            axes.tick_params(labelbottom=True)
        if place % _COLUMNS == 0:
            axes.set_ylabel("right [%]")
    drawing.legend(handles=[
        lines.Line2D([], [], color=look.colour, linestyle=look.line,
                     marker=look.marker, linewidth=1, label=f"{way} scaling")
        for way, look in _LOOKS.items()], loc="outside lower center", ncols=2)


def _panel(axes, answer, one):
    axes.plot([0, 100], [0, 100], color=style.PALE, linewidth=0.8)
    for way, look in _LOOKS.items():
        found = one.reliability[way]
        there = found.images > 0
        axes.plot(100 * found.confidence[there], 100 * found.accuracy[there],
                  color=look.colour, linestyle=look.line, linewidth=1,
                  alpha=0.6)
        share = found.images / found.images.sum()
        for least, most, size in _SIZES:
            here = (least < share) & (share <= most)
            axes.plot(
                100 * found.confidence[here], 100 * found.accuracy[here],
                color=look.colour, marker=look.marker, linestyle="none",
                markersize=size, markeredgewidth=0, alpha=0.8)
    axes.set_title(f"{answer}: ECE {100 * one.errors['before']:.1f} → "
                   f"{100 * one.errors['after']:.1f}", fontsize=9.5)
    axes.set_xlim(0, 103)
    axes.set_ylim(0, 103)
    axes.set_xticks([0, 25, 50, 75, 100])
    axes.set_yticks([0, 25, 50, 75, 100])
