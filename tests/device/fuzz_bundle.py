"""Damaged bundles: refused, or as good as the intact one.

A kind of damage is `forged` where hashes and checksums were made right again.
Hashes tell damage, not who made a bundle: a forged one may answer differently,
but it must be refused, or run.
"""

import hashlib
import json
import os
import pathlib
import shutil
import tempfile
from typing import Callable, NamedTuple

import numpy as np

from device import bundle
from device import controller
from device import errors
from device import sealed_json
import damage
import fuzzing

_TESTDATA = pathlib.Path(__file__).parents[1] / "testdata"
_FOLDER = _TESTDATA / "digits_resnet8"


class Target:
    """The bundle of the tests, whole and spoilt.

    Args:
        root: an empty folder.
    """

    def __init__(self, root):
        self._root = pathlib.Path(root)
        self._intact = self._root / "intact"
        shutil.copytree(_FOLDER, self._intact)
        with np.load(_TESTDATA / "digits.npz") as arrays:
            self._images = arrays["images"][:3]
        self._expected = self._answers(self._intact)

    def run(self, kind, random):
        """How a case ended; raises what the code raises, or Finding."""
        kind = {**KINDS, **NATIVE_KINDS}[kind]
        with tempfile.TemporaryDirectory(dir=self._root) as root:
            folder = pathlib.Path(root) / "bundle"
            # Files are replaced, never written to: links will do.
            shutil.copytree(self._intact, folder, copy_function=os.link)
            kind.damage(random, folder)
            try:
                found = self._answers(folder)
            except errors.BundleError as error:
                return fuzzing.refused(error)
        if found == self._expected:
            return "the same bundle"
        if kind.forged:
            return "another bundle"
        raise fuzzing.Finding("a damaged bundle answers")

    def _answers(self, folder):
        """Everything that a bundle says of itself and of some images."""
        loaded = bundle.load(folder)
        points = [p.thresholds for p in loaded.manifest.operating_points]
        answers = [loaded.manifest]
        with controller.Controller(loaded) as runner:
            ways = [{"thresholds": t} for t in (None, *points[:3])]
            ways.append({"max_macs": runner.costs.cheapest})
            for image in self._images:
                for way in ways:
                    answer = runner.classify(image, **way)
                    answers.append((answer.logits.tobytes(), answer.exit,
                                    answer.path, answer.macs))
        return answers


class Kind(NamedTuple):
    """A kind of damage."""

    damage: Callable   # of (random, folder)
    forged: bool = False


def _manifest_bytes(change):
    def damage_(random, folder):
        path = folder / bundle.MANIFEST
        _rewrite(path, change(random, path.read_bytes()))
    return damage_


def _graph_bytes(change):
    def damage_(random, folder):
        path = _graph(random, folder)
        _rewrite(path, change(random, path.read_bytes()))
    return damage_


def _spelling(random, content):
    """The same text or nearly: spaces, keys twice, numbers spelt otherwise."""
    text = content.decode()
    old, new = random.choice((
        ("\n", "\r\n"), (" ", "\t"), (": ", ":"), ("1", "1.0"), ("0", "-0"),
        ("0", "0e0"), ("null", "NaN"), ("1", "1" * 5000), ("1", "Infinity"),
        ("true", "false"), ("s", "\\u0073"), ("{", '{"macs": 1, '),
        ("}", ', "macs": 1}'), ("}", ', "checksum": "0"}'),
        ('"labels"', '"labels": ["a"], "labels"'), ("[", "[" * 300),
        ("[", "[" * 100_000), ("]", ",]"), ('"', "'"), ("{", "/**/{"),
        ("0", "\ufeff0"), ("0", "\u0660")))
    places = [i for i in range(len(text)) if text.startswith(old, i)]
    start = random.choice(places)
    if random.random() < 0.1:
        return text.replace(old, new).encode()
    return (text[:start] + new + text[start + len(old):]).encode()


def _encoding(random, content):
    """The same text in another encoding."""
    return content.decode().encode(random.choice((
        "utf-8-sig", "utf-16", "utf-16-le", "utf-32", "cp500")))


def _values(random, folder):
    path = folder / bundle.MANIFEST
    values = json.loads(path.read_bytes())
    _rewrite(path, _text(damage.values(random, values)))


def _forged_values(random, folder):
    path = folder / bundle.MANIFEST
    values = json.loads(path.read_bytes())
    del values["checksum"]
    _write_forged(path, damage.values(random, values))


def _forged_nesting(random, folder):
    """Lists in lists, in a place where they are allowed or not."""
    path = folder / bundle.MANIFEST
    values = json.loads(path.read_bytes())
    del values["checksum"]
    nested = []
    for _ in range(random.choice((10, 100, 300, random.randint(700, 900)))):
        nested = [nested]
    place = random.choice((values, values["provenance"]["settings"],
                           values["input"], values["graphs"][0]))
    place[random.choice(sorted(place))] = nested
    _write_forged(path, values)


def _swap_graphs(random, folder):
    one, other = random.sample(_graphs(folder), 2)
    mine, its = one.read_bytes(), other.read_bytes()
    _rewrite(one, its)
    _rewrite(other, mine)


def _odd_manifest(random, folder):
    damage.place_odd_file(random, folder / bundle.MANIFEST)


def _odd_graph(random, folder):
    damage.place_odd_file(random, _graph(random, folder))


def _forged_graph(random, folder):
    """A graph of other bytes whose hash is right."""
    path = folder / bundle.MANIFEST
    values = json.loads(path.read_bytes())
    del values["checksum"]
    graph = random.choice(values["graphs"])
    content = damage.any_bytes(random, (folder / graph["file"]).read_bytes())
    _rewrite(folder / graph["file"], content)
    graph.update(bytes=len(content), sha256=hashlib.sha256(content).hexdigest())
    _write_forged(path, values)


def _write_forged(path, values):
    _rewrite(path, _text(sealed_json.sealed(values)))


def _text(values):
    return json.dumps(values, indent=1).encode()


def _graphs(folder):
    return sorted(folder.glob("graphs/*"))


def _graph(random, folder):
    return random.choice(_graphs(folder))


def _rewrite(path, content):
    path.unlink()
    path.write_bytes(content)


KINDS = {
    "manifest_flip": Kind(_manifest_bytes(damage.flip)),
    "manifest_cut": Kind(_manifest_bytes(damage.cut)),
    "manifest_splice": Kind(_manifest_bytes(damage.splice)),
    "manifest_spelling": Kind(_manifest_bytes(_spelling)),
    "manifest_encoding": Kind(_manifest_bytes(_encoding)),
    "manifest_values": Kind(_values),
    "manifest_odd_file": Kind(_odd_manifest),
    "manifest_forged": Kind(_forged_values, forged=True),
    "manifest_forged_nesting": Kind(_forged_nesting, forged=True),
    "graph_flip": Kind(_graph_bytes(damage.flip)),
    "graph_cut": Kind(_graph_bytes(damage.cut)),
    "graph_splice": Kind(_graph_bytes(damage.splice)),
    "graph_swap": Kind(_swap_graphs),
    "graph_odd_file": Kind(_odd_graph),
}

# The interpreter may end the process: only for one that may end.
NATIVE_KINDS = {"graph_forged": Kind(_forged_graph, forged=True)}
