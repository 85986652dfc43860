"""What policies made of a simulated battery, as a table and as numbers."""

import math
from typing import NamedTuple

import numpy as np
from rich import box
from rich.console import Console
from rich.table import Table

# Points in time that JSON tells of, at most.
_POINTS = 48


class Comparison(NamedTuple):
    """Policies on the same images, and the same battery.

    Attributes:
        driven: `simulate.Course` of the battery-driven budget.
        full: of the base network: every block in full, no gate, no exit.
        gated: of gates alone: no exit is taken.
        points: of the fixed operating points, by mean cost.
        world: `simulate.World` that they are in.
        reserve: 0 to 1, charge to be left at its end.
    """

    driven: object
    full: object
    gated: object
    points: tuple
    world: object
    reserve: float

    @property
    def courses(self):
        """All, the battery-driven one last."""
        return (self.full, self.gated, *self.points, self.driven)

    def keeps(self, course):
        """Whether it lasts as long as asked, with the reserve kept."""
        return course.lasts(self.reserve) >= self.world.hours

    @property
    def best_point(self):
        """The fixed point of most right answers that `keeps`; or None."""
        return max((course for course in self.points if self.keeps(course)),
                   key=lambda course: course.right.sum(), default=None)


def print_table(comparison, file):
    """A table for people, and what it comes to in a sentence."""
    table = Table(
        box=box.SIMPLE, pad_edge=False,
        title=f"{comparison.world.hours:g} hours, "
        f"{comparison.world.images:,} images, "
        f"{100 * comparison.reserve:g}% to be left")
    for name in ("policy", f"h to {100 * comparison.reserve:g}%", "h to empty",
                 "left", "answered", "right", "of all"):
        table.add_column(name, no_wrap=True,
                         justify="left" if name == "policy" else "right")
    for course in comparison.courses:
        values = _totals(comparison, course)
        table.add_row(
            course.name, f"{course.lasts(comparison.reserve):.1f}",
            "" if course.died is None else f"{course.died:.1f}",
            f"{100 * values['charge_left']:.1f}%",
            f"{values['answered']:,}", f"{values['right']:,}",
            f"{100 * values['right'] / comparison.world.images:.1f}%",
            style=None if comparison.keeps(course) else "dim",
            end_section=course in (comparison.gated, comparison.points[-1]))
    console = Console(file=file)
    console.print(table)
    console.print(verdict(comparison), highlight=False)


def verdict(comparison):
    """What the comparison comes to, in words."""
    driven, best = comparison.driven, comparison.best_point
    lasts = driven.lasts(comparison.reserve)
    words = [
        f"Driven by the battery it lasts {lasts:.1f} "
        f"of {comparison.world.hours:g} hours and gives "
        f"{driven.right.sum():,.0f} right answers"]
    for other, name in ((comparison.full, "the full network"), (
            best, best and f"{best.name}, the best fixed point that lasts")):
        if other is not None:
            more = driven.right.sum() - other.right.sum()
            words.append(f"{abs(more):,.0f} {'more' if more >= 0 else 'fewer'} "
                         f"than {name}")
    if best is None:
        words.append("no fixed operating point lasts as long")
    return "; ".join(words) + "."


def values(comparison):
    """A dict for JSON: totals, and how charge, cost and accuracy went."""
    return {
        "hours": comparison.world.hours, "reserve": comparison.reserve,
        "images": comparison.world.images,
        "best_fixed_point_that_lasts": (
            comparison.best_point and comparison.best_point.name),
        "policies": {
            course.name: {**_totals(comparison, course),
                          "course": _thinned(course)}
            for course in comparison.courses}}


def _totals(comparison, course):
    answered, right = int(course.frames.sum()), int(course.right.sum())
    lasts = course.lasts(comparison.reserve)
    return {
        "lasts_hours": None if math.isinf(lasts) else round(lasts, 3),
        "keeps_reserve": comparison.keeps(course),
        "empty_at_hour": course.died, "charge_left": float(course.charge[-1]),
        "answered": answered, "right": right,
        "accuracy": right / answered if answered else None,
        "mean_energy_mj": (
            float(course.energy_mj.sum()) / answered if answered else None),
        "warnings": [list(note) for note in course.notes]}


def _thinned(course):
    """A dict of lists, of at most `_POINTS` times."""
    hours, charge, cost, accuracy = binned(course, _POINTS)
    return {
        "hours": hours.round(3).tolist(), "charge": charge.round(4).tolist(),
        "mean_energy_mj": [None if np.isnan(c) else round(c, 6) for c in cost],
        "accuracy": [None if np.isnan(a) else round(a, 4) for a in accuracy]}


def binned(course, most):
    """A `simulate.Course` in at most so many equal spans of time.

    Returns:
        Arrays: hours at their ends, charge there, mean modelled mJ per image
        and share of right answers within; NaN where none was answered.
    """
    size = -(-len(course.hours) // most)
    begins = np.arange(0, len(course.hours), size)
    ends = np.minimum(begins + size, len(course.hours)) - 1
    frames, right, energy_mj = (
        np.add.reduceat(column, begins)
        for column in (course.frames, course.right, course.energy_mj))
    with np.errstate(invalid="ignore"):
        return (course.hours[ends], course.charge[ends], energy_mj / frames,
                right / frames)
