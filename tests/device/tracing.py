"""Traces for tests: of scripted toy networks, and of real ones."""

import json

import numpy as np

from device import controller as controller_lib
from device import recorded
from device import runtime


def scripted(toy, script):
    """`recorded.Recorded` of one image of a toy bundle; label 0 is right.

    Args:
        toy: `bundle.Bundle`.
        script: graph name -> first output, as of `fakes.FakeRuntime`; gates
            that are left out are open.
    """
    steps = toy.manifest.plan.steps
    logits = np.array([script.get(name, [[0, 0, 0]])[0]
                       for name in (*toy.exits, "head")])
    shares = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    entropies = -(shares * np.log(shares)).sum(axis=1)
    opens = [np.asarray(script.get(name, [[1] * width])) >= 0.5
             for step in steps for name, width in (
                 (step.layer_gate, 1), (step.channel_gate, step.groups))]
    return recorded.Recorded(
        np.zeros(1, int), logits.argmax(axis=1)[np.newaxis],
        entropies[np.newaxis].astype(np.float32), np.zeros(1, int),
        np.concatenate(opens[::2], axis=1) if steps else np.zeros((1, 0), bool),
        opens[1::2], toy)


class _Noting(runtime.Graph):
    """A graph that notes that it ran, in a list that they all share."""

    executed = []

    def __init__(self, spec, content):
        super().__init__(spec, content)
        self._name = spec.name

    def run(self, *inputs):
        self.executed.append(self._name)
        super().run(*inputs)


def of_network(bundle, images, labels):
    """`recorded.Recorded` of what a bundle's network does; E exits, K steps.

    Every exit is made to answer once.
    """
    steps, exits = bundle.manifest.plan.steps, len(bundle.exits)
    answers, layers = [], []
    with controller_lib.Controller(bundle, make_graph=_Noting) as controller:
        for image in images:
            answers.append([controller.classify(image, thresholds=[
                9.0 if exit_ == other else None for other in range(exits)])
                for exit_ in range(exits)])
            _Noting.executed.clear()
            answers[-1].append(controller.classify(image))
            layers.append([step.channel_gate in _Noting.executed
                           for step in steps])
    paths = [row[-1].path for row in answers]
    return recorded.Recorded(
        labels, np.array([[a.label for a in row] for row in answers]),
        np.array([[a.entropy for a in row] for row in answers]),
        np.zeros_like(labels), np.array(layers),
        [np.array([[group in path[k] for group in range(step.groups)]
                   for path in paths]) for k, step in enumerate(steps)], bundle)


def save(path, toy, about=None, **arrays):
    """Writes traces of two images, as `ddi_tf.trace_files` does.

    The first image runs every block in full, the second none; no exit is sure.

    Args:
        path: of the file.
        toy: `bundle.Bundle` whose they are.
        about: what is to differ in the file's `about`.
        **arrays: what is to differ else.
    """
    manifest = toy.manifest
    steps, exits = manifest.plan.steps, len(toy.exits)
    runs = np.array([[1], [0]], np.uint8)
    np.savez(path, **{
        "about": np.array(json.dumps({
            "format_version": recorded.FORMAT_VERSION,
            "settings": manifest.provenance.settings, "gates_open": False,
            "blocks": [step.name for step in steps], "exits": toy.exits,
            **(about or {})})),
        "labels": np.zeros(2, np.int32),
        "predictions": np.zeros((2, exits + 1), np.int32),
        "entropies": np.ones((2, exits + 1), np.float32),
        "layers": np.repeat(runs, len(steps), axis=1),
        "base_logits": np.zeros((2, len(manifest.labels)), np.float32),
        **{f"masks_{k}": np.repeat(runs, step.groups, axis=1)
           for k, step in enumerate(steps)},
        **arrays})
