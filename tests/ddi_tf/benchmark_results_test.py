"""What benchmarks do with their results (benchmarks/results.py)."""

import json
import os
import pathlib
import runpy
import shutil

from absl.testing import absltest

from ddi_tf import errors

_FILE = (pathlib.Path(__file__).parent.parent.parent / "benchmarks"
         / "results.py")

report = runpy.run_path(str(_FILE))["report"]


class ReportTest(absltest.TestCase):

    def setUp(self):
        super().setUp()
        self.shown = []
        self.folder = pathlib.Path(self.create_tempdir().full_path)

    def test_shows_it_and_keeps_it_as_json(self):
        file = self.folder / "result.json"
        report(lambda: {"rows": [1.5]}, self.shown.append, str(file))
        self.assertEqual(self.shown, [{"rows": [1.5]}])
        self.assertEqual(json.loads(file.read_text(encoding="utf-8")),
                         {"rows": [1.5]})

    def test_without_a_path_it_is_shown_alone(self):
        report(lambda: [2], self.shown.append, None)
        self.assertEqual(self.shown, [[2]])
        self.assertEmpty(os.listdir(self.folder))

    def test_path_that_cannot_be_written_is_known_before_measuring(self):
        measured = []
        with self.assertRaisesRegex(SystemExit, "error: .*nowhere.*existing"):
            report(lambda: measured.append(1), self.shown.append,
                   str(self.folder / "nowhere" / "result.json"))
        self.assertEmpty(measured)

    def test_error_of_what_is_measured_is_one_line_and_leaves_the_file(self):
        file = self.folder / "result.json"
        file.write_text("of before", encoding="utf-8")

        def measure():
            raise errors.CheckpointError("there is no run")

        with self.assertRaises(SystemExit) as caught:
            report(measure, self.shown.append, str(file))
        self.assertEqual(caught.exception.code, "error: there is no run")
        self.assertEqual(file.read_text(encoding="utf-8"), "of before")
        self.assertEmpty(self.shown)

    def test_where_it_cannot_be_written_any_more_it_is_shown(self):
        folder = self.folder / "removed"
        folder.mkdir()

        def measure():
            shutil.rmtree(folder)
            return [3]

        with self.assertRaisesRegex(SystemExit, "error: .*removed"):
            report(measure, self.shown.append, str(folder / "result.json"))
        self.assertEqual(self.shown, [[3]])

    def test_where_it_cannot_be_shown_it_is_kept(self):
        def show(result):
            raise BrokenPipeError

        file = self.folder / "result.json"
        with self.assertRaises(BrokenPipeError):
            report(lambda: [4], show, str(file))
        self.assertEqual(json.loads(file.read_text(encoding="utf-8")), [4])


if __name__ == "__main__":
    absltest.main()
