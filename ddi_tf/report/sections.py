"""The page's sections, in their order."""

from ddi_tf.report import calibrated
from ddi_tf.report import exits
from ddi_tf.report import flow
from ddi_tf.report import gates
from ddi_tf.report import items
from ddi_tf.report import resources
from ddi_tf.report import tables
from ddi_tf.report import tradeoff
from ddi_tf.report import wording

_PROTOCOL = (
    "Every threshold was chosen on tune; test was read once, for the figures. "
    "Tune and test are images that no training step has seen.",
    "FLOPs are twice the multiply-accumulates (MACs) of convolutions and dense "
    "layers, as in the paper (Wang et al., Dual Dynamic Inference, "
    "arXiv:1907.04523). Gates and exits always count. The base network is the "
    "same backbone with everything run, without gates and exits.",
    "`EVALUATION.md` in the repository says how the traces were made and how "
    "to make this page again.")
_SEEDS = (
    "Runs that differ by nothing but their seed are shown as one: the mean, "
    "and ± the standard deviation in tables, a band from the least to the most "
    "in figures.")


def _compared(groups):
    several = any(len(group.runs) > 1 for group in groups)
    return items.Section(
        "runs", "What was compared", _PROTOCOL + (_SEEDS,) * several,
        (tables.header(groups),))


def _answers(groups):
    return items.Section("answers", "Accuracy of each answer", (),
                         (tables.answers(groups),))


def _budgets(groups):
    return _of_exits("budgets", "Accuracy within a mean budget", groups,
                     lambda there: (tables.budgets(there),))


def _searches(groups):
    return _of_exits(
        "searches", "How thresholds are chosen", groups, lambda there: (
            tables.searches(there),
            *map(tradeoff.search_figure, there)))


def _of_exits(key, title, groups, make):
    """`items.Section` of the groups that have exits."""
    there = [group for group in groups if group.has_exits]
    texts = wording.without_exits(groups, "one cost and one accuracy")
    return items.Section(key, title, texts, make(there) if there else ())


# Each takes `groups.Group`s and makes an `items.Section`.
ALL = (_compared, _answers, _budgets, tradeoff.section,
       resources.against_flops_loss, exits.section, gates.examples_section,
       gates.blocks_section, flow.section, resources.section,
       calibrated.section, _searches)


def make(groups, on_section=lambda: None):
    """`items.Section`s of everything.

    Args:
        groups: `groups.Group`s.
        on_section: called after each.
    """
    found = []
    for section in ALL:
        found.append(section(groups))
        on_section()
    return found
