"""The zoo: what an entry holds, what is refused, and what `verify` finds."""

import dataclasses
import json
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile

import numpy as np
import tensorflow as tf
import tf_keras

from converters import bundling
from ddi_tf import data
from ddi_tf import errors
from ddi_tf import network as network_lib
from ddi_tf import resources
from ddi_tf import run_folder
from ddi_tf import run_summary
from ddi_tf import steering
from ddi_tf import subgraphs
from ddi_tf import thresholds
from ddi_tf import trace_files
from ddi_tf import tracing
from ddi_tf.zoo import checks
from ddi_tf.zoo import entry as entry_lib
from ddi_tf.zoo import listing
from ddi_tf.zoo import packing

_NOTES = "## Intended use\n\nTests.\n\n## Limits\n\nKnows nothing.\n"
_TUNE = {"accuracy": 0.5, "skip_ratio": 0.5, "cost": 0.5}
_RECORD = {"phase": "exits", "step": 1, "phase_step": 1, "seconds": 60.0,
           "train": {"resource_loss": 0.1}, "tune": _TUNE}
_ROOT = pathlib.Path(__file__).parents[2]


def _dataset():
    generator = np.random.default_rng(0)
    return data.Dataset(
        "noise", tuple("0123456789"), data.Scaling((127.0,) * 3, (74.0,) * 3),
        True, *(data.Split(
            generator.integers(0, 256, [size, 16, 16, 3]).astype(np.uint8),
            generator.integers(0, 10, size).astype(np.int32))
            for size in (20, 30, 40)))


def _make_run(path, dataset):
    """A finished run of random weights, with its traces."""
    tf_keras.utils.set_random_seed(1)
    config = network_lib.NetworkConfig(depth=8, image_shape=(16, 16, 3))
    net, folder = network_lib.Network(config), run_folder.RunFolder(path)
    folder.create({
        "network": dataclasses.asdict(config), "data": dataset.settings,
        "schedule": {"seed": 7, "alpha": 0.5, "target_cost": 0.5}},
        "--run=/home/me/run\n--data_dir=/home/me/data\n--data_name=noise\n"
        "--model_depth=8\n--seed=7\n--train_base_checkpoint=/home/me/base\n"
        "--test_tmpdir=/tmp\n--target_cost=0.5\n")
    folder.append_metrics(_RECORD)
    steered = steering.Steering(0.25)
    folder.checkpoints.save(tf.train.Checkpoint(
        network=net, steering=steered, optimizer=tf.Variable(
            tf.zeros([100_000]))), 3)
    folder.save_phase("base", net)
    energy = [resources.Energy("horowitz", "int8")]
    tune = tracing.record(folder, "tune", dataset, energy)
    chosen = [float(np.median(tune.traces.entropies[:, 0])), None, 3.0]
    folder.save_operating_points([thresholds.point("default", chosen, {
        "macs": thresholds.apply(tune.traces, tune.costs["macs"], chosen)})])
    tracing.record(folder, "test", dataset, energy)
    run_summary.save(folder, net)
    return folder


def _verify(entry, dataset=None):
    """{title of a check: what is wrong}, of those that found something."""
    todo = checks.of_files() + (checks.of_images(dataset) if dataset else ())
    found = {title: checks.run(check, entry) for title, check in todo}
    return {title: failures for title, failures in found.items() if failures}


class _ZooTest(tf.test.TestCase):
    """A run, a bundle and an entry, packed once."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.root = pathlib.Path(tempfile.mkdtemp())
        cls.addClassCleanup(shutil.rmtree, cls.root)
        cls.dataset = _dataset()
        cls.folder = _make_run(cls.root / "run", cls.dataset)
        cls.bundle = cls.root / "bundle"
        bundling.write(
            cls.folder.load_network(), cls.folder.settings,
            cls.folder.operating_points, cls.bundle, subgraphs.every_set(3))
        cls.packed = cls.root / "zoo" / "toy"
        packing.pack(cls.sources(), cls.packed)

    def setUp(self):
        super().setUp()
        zoo = pathlib.Path(self.create_tempdir().full_path) / "zoo"
        self.entry = entry_lib.Entry(zoo / "toy")
        shutil.copytree(self.packed, self.entry.path)

    @classmethod
    def sources(cls, **changes):
        return packing.Sources(**{
            "run": cls.folder, "bundles": (cls.bundle,), "notes": _NOTES,
            "hardware": "two cores", "test": cls.dataset.test, **changes})


class PackTest(_ZooTest):

    def test_entry_is_a_run_without_optimizer_images_or_places(self):
        entry = self.entry
        for ours, theirs in zip(entry.run.load_network().variables,
                                self.folder.load_network().variables):
            self.assertAllEqual(ours, theirs)
        steered = steering.Steering(0.5)
        entry.run.restore_steering(steered)
        self.assertAllClose(steered.alpha, 0.25)
        self.assertLess(entry_lib.size(entry.path / "checkpoints"),
                        entry_lib.size(self.folder.path / "checkpoints")
                        - 400_000)
        self.assertEqual(entry.run.flags, [
            "--data_name=noise", "--model_depth=8", "--seed=7",
            "--train_base_checkpoint=zoo/toy", "--target_cost=0.5"])
        recorded = trace_files.load_of(entry.run, "test")
        self.assertEmpty(recorded.examples)
        self.assertEqual(recorded.about.run, "toy")
        for path in entry.path.rglob("*"):
            if path.is_file():
                self.assertNotIn(b"/home/me", path.read_bytes(), path)

    def test_traces_keep_what_numbers_are_made_of(self):
        for split in ("tune", "test"):
            old = trace_files.load_of(self.folder, split)
            new = trace_files.load_of(self.entry.run, split)
            for name, values in old.traces._asdict().items():
                self.assertAllEqual(values, getattr(new.traces, name), name)
            self.assertAllEqual(old.base_logits, new.base_logits)

    def test_card_gives_what_traces_and_device_say(self):
        card = self.entry.json("card.json")
        recorded = trace_files.load_of(self.folder, "test")
        chosen = self.folder.operating_points[0]["thresholds"]
        outcome = thresholds.apply(
            recorded.traces, recorded.costs["macs"], chosen)
        name = "gated, exits at default"
        self.assertAllClose(card["points"][name]["test"]["accuracy"],
                            outcome.correct.mean())
        device = card["bundles"]["float32"]["points"]
        self.assertEqual(list(device), ["gated", name])
        self.assertEqual(device[name]["images"], 40)
        self.assertAllClose(device[name]["mean_macs"], outcome.cost.mean())
        self.assertAllClose(device[name]["accuracy"], outcome.correct.mean())
        self.assertEqual(card["training"]["seed"], 7)
        page = self.entry.text("card.md")
        for text in ("two cores", "Knows nothing.", "Horowitz", "MFLOPs",
                     f"| {100 * outcome.correct.mean():.2f}% |"):
            self.assertIn(text, page)

    def test_entry_that_exists_is_left_alone(self):
        before = (self.packed / "card.md").stat().st_mtime_ns
        with self.assertRaisesRegex(errors.StorageError, "exists already"):
            packing.pack(self.sources(), self.packed)
        self.assertEqual((self.packed / "card.md").stat().st_mtime_ns, before)

    def _assert_refused(self, error, message, **changes):
        where = self.root / "zoo" / "other"
        with self.assertRaisesRegex(error, message):
            packing.pack(self.sources(**changes), where)
        self.assertEqual([path.name for path in where.parent.iterdir()],
                         ["toy"])

    def _run_without(self, name):
        path = pathlib.Path(self.create_tempdir().full_path) / "run"
        shutil.copytree(self.folder.path, path)
        (path / name).unlink()
        return run_folder.RunFolder(path)

    def test_unfinished_run_is_refused(self):
        for name in ("operating_points.json", "summary.json"):
            self._assert_refused(errors.CheckpointError, "is not finished",
                                 run=self._run_without(name))

    def test_run_without_traces_is_refused(self):
        self._assert_refused(
            errors.TracesError, "ddi_tf.evaluate .*--split=tune",
            run=self._run_without("traces/tune.npz"))

    def test_bundle_of_another_run_is_refused(self):
        run = self._run_without("lock") if (
            self.folder.path / "lock").exists() else self._run_without(
                "traces/test.npz")
        shutil.copyfile(trace_files.path(self.folder.path, "test"),
                        trace_files.path(run.path, "test"))
        points = run.operating_points
        run.save_operating_points([{**points[0], "name": "other"}])
        self._assert_refused(errors.ZooError, "is not of the run .*Export it",
                             run=run)

    def test_no_bundle_twice_of_a_kind_and_no_notes_are_refused(self):
        self._assert_refused(errors.ZooError, "manifest.json: cannot be read",
                             bundles=(self.root / "none",))
        self._assert_refused(errors.ZooError, "both of float32 numbers",
                             bundles=(self.bundle, self.bundle))
        self._assert_refused(errors.ZooError, "'## Limits' not found",
                             notes="## Intended use\n\nAny.\n")

    def test_broken_bundle_leaves_nothing(self):
        broken = pathlib.Path(self.create_tempdir().full_path) / "bundle"
        shutil.copytree(self.bundle, broken)
        (broken / "graphs" / "stem.tflite").write_bytes(b"")
        self._assert_refused(errors.ZooError, "device.run .*stem.tflite",
                             bundles=(broken,))


class VerifyTest(_ZooTest):

    def _change(self, name, change):
        path = self.entry.path / name
        path.write_text(change(path.read_text()))

    def test_whole_entry_passes_every_check(self):
        self.assertEqual(_verify(self.entry, self.dataset), {})

    def test_changed_missing_and_added_files_are_named(self):
        self._change("metrics.jsonl", lambda text: text + "\n")
        (self.entry.path / "flags.cfg").unlink()
        (self.entry.path / "more").write_text("x")
        failures = _verify(self.entry)["files"]
        self.assertLen(failures, 3)
        self.assertRegex(failures[0], "flags.cfg is missing")
        self.assertRegex(failures[1], "metrics.jsonl was changed")
        self.assertRegex(failures[2], "more is not listed")

    def test_a_number_changed_in_the_card_is_named(self):
        def change(text):
            card = json.loads(text)
            card["points"]["gated"]["test"]["accuracy"] = 0.99
            return json.dumps(card)
        self._change("card.json", change)
        failures, = _verify(self.entry)["card"],
        self.assertLen(failures, 1)
        self.assertRegex(
            failures[0], "points.gated.test.accuracy was 0.99, now is")

    def test_a_line_changed_in_the_page_is_named(self):
        self._change("card.md", lambda text: text.replace("seed 7", "seed 8"))
        failures = _verify(self.entry)["card"]
        self.assertLen(failures, 1)
        self.assertRegex(failures[0], "card.md, line .*seed 7.*seed 8")

    def test_missing_bundle_fails(self):
        shutil.rmtree(self.entry.path / "float32")
        found = _verify(self.entry)
        self.assertRegex(found["bundles"][0], "float32/manifest.json")

    def test_altered_graph_is_found_by_the_device(self):
        (self.entry.path / "float32" / "graphs" / "head.tflite").write_bytes(
            b"x")
        found = _verify(self.entry)
        self.assertRegex(found["bundles"][0], "head.tflite: expected .*bytes")

    def test_missing_checkpoint_fails(self):
        shutil.rmtree(self.entry.path / "checkpoints")
        self.assertRegex(_verify(self.entry)["network"][0], "no checkpoint")

    def test_device_numbers_that_do_not_come_again_fail(self):
        def change(text):
            facts = json.loads(text)
            facts["bundles"]["float32"]["gated"]["accuracy"] += 0.1
            return json.dumps(facts)
        self._change("entry.json", change)
        found = _verify(self.entry, self.dataset)
        self.assertRegex(found["bundles on test images"][0],
                         "float32, gated: accuracy was .*, is")

    def test_other_weights_than_those_of_the_traces_fail(self):
        net = self.entry.run.load_network()
        for variable in net.variables:
            variable.assign(variable + 0.1)
        self.entry.run.checkpoints.save(tf.train.Checkpoint(network=net), 3)
        self.assertRegex(_verify(self.entry)["network"][0], "another network")

    def test_other_images_are_not_compared(self):
        other = self.dataset._replace(test=self.dataset.tune)
        found = checks.run(checks.of_images(other)[0][1], self.entry)
        self.assertRegex(found[0], "their labels differ")


class CommandTest(_ZooTest):

    def _zoo(self, *words):
        return subprocess.run(
            [sys.executable, "-m", "ddi_tf.zoo", *words,
             f"--zoo={self.entry.path.parent}"], capture_output=True, text=True,
            env={**os.environ, "PYTHONPATH": str(_ROOT)}, check=False)

    def test_verify_prints_a_line_per_check_and_fails_with_a_reason(self):
        done = self._zoo("verify", "toy")
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertEqual([line.split(maxsplit=1) for line in
                          done.stdout.splitlines()], [
            ["ok", title] for title, _ in checks.of_files()])
        (self.entry.path / "card.md").unlink()
        done = self._zoo("verify", "toy")
        self.assertEqual(done.returncode, 1)
        self.assertRegex(done.stdout, "FAILED  files: .*card.md is missing")
        self.assertRegex(done.stderr, "error: .*toy: 2 failed.")
        self.assertNotIn("Traceback", done.stderr)

    def test_wrong_words_are_one_error(self):
        for words, message in (
                ((), "give `list`"), (("verify", "none"), "there is no"),
                (("verify", "../x"), "name is made of"),
                (("pack", "it", "--run=r"), "needs --bundles, --notes")):
            done = self._zoo(*words)
            self.assertEqual(done.returncode, 1)
            self.assertRegex(done.stderr, f"^error: .*{message}")
            self.assertNotIn("Traceback", done.stderr)

    def test_list_names_entries(self):
        table = listing.table(self.entry.path.parent)
        self.assertEqual(next(iter(table.columns[0].cells)), "toy")
        with self.assertRaisesRegex(errors.ZooError, "holds no entries"):
            listing.table(self.entry.path)


if __name__ == "__main__":
    tf.test.main()
