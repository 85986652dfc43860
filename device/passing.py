"""The features that pass along a plan, from its stem to its head."""

import dataclasses


def along(plan, specs):
    """What stands in front of every step, and behind the last.

    Args:
        plan: `bundle.Plan` of K steps.
        specs: graph name -> `bundle.Graph`.

    Returns:
        K + 1 `bundle.Tensor`s.
    """
    found = [specs[plan.stem].outputs[0]]
    for step in plan.steps:
        found.append(_behind(step, found[-1], specs))
    return tuple(found)


def _behind(step, features, specs):
    """The `bundle.Tensor` behind a step that receives `features`."""
    if step.appended:
        *size, channels = features.shape
        return dataclasses.replace(
            features, shape=(*size, channels + step.appended))
    graphs = [*(variant.graph for variant in step.variants), step.skip]
    # Of a step that has none, features pass as they are.
    return features if graphs[0] is None else specs[graphs[0]].outputs[0]
