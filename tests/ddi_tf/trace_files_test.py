"""Tests of the files that traces are kept in."""

import dataclasses
import json
import pathlib

import numpy as np
import tensorflow as tf

import trace_cases
from ddi_tf import errors
from ddi_tf import trace_files


class FileTest(tf.test.TestCase):

    def setUp(self):
        super().setUp()
        self.folder = pathlib.Path(self.create_tempdir().full_path) / "run"
        self.path = trace_files.path(self.folder, "tune")
        self.written = trace_cases.recorded(trace_cases.random(0))
        trace_files.save(self.path, self.written)

    def test_what_is_read_is_what_was_written(self):
        found = trace_files.load(self.path)
        self.assertEqual(found.about, self.written.about)
        for ours, theirs in zip(
                tf.nest.flatten(found[1:]), tf.nest.flatten(self.written[1:])):
            self.assertAllEqual(ours, theirs)
        self.assertEqual(found.traces.spent.dtype, np.int64)
        self.assertEqual(found.about.label_names, ["a", "b"])

    def test_numpy_alone_reads_it(self):
        with np.load(self.path) as file:
            self.assertAllEqual(
                file["entropies"], self.written.traces.entropies)
            self.assertAllEqual(
                file["spent_energy"], self.written.costs["energy"].spent)
            self.assertEqual(json.loads(str(file["about"]))["seed"], 3)

    def test_accuracy_of_the_base_network_by_hand(self):
        trace = trace_cases.traces([[0]] * 4, [[0]] * 4, [[1]] * 4,
                                   [0, 1, 2, 1])  # labels, answered modulo 2
        self.assertEqual(trace_cases.recorded(trace).base_accuracy, 0.75)

    def test_missing_traces_are_an_error_with_the_command(self):
        with self.assertRaisesRegex(
                errors.TracesError, rf"python -m ddi_tf.evaluate --run="
                rf"{self.folder} --split=test --best$"):
            trace_files.load(trace_files.path(self.folder, "test", best=True))

    def test_damage_is_an_error(self):
        content = self.path.read_bytes()
        for damaged in (content[:len(content) // 2], b"", b"no traces",
                        content.replace(b"about", b"abort")):
            self.path.write_bytes(damaged)
            with self.assertRaisesRegex(
                    errors.TracesError, rf"{self.path}.*Delete it and write"):
                trace_files.load(self.path)

    def test_another_version_is_an_error(self):
        about = dataclasses.replace(self.written.about, format_version=99)
        trace_files.save(self.path, self.written._replace(about=about))
        with self.assertRaisesRegex(errors.TracesError, "version 99"):
            trace_files.load(self.path)

    def test_a_file_that_is_no_archive_of_traces_is_an_error(self):
        trace_files.write(self.path, {"logits": np.zeros(3)})
        with self.assertRaisesRegex(errors.TracesError, "holds no traces"):
            trace_files.load(self.path)

    def test_a_folder_that_cannot_be_written_is_an_error(self):
        blocked = self.folder / "file"
        blocked.write_text("")
        with self.assertRaises(errors.StorageError):
            trace_files.save(trace_files.path(blocked, "tune"), self.written)


if __name__ == "__main__":
    tf.test.main()
