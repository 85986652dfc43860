"""Tests of the report as a page: what is in it, and what it refuses."""

import base64
import collections
import csv
import dataclasses
import functools
import html.parser
import json
import os
import pathlib
import subprocess
import sys
import tempfile
import types
from xml.etree import ElementTree

import numpy as np
import report_runs
import tensorflow as tf

from ddi_tf import errors
from ddi_tf import network
from ddi_tf import resources
from ddi_tf import subgraphs
from ddi_tf.peers import pfec
from ddi_tf.report import build
from ddi_tf.report import page
from ddi_tf.report import source

_POINTS = ({"name": "default", "thresholds": [0.3, 0.3],
            "tune_mean_macs": 200.0},
           {"name": "macs_11", "thresholds": [1.0, None],
            "tune_mean_macs": 110.0})
_VOID = {"meta", "link", "img", "br"}


class _Parsed(html.parser.HTMLParser):
    """Tags with their attributes, and whether they are closed in order."""

    def __init__(self, text):
        super().__init__()
        self.tags, self.open, self.text = [], [], ""
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        if tag not in _VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag, tag

    def handle_data(self, data):
        self.text += data


@functools.cache
def _made():
    """Path of a page of two seeds, a run for energy and one without exits."""
    folder = pathlib.Path(tempfile.mkdtemp())
    runs = [
        report_runs.write(folder / "flops_s0", _POINTS, gates_open=True),
        report_runs.write(folder / "flops_s1", _POINTS, gates_open=True,
                          seed=1),
        report_runs.write(folder / "energy", resource="energy"),
        report_runs.write(folder / "gates", exits=False)]
    output = folder / "out" / "report.html"
    build.report(runs, output)
    return output


class PageTest(tf.test.TestCase):

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.output = _made()
        cls.text = cls.output.read_text(encoding="utf-8")
        cls.page = _Parsed(cls.text)
        cls.files = sorted(page.files_folder(cls.output).iterdir())

    def _says(self, text):
        self.assertTrue(text in " ".join(self.page.text.split()), text)

    def test_it_needs_no_other_file_and_no_network(self):
        for tag, attributes in self.page.tags:
            self.assertNotIn(tag, ("script", "iframe", "object", "embed"))
            for name in ("src", "href", "srcset", "data"):
                self.assertRegex(attributes.get(name, "#"), "^(data:|#)")
        self.assertFalse("url(" in self.text or "@import" in self.text)

    def test_it_is_well_formed_with_unique_ids_and_texts_for_images(self):
        self.assertEmpty(self.page.open)
        ids = collections.Counter(
            attributes["id"] for _, attributes in self.page.tags
            if "id" in attributes)
        self.assertEqual(set(ids.values()), {1})
        images = [attributes for tag, attributes in self.page.tags
                  if tag == "img"]
        self.assertGreater(len(images), 10)
        for attributes in images:
            self.assertGreater(len(attributes["alt"]), 20)
        for _, attributes in self.page.tags:
            if attributes.get("href", "").startswith("#"):
                self.assertIn(attributes["href"][1:], ids)

    def test_it_is_small(self):
        self.assertLess(len(self.text), 5e6)

    def test_every_figure_is_a_file_of_each_kind_and_in_the_page(self):
        names = [file.name for file in self.files]
        figures = [file for file in self.files if file.suffix == ".svg"]
        self.assertGreater(len(figures), 10)
        for file in figures:
            self.assertIn(file.with_suffix(".png").name, names)
            self.assertIn(file.with_suffix(".csv").name, names)
            ElementTree.fromstring(file.read_bytes())
            self.assertTrue(
                base64.b64encode(file.read_bytes()).decode() in self.text, file)

    def test_every_table_reads_as_csv_with_equal_rows(self):
        for file in self.files:
            if file.suffix == ".csv":
                rows = list(csv.reader(file.open(encoding="utf-8")))
                self.assertGreater(len(rows), 1, file)
                self.assertLen({len(row) for row in rows}, 1, file)

    def test_it_says_what_was_compared(self):
        for text in ("flops (2 seeds): commit c0ffee, seeds 0, 1.",
                     "ResNet8, layer gates, 2 exits", "50% of base",
                     "Every threshold was chosen on tune",
                     "gates has no exits", "The traces hold no latency.",
                     "energy has no operating points yet",
                     "exits without gates are drawn too"):
            self._says(text)

    def test_takeaway_is_the_default_point_by_hand(self):
        # exit1 takes images 0, 1, 2, 4 at 11 million MACs, exit2 3 and 5 at 13
        # and 53, the head 6 and 7 at 66; the last one is wrong.
        self._says("At 30.2% of the base network's FLOPs, flops (2 seeds) "
                   "answers 87.5% of the test images right (base: 87.5%).")

    def test_equal_traces_give_equal_bytes(self):
        runs = [str(self.output.parents[1] / name)
                for name in ("flops_s0", "flops_s1", "energy", "gates")]
        again = self.output.parent / "again" / "report.html"
        build.report(runs, again)
        self.assertEqual(again.read_bytes(), self.output.read_bytes())
        self.assertEqual(
            [file.read_bytes()
             for file in sorted(page.files_folder(again).iterdir())],
            [file.read_bytes() for file in self.files])

    def test_commands_are_code_and_their_flags_are_not_broken(self):
        self.assertEqual(
            page._coded("a <b> `x --y`."),
            "a &lt;b&gt; <code><span>x</span> <span>--y</span></code>.")


class ProfileTest(tf.test.TestCase):

    def test_a_profile_gives_traces_their_latency(self):
        recorded = report_runs.recorded()
        config = {**recorded.about.settings["network"],
                  "image_shape": [16, 16, 3]}
        cut = subgraphs.cut(network.Network(
            network.NetworkConfig.from_dict(config)), subgraphs.masked)
        profile = self.create_tempfile("profile.json", json.dumps({
            "graphs": [{"name": graph.name, "median_ms": 2.0}
                       for graph in cut.graphs]})).full_path
        traced = recorded.traces._replace(
            layers=np.ones([8, 3], np.float32), masks=(np.ones([8, 1]),) * 3)
        timed = source._timed(
            recorded._replace(traces=traced, about=dataclasses.replace(
                recorded.about, settings={
                    **recorded.about.settings, "network": config})),
            resources.Latency(profile))
        # Stem, three layer gates, three blocks; exits and head by themselves.
        self.assertAllClose(timed.costs["latency"].spent[:, -1], [14.0] * 8)
        self.assertAllClose(timed.costs["latency"].answers, [2.0] * 4)
        self.assertEqual(timed.about.resources["latency"]["unit"], "ms")
        self.assertIn("profile", timed.about.resources["latency"]["source"])

    def test_a_peer_is_priced_as_what_it_is(self):
        recorded = report_runs.recorded()
        config = {**recorded.about.settings["network"],
                  "image_shape": [16, 16, 3], "strategy": "pfec",
                  "layer_gates": False, "channel_gates": False,
                  "inner_width": [0.5]}
        built = []

        def table(network):
            built.append(type(network))
            return network.costs

        source._timed(
            recorded._replace(
                traces=recorded.traces._replace(
                    layers=np.ones([8, 3], np.float32),
                    masks=(np.ones([8, 1]),) * 3),
                about=dataclasses.replace(recorded.about, settings={
                    **recorded.about.settings, "network": config})),
            types.SimpleNamespace(
                name="time", unit="ms", source="none", table=table))
        self.assertEqual(built, [pfec.PFEC])


class RefusalTest(tf.test.TestCase):

    def _refused(self, runs, error, text, output="report.html"):
        folder = self.create_tempdir().full_path
        with self.assertRaisesRegex(error, text):
            build.report(runs, pathlib.Path(folder, output))
        self.assertEmpty(os.listdir(folder))

    def test_a_run_that_is_not_there(self):
        self._refused(["nowhere/run"], errors.ConfigError,
                      "there is no folder nowhere/run")

    def test_the_same_run_twice_or_none(self):
        self._refused(["a", "./a"], errors.ConfigError, "each once")
        self._refused([], errors.ConfigError, "Received: nothing")

    def test_runs_of_different_data_sets(self):
        folder = pathlib.Path(self.create_tempdir().full_path)
        runs = [report_runs.write(folder / "one"),
                report_runs.write(folder / "two", data="digits")]
        self._refused(runs, errors.ConfigError, "cifar10 and digits")

    def test_traces_of_two_networks(self):
        run = report_runs.write(self.create_tempdir().full_path)
        report_runs.trace_files.save(
            report_runs.trace_files.path(run, "tune"),
            report_runs.recorded(split="tune", seed=1))
        self._refused([run], errors.TracesError, "of two networks")

    def test_operating_points_of_other_exits(self):
        run = report_runs.write(
            self.create_tempdir().full_path,
            [{"name": "default", "thresholds": [0.1]}])
        self._refused([run], errors.TracesError, "Choose them again")

    def test_output_that_is_a_folder_or_under_a_file(self):
        run = report_runs.write(self.create_tempdir().full_path)
        self._refused([run], errors.ConfigError, "is a folder", ".")
        file = self.create_tempfile().full_path
        self._refused([run], errors.StorageError, "cannot be written",
                      f"{file}/report.html")

    def test_missing_traces_are_one_line_with_the_command(self):
        run = self.create_tempdir().full_path
        done = subprocess.run(
            [sys.executable, "-m", "ddi_tf.report", f"--runs={run}",
             f"--output={run}/report.html"], capture_output=True, text=True)
        self.assertEqual(done.returncode, 1)
        self.assertLen(done.stderr.splitlines(), 1)
        self.assertStartsWith(done.stderr, "error: ")
        self.assertIn(f"python -m ddi_tf.evaluate --run={run} --split=tune",
                      done.stderr)
        self.assertEmpty(os.listdir(run))


if __name__ == "__main__":
    tf.test.main()
