"""device.inputs.opening and .files: which input a text names."""

import sys
from unittest import mock

import numpy as np
from absl.testing import absltest
from absl.testing import parameterized

from device import errors
from device.inputs import camera
from device.inputs import files
from device.inputs import opening
from device.inputs import stream
from device.inputs import watched
import command_case
import pictures

SHAPE = (4, 5, 3)


class OpeningTest(command_case.CommandCase):

    def test_a_text_names_an_input(self):
        pictures.save(self.folder / "a.png", pictures.noise(4, 5))
        for text, kind, total in [
                (str(self.folder), files.Files, 1),
                (str(self.folder / "a.png"), files.Files, 1),
                (f"watch:{self.folder}", watched.Watched, None),
                ("camera:opencv", camera.Camera, None)]:
            with mock.patch.dict(sys.modules, cv2=mock.Mock()):
                with opening.open_input(text, SHAPE) as source:
                    self.assertIsInstance(source, kind)
                    self.assertEqual(source.total, total)

    def test_a_dash_is_standard_input(self):
        with opening.open_input("-", SHAPE) as source:
            self.assertIsInstance(source, stream.Stream)

    @parameterized.parameters(
        ("watch:", errors.InputError, "expected watch:FOLDER, found no folder"),
        ("watch", errors.InputError, "expected watch:FOLDER, found no folder"),
        ("camera:x", errors.InputError, "expected camera, camera:NUMBER"),
        ("none", errors.ImageError, "no such folder or file"))
    def test_mistakes_are_said(self, text, error, message):
        with self.assertRaisesRegex(error, message):
            opening.open_input(text, SHAPE)


class FilesTest(command_case.CommandCase):

    def names(self, after=None, stop_after=99):
        self.warnings = []
        with files.Files(
                self.folder, SHAPE, warn=self.warnings.append) as source:
            if after is not None:
                source.start(after)
            found = []
            for item in source:
                found.append(item.name)
                source.done(item)
                if len(found) == stop_after:
                    source.stop()
            return source.total, found

    def setUp(self):
        super().setUp()
        for name in ("a.png", "b.png", "c.png"):
            pictures.save(self.folder / name, pictures.noise(4, 5))

    def test_every_file_comes_once(self):
        self.assertEqual(self.names(), (3, ["a.png", "b.png", "c.png"]))

    def test_it_goes_on_after_the_last_answer(self):
        self.assertEqual(self.names(after="a.png"), (2, ["b.png", "c.png"]))
        self.assertEqual(self.names(after="c.png"), (0, []))
        self.assertEqual(self.warnings, [])

    def test_an_answer_of_another_folder_changes_nothing(self):
        self.assertEqual(self.names(after="x.png")[0], 3)
        self.assertIn("x.png, is not there. Begins with the first",
                      self.warnings[0])

    def test_it_can_be_stopped(self):
        self.assertEqual(self.names(stop_after=2)[1], ["a.png", "b.png"])

    def test_an_npz_goes_on_too(self):
        path = self.folder / "a.npz"
        np.savez(path, images=np.zeros([3, *SHAPE], np.uint8))
        with files.Files(path, SHAPE) as source:
            source.start("a.npz[1]")
            self.assertEqual([item.name for item in source], ["a.npz[2]"])


if __name__ == "__main__":
    absltest.main()
