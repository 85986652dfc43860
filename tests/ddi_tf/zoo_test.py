"""The zoo: what an entry holds, what is refused, and what `verify` finds."""

import functools
import json
import pathlib
import shutil
import tempfile
from unittest import mock

import numpy as np
import tensorflow as tf
import tf_keras

import train_command
from ddi_tf import data
from ddi_tf import errors
from ddi_tf import latency
from ddi_tf import network as network_lib
from ddi_tf import resources
from ddi_tf import run_folder
from ddi_tf import run_summary
from ddi_tf import steering
from ddi_tf import thresholds
from ddi_tf import trace_files
from ddi_tf import tracing
from ddi_tf import units
from ddi_tf.zoo import checks
from ddi_tf.zoo import entry as entry_lib
from ddi_tf.zoo import listing
from ddi_tf.zoo import manifests
from ddi_tf.zoo import packing

_NOTES = "## Intended use\n\nTests.\n\n## Limits\n\nKnows nothing.\n"
_TUNE = {"accuracy": 0.5, "skip_ratio": 0.5, "cost": 0.5}
_RECORD = {"phase": "exits", "step": 1, "phase_step": 1, "seconds": 60.0,
           "train": {"resource_loss": 0.1}, "tune": _TUNE}
_FLAGS = (
    "--run=/home/me/run\n--data_dir=/home/me/data\n--data_name=digits\n"
    "--nodata_download\n--model_depth=8\n--seed=0\n"
    "--train_base_checkpoint=/home/me/base\n--test_tmpdir=/tmp\n"
    "--target_cost=0.7\n")
_ROOT = pathlib.Path(__file__).parents[2]
_TESTDATA = _ROOT / "tests" / "testdata"
_BUNDLE = _TESTDATA / "digits_resnet8"


def _dataset():
    """The 24 images of the bundle in testdata, as tune and test."""
    with np.load(_TESTDATA / "digits.npz") as file:
        split = data.Split(file["images"], file["labels"].astype(np.int32))
    return data.Dataset(
        "digits", tuple("0123456789"), data.Scaling((78.0,) * 3, (82.5,) * 3),
        False, split, split, split)


def _make_run(path, dataset):
    """A finished run with the settings of the bundle, but random weights."""
    manifest = json.loads((_BUNDLE / "manifest.json").read_text())
    settings = manifest["provenance"]["settings"]
    tf_keras.utils.set_random_seed(1)
    folder = run_folder.RunFolder(path)
    with mock.patch.object(
            run_folder, "commit", return_value=settings["commit"]):
        folder.create(settings, _FLAGS)
    folder.append_metrics(_RECORD)
    net = network_lib.Network(folder.network_config)
    folder.checkpoints.save(tf.train.Checkpoint(
        network=net, steering=steering.Steering(0.25),
        optimizer=tf.Variable(tf.random.normal([100_000]))), 3)
    folder.save_phase("base", net)
    energy = [resources.Energy("horowitz", "int8")]
    traces = tracing.record(folder, "tune", dataset, energy)
    tracing.record(folder, "test", dataset, energy)
    point, = manifest["operating_points"]
    folder.save_operating_points([thresholds.point(
        point["name"], point["thresholds"], {"macs": thresholds.apply(
            traces.traces, traces.costs["macs"], point["thresholds"])})])
    run_summary.save(folder, net)
    return folder


def _verify(entry, dataset=None):
    """{title of a check: what is wrong}, of those that found something."""
    todo = checks.of_files() + (checks.of_images(dataset) if dataset else ())
    found = {title: checks.run(check, entry) for title, check in todo}
    return {title: failures for title, failures in found.items() if failures}


@functools.cache
def _packed():
    """A folder with the run `run`, and `zoo/toy` made of it and _BUNDLE."""
    root = pathlib.Path(tempfile.mkdtemp())
    dataset = _dataset()
    _make_run(root / "run", dataset)
    packing.pack(_sources(root, dataset), root / "zoo" / "toy")
    return root


def _sources(root, dataset, **changes):
    return packing.Sources(**{
        "run": run_folder.RunFolder(root / "run"),
        "bundles": (_BUNDLE,), "notes": _NOTES,
        "hardware": "two cores", "test": dataset.test, **changes})


class _ZooTest(tf.test.TestCase):
    """Gives every test an entry of its own, and what it was made of."""

    def setUp(self):
        super().setUp()
        # Tracing would take longer than the few batches do.
        tf.config.run_functions_eagerly(True)
        self.addCleanup(tf.config.run_functions_eagerly, False)
        self.root, self.dataset = _packed(), _dataset()
        self.folder = run_folder.RunFolder(self.root / "run")
        self.packed = self.root / "zoo" / "toy"
        zoo = pathlib.Path(self.create_tempdir().full_path) / "zoo"
        self.entry = entry_lib.Entry(zoo / "toy")
        shutil.copytree(self.packed, self.entry.path)

    def sources(self, **changes):
        return _sources(self.root, self.dataset, **changes)


class PackTest(_ZooTest):

    def test_entry_is_a_run_without_optimizer_images_or_places(self):
        entry = self.entry
        for ours, theirs in zip(entry.run.load_network().variables,
                                self.folder.load_network().variables):
            self.assertAllEqual(ours, theirs)
        steered = steering.Steering(0.5)
        entry.run.restore_steering(steered)
        self.assertAllClose(steered.alpha, 0.25)
        # The optimizer keeps a momentum per weight.
        self.assertLess(
            entry_lib.size(entry.path / "checkpoints"),
            0.7 * entry_lib.size(self.folder.path / "checkpoints"))
        self.assertEqual(entry.run.flags, [
            "--data_name=digits", "--model_depth=8", "--seed=0",
            "--train_base_checkpoint=zoo/toy", "--target_cost=0.7"])
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
            rounded = new.traces.logits
            for exact, coarse in ((old.traces.logits, rounded),
                                  (old.base_logits, new.base_logits)):
                self.assertDTypeEqual(coarse, np.float32)
                self.assertAllClose(coarse, exact, rtol=0, atol=3/32)
                self.assertAllEqual(16 * coarse, np.round(16 * coarse))
                self.assertAllEqual(coarse.argmax(-1), exact.argmax(-1))
            for name, values in old.traces._replace(
                    logits=rounded)._asdict().items():
                self.assertAllEqual(values, getattr(new.traces, name), name)

    def test_of_a_tie_the_largest_stays_the_largest(self):
        exact = np.float32([[[1.0, 1.02, -4.7], [0.5, 0.0, 0.4]]])
        self.assertAllEqual(packing._coarse(exact), np.float16(
            [[[1.0, 1.0625, -4.6875], [0.5, 0.0, 0.375]]]))

    def test_base_network_is_kept_small(self):
        ours, theirs = (folder.load_network("base")
                        for folder in (self.entry.run, self.folder))
        images = tf.random.stateless_normal([8, 16, 16, 3], [0, 1])
        self.assertAllClose(ours.base(images), theirs.base(images), atol=0.02)
        self.assertLess(entry_lib.size(self.entry.path / "phases"),
                        0.6 * entry_lib.size(self.folder.path / "phases"))

    def test_card_gives_what_traces_and_device_say(self):
        card = self.entry.json("card.json")
        recorded = trace_files.load_of(self.folder, "test")
        chosen = self.folder.operating_points[0]["thresholds"]
        outcome = thresholds.apply(
            recorded.traces, recorded.costs["macs"], chosen)
        name = "gated, exits at default"
        self.assertAllClose(card["points"][name]["test"]["accuracy"],
                            outcome.correct.mean())
        self.assertAllClose(card["points"][name]["test"]["mean_macs"],
                            outcome.cost.mean())
        device = card["bundles"]["float32"]["points"]
        self.assertEqual(list(device), ["gated", name])
        with np.load(_TESTDATA / "digits.npz") as said:
            self.assertAllClose(
                device["gated"]["accuracy"],
                np.mean(said["predictions"] == said["labels"]))
            self.assertAllClose(
                device["gated"]["mean_macs"], said["macs"].mean())
        self.assertEqual(device[name]["images"], 24)
        page = self.entry.text("card.md")
        for text in ("seed 0, on two cores", "Knows nothing.", "Horowitz",
                     "MFLOPs", f"| {100 * outcome.correct.mean():.2f}% |",
                     units.in_words(device[name]["mean_energy_mj"], "mJ")):
            self.assertIn(text, page)

    def test_profile_and_what_is_settled_go_along(self):
        path = pathlib.Path(self.create_tempdir().full_path) / "run"
        shutil.copytree(self.folder.path, path)
        medians = {"stem": 0.25, "head": 0.125}
        (path / "run.json").write_text(json.dumps({
            **self.folder.settings,
            "network": {**self.folder.settings["network"], "settled": [
                ["layer_gate", "stage1_block1", [1]]]},
            "resource": {"name": "latency", "median_ms": medians}}))
        (path / "flags.cfg").write_text(
            _FLAGS + "--loss_latency_profile=/home/me/profile.json\n")
        entry = entry_lib.Entry(self.entry.path.parent / "timed")
        with mock.patch.object(manifests, "check_same_run"):
            packing.pack(self.sources(run=run_folder.RunFolder(path)),
                         entry.path)
        self.assertIn("1 layer gates and 0 channel gates say the same",
                      entry.text("card.md"))
        self.assertEqual(entry.run.flags[-1],
                         "--loss_latency_profile=zoo/timed/latency.json")
        self.assertEqual(latency.read(entry.path / "latency.json"), medians)
        self.assertIn("  latency.json\n", entry.text("SHA256SUMS"))
        self.assertFalse((self.entry.path / "latency.json").exists())

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
        run = self._run_without("flags.cfg")
        points = run.operating_points
        run.save_operating_points([{**points[0], "name": "other"}])
        self._assert_refused(errors.ZooError, "is not of the run .*Export it",
                             run=run)

    def test_missing_and_double_bundles_and_notes_are_refused(self):
        self._assert_refused(errors.ZooError, "manifest.json: cannot be read",
                             bundles=(self.root / "none",))
        self._assert_refused(errors.ZooError, "both of float32 numbers",
                             bundles=(_BUNDLE, _BUNDLE))
        self._assert_refused(errors.ZooError, "'## Limits' not found",
                             notes="## Intended use\n\nAny.\n")

    def test_broken_bundle_leaves_nothing(self):
        broken = pathlib.Path(self.create_tempdir().full_path) / "bundle"
        shutil.copytree(_BUNDLE, broken)
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
        self._change("card.md", lambda text: text.replace("seed 0", "seed 8"))
        failures = _verify(self.entry)["card"]
        self.assertLen(failures, 1)
        self.assertRegex(failures[0], "card.md, line .*seed 0.*seed 8")

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
        other = self.dataset._replace(test=data.Split(
            self.dataset.test.images, 9 - self.dataset.test.labels))
        found = checks.run(checks.of_images(other)[0][1], self.entry)
        self.assertRegex(found[0], "their labels differ")


class CommandTest(_ZooTest):

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.commands = train_command.Commands("ddi_tf.zoo")
        cls.addClassCleanup(cls.commands.close)

    def _zoo(self, *words):
        return self.commands.run(*words, f"--zoo={self.entry.path.parent}")

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
