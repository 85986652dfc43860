"""Tests of the training command, as a user gives it."""

import json
import pathlib
import shutil
import signal
import tempfile

import numpy as np
import tensorflow as tf
from absl.testing import parameterized
from PIL import Image

import train_command
from ddi_tf import kernels
from ddi_tf import run_folder

_SMALL = train_command.SMALL
_WHOLE = [*_SMALL, "--train_norm_batches=2", *(
    f"--train_{phase}_epochs=0.2" for phase in (
        "base", "warmup", "skip", "restore", "exits"))]


class TrainTest(tf.test.TestCase, parameterized.TestCase):

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.root = pathlib.Path(tempfile.mkdtemp())
        cls.addClassCleanup(shutil.rmtree, cls.root)
        cls.commands = train_command.Commands()
        cls.addClassCleanup(cls.commands.close)
        cls.path = cls.root / "runs" / "whole"
        cls.whole = cls.commands.run(*_WHOLE, f"--run={cls.path}")

    def _metrics(self, path):
        lines = (path / "metrics.jsonl").read_text().splitlines()
        return [json.loads(line) for line in lines]

    def _assert_one_clear_line(self, result, pattern):
        self.assertEqual(result.returncode, 1, result.stderr)
        self.assertNotIn("Traceback", result.stderr)
        lines = [line for line in result.stderr.splitlines()
                 if line.startswith("error: ")]
        self.assertLen(lines, 1, result.stderr)
        self.assertRegex(lines[0], pattern)
        self.assertEqual(result.stdout, "")

    # A whole run.

    def test_run_succeeds_and_says_what_comes_next(self):
        self.assertEqual(self.whole.returncode, 0, self.whole.stderr)
        self.assertNotIn("Traceback", self.whole.stderr)
        self.assertRegex(
            self.whole.stdout,
            rf"^Trained {self.path}: tune accuracy [\d.]+% at [\d.]+ of the "
            rf"base(.|\n)*converters.export --checkpoint={self.path}")

    def test_run_leaves_its_files(self):
        for name in ("flags.cfg", "run.json", "metrics.jsonl",
                     "operating_points.json", "summary.json"):
            self.assertTrue((self.path / name).is_file(), name)
        # Two steps of each phase, and the finish: the last three are kept.
        self.assertEqual(
            sorted(p.name for p in self.path.glob("checkpoints/*.index")),
            ["ckpt-10.index", "ckpt-11.index", "ckpt-8.index"])

    def test_run_goes_through_the_five_phases(self):
        self.assertEqual(
            [(record["phase"], record["step"])
             for record in self._metrics(self.path)],
            [("base", 2), ("warmup", 4), ("skip", 6), ("restore", 8),
             ("exits", 10), ("finish", 11)])

    def test_run_json_holds_the_settings(self):
        settings = json.loads((self.path / "run.json").read_text())
        self.assertEqual(settings["network"]["depth"], 8)
        self.assertEqual(settings["schedule"]["epochs"]["skip"], 0.2)
        self.assertEqual(settings["schedule"]["norm_batches"], 2)
        self.assertEqual(settings["resource"], {"name": "flops"})
        self.assertEqual(settings["data"]["name"], "digits")
        self.assertEqual(settings["data"]["label_names"], list("0123456789"))
        self.assertNotEmpty(settings["commit"])

    def test_operating_points_have_a_threshold_per_exit(self):
        default, *others = json.loads(
            (self.path / "operating_points.json").read_text())
        self.assertEqual(default["name"], "default")
        self.assertNotEmpty(others)
        for point in (default, *others):
            self.assertLen(point["thresholds"], 3)

    def test_flags_file_can_be_given_back(self):
        flags = self.path / "flags.cfg"
        self.assertIn(
            "--model_depth=8", flags.read_text().splitlines())
        before = self._metrics(self.path)
        result = self.commands.run(f"--flagfile={flags}")
        self.assertEqual(result.returncode, 0, result.stderr)
        self.assertIn("going on from step 11", result.stderr)
        self.assertEqual(result.stdout, self.whole.stdout)
        self.assertEqual(self._metrics(self.path), before)

    # Own images.

    def _photos(self):
        photos = self.root / "photos"
        noise = np.random.default_rng(0)
        for name in ("cat", "dog"):
            (photos / name).mkdir(parents=True)
            for index in range(60):
                Image.fromarray(noise.integers(
                    0, 256, [20, 30, 3]).astype(np.uint8)).save(
                        photos / name / f"{index}.png")
        return photos

    def test_own_images_are_trained_on_from_disk_and_change_is_noticed(self):
        photos, run = self._photos(), self.root / "own"
        flags = ["--data_name=folder", f"--data_dir={photos}", f"--run={run}",
                 "--model_depth=8", "--train_batch_size=16",
                 "--data_image_size=16", "--data_crop=zoom",
                 "--data_memory_gb=0", f"--data_cache={self.root / 'cache'}",
                 "--train_base_epochs=0.4", *(
                     f"--train_{phase}_epochs=0" for phase in (
                         "warmup", "skip", "restore", "exits"))]
        result = self.commands.run(*flags)
        self.assertEqual(result.returncode, 0, result.stderr)
        settings = json.loads((run / "run.json").read_text())
        self.assertEqual(settings["network"]["image_shape"], [16, 16, 3])
        self.assertEqual(settings["network"]["classes"], 2)
        self.assertEqual(settings["data"]["label_names"], ["cat", "dog"])
        self.assertEqual(settings["data"]["crop"], "zoom")
        (photos / "cat" / "0.png").rename(photos / "cat" / "zero.png")
        self._assert_one_clear_line(
            self.commands.run(*flags), "holds a run with other settings: data")

    # Mistakes.

    def test_own_images_that_are_not_there_are_one_line(self):
        self._assert_one_clear_line(self.commands.run(
            "--data_name=folder", f"--data_dir={self.root / 'nothing'}",
            f"--run={self.root / 'none'}"), "nothing: no such folder")
        self.assertFalse((self.root / "none").exists())

    def test_unknown_flag_is_named(self):
        result = self.commands.run("--model_dept=8", f"--run={self.path}")
        self.assertEqual(result.returncode, 1)
        self.assertNotIn("Traceback", result.stderr)
        self.assertIn(
            "Unknown command line flag 'model_dept'", result.stderr)

    def test_run_is_required(self):
        result = self.commands.run(*_WHOLE)
        self.assertEqual(result.returncode, 1)
        self.assertNotIn("Traceback", result.stderr)
        self.assertIn("--run must have a value", result.stderr)

    def test_bad_depth_is_one_line(self):
        path = self.root / "bad_depth"
        self._assert_one_clear_line(
            self.commands.run("--model_depth=9", f"--run={path}"),
            r"`model_depth` must be 6n \+ 2 .*Received: 9")
        self.assertFalse(path.exists())

    def test_bad_target_is_one_line(self):
        path = self.root / "bad_target"
        self._assert_one_clear_line(
            self.commands.run(*_SMALL, "--target_cost=50", f"--run={path}"),
            r"`target_cost` is a fraction .*Received: 50")
        self.assertFalse(path.exists())

    def test_sparsity_of_everything_is_one_line(self):
        path = self.root / "bad_sparsity"
        self._assert_one_clear_line(
            self.commands.run(*_SMALL, "--train_sparsity=1", f"--run={path}"),
            r"`train_sparsity` .*must lie in \[0, 1\)\. Received: 1")
        self.assertFalse(path.exists())

    def test_positional_argument_is_one_line(self):
        self._assert_one_clear_line(
            self.commands.run(*_SMALL, f"--run={self.path}", "model_depth=8"),
            "unexpected argument 'model_depth=8'; flags begin with --")

    def test_other_settings_in_the_same_run_are_one_line(self):
        before = (self.path / "run.json").read_text()
        self._assert_one_clear_line(
            self.commands.run(*_WHOLE, "--seed=1", f"--run={self.path}"),
            f"{self.path} holds a run with other settings: schedule.seed was "
            "0, now is 1. .*another --run")
        self.assertEqual((self.path / "run.json").read_text(), before)

    def test_batch_larger_than_the_data_is_one_line_and_leaves_no_run(self):
        path = self.root / "bad_batch"
        self._assert_one_clear_line(
            self.commands.run(
                *_WHOLE, "--train_batch_size=5000", f"--run={path}"),
            r"`train_batch_size` must lie in 1\.\.1077.*Received: 5000")
        self.assertFalse(path.exists())

    @parameterized.parameters(
        ("train_gate_noise", "1.5"), ("train_gate_noise", "-0.1"),
        ("train_gate_noise", "loud"), ("train_norm_batches", "-1"),
        ("train_sparsity", "-0.1"), ("train_sparsity", "1.5"),
        ("train_clusters", "1"), ("train_clusters", "few"),
        ("train_prune_epochs", "-1"), ("train_cluster_epochs", "-1"),
        ("train_norm_batches", "2.5"), ("loss_resource", "joules"),
        ("loss_energy_model", "abacus"), ("loss_energy_width", "int7"))
    def test_value_that_no_flag_takes_is_named(self, flag, value):
        path = self.root / "bad_flag"
        result = self.commands.run(
            *_SMALL, f"--{flag}={value}", f"--run={path}")
        self.assertNotEqual(result.returncode, 0)
        self.assertNotIn("Traceback", result.stderr)
        lines = [line for line in result.stderr.splitlines() if flag in line]
        self.assertLen(lines, 1, result.stderr)
        self.assertIn(value, lines[0])
        self.assertFalse(path.exists())

    def test_energy_of_unknown_width_is_one_line_that_names_the_known(self):
        path = self.root / "bad_energy"
        self._assert_one_clear_line(
            self.commands.run(
                *_WHOLE, "--loss_resource=energy",
                "--loss_energy_model=eyeriss", f"--run={path}"),
            r"must be one of .*eyeriss \(int16\).*Received: eyeriss \(int8\)")
        self.assertFalse(path.exists())

    def test_latency_without_a_profile_is_one_line(self):
        path = self.root / "no_profile"
        self._assert_one_clear_line(
            self.commands.run(
                *_WHOLE, "--loss_resource=latency", f"--run={path}"),
            "--loss_resource=latency needs --loss_latency_profile.*"
            "python -m device.profile")
        self.assertFalse(path.exists())

    def test_latency_of_another_network_is_one_line_and_leaves_no_run(self):
        profile, path = self.root / "profile.json", self.root / "other_profile"
        profile.write_text(
            '{"graphs": [{"name": "stem", "median_ms": 0.1}]}')
        self._assert_one_clear_line(
            self.commands.run(
                *_WHOLE, "--loss_resource=latency",
                f"--loss_latency_profile={profile}", f"--run={path}"),
            "the latency profile has no .*measured on another network")
        self.assertFalse(path.exists())

    def test_another_resource_in_the_same_run_is_one_line(self):
        self._assert_one_clear_line(
            self.commands.run(
                *_WHOLE, "--loss_resource=energy", "--loss_energy_model=u385",
                f"--run={self.path}"),
            f"{self.path} holds a run with other settings: resource.*Go on")

    def test_run_that_is_a_file_is_one_line(self):
        path = self.root / "file"
        path.write_text("")
        self._assert_one_clear_line(
            self.commands.run(*_WHOLE, f"--run={path}"), str(path))

    # A backbone from another run.

    def test_base_checkpoint_is_taken_after_a_kill_too(self):
        # Killed after the backbone was copied, before the first checkpoint.
        path = self.root / "from_base"
        (path / "phases").mkdir(parents=True)
        for file in (self.path / "phases").glob("base.*"):
            shutil.copy(file, path / "phases")
        result = self.commands.run(
            *_SMALL, "--train_warmup_epochs=0.1", "--train_skip_epochs=0",
            "--train_restore_epochs=0", "--train_exits_epochs=0",
            "--nomodel_channel_gates", "--nomodel_exits",
            f"--train_base_checkpoint={self.path}", f"--run={path}")
        self.assertEqual(result.returncode, 0, result.stderr)
        key = "network/stem/conv/kernel/.ATTRIBUTES/VARIABLE_VALUE"
        base, warmed_up = (
            tf.train.load_checkpoint(str(prefix)).get_tensor(key)
            for prefix in (self.path / "phases" / "base",
                           path / "phases" / "warmup"))
        self.assertTrue(
            np.array_equal(warmed_up, base), "not the backbone that was given")

    def test_base_checkpoint_that_is_missing_is_one_line(self):
        self._assert_one_clear_line(
            self.commands.run(
                *_SMALL, f"--train_base_checkpoint={self.root / 'nowhere'}",
                f"--run={self.root / 'no_base'}"),
            f"{self.root / 'nowhere'} holds no checkpoint")

    def test_a_base_network_is_trained_on_by_a_teacher(self):
        path = self.root / "grown"
        result = self.commands.run(
            *_SMALL, "--train_base_epochs=0.1", "--train_warmup_epochs=0",
            "--train_skip_epochs=0", "--train_restore_epochs=0",
            "--train_exits_epochs=0", "--nomodel_channel_gates",
            "--nomodel_exits", "--train_base_lr=1e-9",
            "--train_distill=1", f"--train_teacher={self.path}",
            f"--train_grow_checkpoint={self.path}", f"--run={path}")
        self.assertEqual(result.returncode, 0, result.stderr)
        key = "network/stem/conv/kernel/.ATTRIBUTES/VARIABLE_VALUE"
        given, grown = (
            tf.train.load_checkpoint(str(folder / "phases" / "base"))
            .get_tensor(key) for folder in (self.path, path))
        self.assertAllClose(grown, given, rtol=0, atol=1e-6)
        self.assertEqual(
            run_folder.RunFolder(path).settings["teacher"], str(self.path))

    # Gates that are settled.

    def test_settled_gates_are_asked_no_more(self):
        path = self.root / "settled"
        flags = [*_WHOLE, "--train_settle", f"--run={path}"]
        result = self.commands.run(*flags)
        self.assertEqual(result.returncode, 0, result.stderr)
        self.assertRegex(
            result.stderr,
            r"settled: \d of 3 layer gates and \d of 3 channel gates")
        self.assertEqual(
            [line["phase"] for line in self._metrics(path)],
            ["base", "warmup", "skip", "restore", "exits", "finish"])
        settled = run_folder.RunFolder(path).network_config.settled
        self.assertNotEmpty(settled)
        with self.subTest("no gate costs anything before"):
            [warmup] = [line["tune"] for line in self._metrics(path)
                        if line["phase"] == "warmup"]
            self.assertGreater(warmup["skip_ratio"], 0)
            self.assertLess(warmup["cost"], 1)
        with self.subTest("the same command goes on"):
            again = self.commands.run(*flags)
            self.assertEqual(again.returncode, 0, again.stderr)
            self.assertIn("going on from step", again.stderr)
        with self.subTest("a run that starts from the whole network has them"):
            smaller = self.root / "settled_smaller"
            result = self.commands.run(
                *_WHOLE, "--train_prune_epochs=0.1",
                f"--train_checkpoint={path}", f"--run={smaller}")
            self.assertEqual(result.returncode, 0, result.stderr)
            self.assertEqual(
                run_folder.RunFolder(smaller).network_config.settled, settled)

    # A whole network from another run.

    def test_a_whole_network_is_pruned_and_clustered_on_target(self):
        path = self.root / "smaller"
        flags = [*_WHOLE, "--train_prune_epochs=0.2", "--train_sparsity=0.7",
                 "--train_cluster_epochs=0.2", "--train_clusters=8",
                 f"--train_checkpoint={self.path}", f"--run={path}"]
        result = self.commands.run(*flags)
        self.assertEqual(result.returncode, 0, result.stderr)
        self.assertEqual(
            [(line["phase"], line["step"]) for line in self._metrics(path)],
            [("prune", 2), ("cluster", 4), ("finish", 5)])
        with self.subTest("it has begun where the other ended"):
            given, theirs = (run_folder.RunFolder(self.path).load_network(),
                             run_folder.RunFolder(path).load_network("start"))
            for a, b in zip(given.variables, theirs.variables, strict=True):
                self.assertTrue(np.array_equal(a, b), a.name)
        net = run_folder.RunFolder(path).load_network()
        for kernel in kernels.of(net):
            self.assertLen(np.unique(kernel), 8)
            self.assertAllClose(np.mean(kernel == 0), 0.7, atol=1e-3)
        self.assertRegex(
            result.stdout, r"\nkernels 0\.0% to 70\.0% zeros, [\d,]+ to 8 val")
        with self.subTest("the same command goes on"):
            again = self.commands.run(*flags)
            self.assertEqual(again.returncode, 0, again.stderr)
            self.assertIn("going on from step 5", again.stderr)
            self.assertEqual(again.stdout, result.stdout)

    def test_a_whole_network_goes_on_with_its_exits(self):
        path = self.root / "exits_again"
        flags = [*_WHOLE, "--train_settle", "--train_joint_lr=1e-9",
                 f"--train_exits_checkpoint={self.path}", f"--run={path}"]
        result = self.commands.run(*flags)
        self.assertEqual(result.returncode, 0, result.stderr)
        self.assertEqual(
            [(line["phase"], line["step"]) for line in self._metrics(path)],
            [("exits", 2), ("finish", 3)])
        folder = run_folder.RunFolder(path)
        with self.subTest("its gates can be settled before the first step"):
            self.assertNotEmpty(folder.network_config.settled)
        with self.subTest("its channels stay in their order"):
            for a, b in zip(kernels.of(folder.load_network("start")),
                            kernels.of(folder.load_network()), strict=True):
                self.assertAllClose(a, b, rtol=0, atol=1e-6)
        with self.subTest("the same command goes on"):
            again = self.commands.run(*flags)
            self.assertEqual(again.returncode, 0, again.stderr)
            self.assertIn("going on from step 3", again.stderr)
            self.assertEqual(again.stdout, result.stdout)

    def test_a_checkpoint_that_is_no_run_is_one_line(self):
        path = self.root / "no_whole"
        self._assert_one_clear_line(self.commands.run(
            *_SMALL, "--train_prune_epochs=1",
            f"--train_checkpoint={self.root / 'nowhere'}", f"--run={path}"),
            f"{self.root / 'nowhere'} is not a training run")
        self.assertFalse(path.exists())

    def test_a_checkpoint_of_another_network_is_one_line(self):
        path = self.root / "other_whole"
        self._assert_one_clear_line(self.commands.run(
            *_SMALL, "--train_prune_epochs=1", "--model_groups=4",
            f"--train_checkpoint={self.path}", f"--run={path}"),
            f"{self.path} holds another network: groups is 2 there, 4 here")
        self.assertFalse(path.exists())

    def test_two_networks_to_start_from_are_one_line(self):
        path = self.root / "both"
        self._assert_one_clear_line(self.commands.run(
            *_SMALL, f"--train_checkpoint={self.path}",
            f"--train_base_checkpoint={self.path}", f"--run={path}"),
            "--train_base_checkpoint and --train_checkpoint both say")
        self.assertFalse(path.exists())

    def test_a_run_that_another_process_trains_is_one_line(self):
        with run_folder.RunFolder(self.path).locked():
            self._assert_one_clear_line(
                self.commands.run(*_WHOLE, f"--run={self.path}"),
                f"another process is training in {self.path} ")


class StoppedTest(tf.test.TestCase):
    """One run: a signal, a full disk, another signal, each time resumed."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        root = pathlib.Path(tempfile.mkdtemp())
        cls.addClassCleanup(shutil.rmtree, root)
        commands = train_command.Commands()
        cls.addClassCleanup(commands.close)
        cls.path = root / "run"
        flags = [*_SMALL, "--train_base_epochs=1000",
                 f"--run={cls.path}"]
        command = commands.start(*flags)
        command.await_line("base step 8:")
        command.send(signal.SIGTERM)
        cls.terminated = command.wait()
        cls.before = cls._checkpoints()
        cls.full = commands.run(*flags, file_bytes=100_000)
        cls.after = cls._checkpoints()
        command = commands.start(*flags)
        command.await_line("going on from step")
        command.send(signal.SIGINT)
        cls.interrupted = command.wait()

    @classmethod
    def _checkpoints(cls):
        return sorted(p.name for p in cls.path.glob("checkpoints/*"))

    def _assert_stopped(self, result, status):
        self.assertEqual(result.returncode, status, result.stderr)
        self.assertNotIn("Traceback", result.stderr)
        self.assertIn("stopping after this step", result.stderr)
        last = result.stderr.splitlines()[-1]
        self.assertRegex(
            last, rf"stopped at step \d+ and saved in {self.path}; the same "
            "command goes on")
        return int(last.split()[3])

    def test_sigterm_saves_and_says_how_to_go_on(self):
        step = self._assert_stopped(self.terminated, 143)
        self.assertContainsSubset([f"ckpt-{step}.index"], self.before)

    def test_a_full_disk_is_one_line_and_leaves_the_last_intact(self):
        self.assertEqual(self.full.returncode, 1, self.full.stderr)
        self.assertNotIn("Traceback", self.full.stderr)
        self.assertRegex(
            self.full.stderr.splitlines()[-1],
            rf"^error: {self.path}/checkpoints/ckpt-\d+ cannot be written "
            r"\(.*File too large.*\)\. What was saved before is intact")
        self.assertEqual(self.after, self.before)

    def test_ctrl_c_saves_and_goes_on_from_there(self):
        step = self._assert_stopped(self.terminated, 143)
        self.assertIn(f"going on from step {step}", self.full.stderr)
        self.assertIn(f"going on from step {step}", self.interrupted.stderr)
        self.assertGreaterEqual(
            self._assert_stopped(self.interrupted, 130), step)


if __name__ == "__main__":
    tf.test.main()
