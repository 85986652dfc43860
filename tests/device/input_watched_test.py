"""device.inputs.watched: every image once, whatever happens to the folder."""

import os
import shutil

import numpy as np
from absl.testing import absltest

from device import errors
from device.inputs import watched
import command_case
import pictures
import scripted

SHAPE = (4, 5, 3)


class WatchedTest(command_case.CommandCase):
    """`self.watched` is the folder, empty; `self.warnings` was told."""

    def setUp(self):
        super().setUp()
        self.watched = self.folder / "watched"
        self.watched.mkdir()
        self.warnings, self.answered = [], []

    def save(self, name, seed=0, mtime_s=None):
        """Drops an image into the folder."""
        path = self.watched / name
        pictures.save(path, pictures.noise(4, 5, seed))
        if mtime_s is not None:
            os.utime(path, (mtime_s, mtime_s))

    def run_(self, *script, after=None, **options):
        """Names answered until the script of waits is over."""
        with scripted.waits(scripted.Waiter(*script)):
            source = watched.Watched(self.watched, SHAPE,
                                     warn=self.warnings.append, **options)
        if after is not None:
            source.start(after)
        names = []
        for item in source:
            names.append(item.name)
            source.done(item)
        return names

    def crash(self, *, answered, after=None):
        """Takes the first image and never comes to an end with it."""
        with scripted.waits(scripted.Waiter(None)):
            source = watched.Watched(self.watched, SHAPE)
        if after is not None:
            source.start(after)
        item = next(iter(source))
        return item.name if answered else None

    def files(self, folder="."):
        """Names of the files in a folder of the watched one."""
        path = self.watched / folder
        return sorted(p.name for p in path.glob("*") if p.is_file())


class ArrivalTest(WatchedTest):

    def test_images_are_answered_in_order_of_arrival_and_moved(self):
        for seed, (name, mtime_s) in enumerate(
                [("b.png", 2000), ("a.png", 3000), ("c.PNG", 1000)]):
            self.save(name, seed, mtime_s)
        self.assertEqual(self.run_(None, None), ["c.PNG", "b.png", "a.png"])
        self.assertEmpty(self.files())
        self.assertEmpty(self.files("answering"))
        self.assertEqual(self.files("done"), ["a.png", "b.png", "c.PNG"])
        self.assertEmpty(self.warnings)

    def test_pixels_arrive(self):
        self.save("a.png", 7)
        with scripted.waits(scripted.Waiter(None)):
            item = next(iter(watched.Watched(self.watched, SHAPE)))
        np.testing.assert_array_equal(item.image, pictures.noise(4, 5, 7))

    def test_images_may_arrive_at_any_time(self):
        self.assertEqual(
            self.run_(None, lambda: self.save("a.png"), None,
                      lambda: self.save("b.png"), None, None),
            ["a.png", "b.png"])

    def test_a_file_that_still_grows_is_waited_for(self):
        self.save("whole.png")
        content = (self.watched / "whole.png").read_bytes()
        (self.watched / "whole.png").unlink()
        path = self.watched / "a.png"

        def grow():
            with open(path, "ab") as file:
                file.write(content[file.tell():][:40])
            self.assertEqual(self.files(), ["a.png"])

        steps = -(-len(content) // 40)
        self.assertGreater(steps, 2)
        self.assertEqual(self.run_(*steps * [grow], None), ["a.png"])
        self.assertEqual(self.files("done"), ["a.png"])

    def test_other_files_are_left_alone(self):
        for name in (".a.png", "a.png.part", "a.tmp", "notes.txt"):
            (self.watched / name).write_bytes(b"x")
        (self.watched / "empty.png").touch()
        (self.watched / "folder.png").mkdir()
        (self.watched / "link.png").symlink_to("link.png")
        os.mkfifo(self.watched / "pipe.png")
        before = sorted(os.listdir(self.watched))
        self.assertEmpty(self.run_(None, None, None))
        self.assertEqual(sorted(os.listdir(self.watched)), before)
        self.assertEmpty(self.warnings)

    def test_what_does_not_decode_is_reported_and_moved_to_failed(self):
        (self.watched / "a.png").write_bytes(b"broken")
        pictures.save(self.watched / "b.png", pictures.noise(5, 4))
        self.save("c.png")
        self.assertCountEqual(self.run_(None, None, delete=True),
                              ["a.png", "b.png", "c.png"])
        self.assertEqual(self.files("failed"), ["a.png", "b.png"])
        self.assertFalse((self.watched / "done").exists())

    def test_a_name_that_comes_again_is_another_image(self):
        names = []
        for mtime_s in (1000, 2000, 2000, 3000):
            self.save("a.png", mtime_s, mtime_s)
            names += self.run_(None)
        self.assertEqual(names, [
            "a.png", "a-2000000000000.png", "a-2000000000000-2.png",
            "a-3000000000000.png"])
        self.assertEqual(self.files("done"), sorted(names))

    def test_of_deleted_images_two_in_a_row_have_two_names(self):
        drops = [lambda s=s: self.save("a.png", mtime_s=s)
                 for s in (1000, 2000, 3000)]
        waits = [wait for drop in drops for wait in (drop, None)]
        self.assertEqual(
            self.run_(*waits, delete=True),
            ["a.png", "a-2000000000000.png", "a.png"])

    def test_what_was_not_begun_when_it_stopped_stays_where_it_is(self):
        self.save("a.png", mtime_s=1000)
        self.save("b.png", mtime_s=2000)
        with scripted.waits(scripted.Waiter(None)):
            source = watched.Watched(self.watched, SHAPE)
        for item in source:
            source.stop()
            source.done(item)
        self.assertEqual(self.files("done"), ["a.png"])
        self.assertEqual(self.files(), ["b.png"])

    def test_an_image_that_somebody_takes_away_is_no_trouble(self):
        self.save("a.png", mtime_s=1000)
        self.save("b.png", mtime_s=2000)
        with scripted.waits(scripted.Waiter(None, None)):
            source = watched.Watched(self.watched, SHAPE,
                                     warn=self.warnings.append)
        names = []
        for item in source:
            names.append(item.name)
            (self.watched / "b.png").unlink()
            source.done(item)
        self.assertEqual(names, ["a.png"])
        self.assertEmpty(self.warnings)

    def test_a_clock_that_is_set_back_loses_nothing(self):
        self.assertEqual(
            self.run_(lambda: self.save("a.png", mtime_s=9000), None,
                      lambda: self.save("b.png", mtime_s=9000 - 3600), None),
            ["a.png", "b.png"])

    def test_it_remembers_nothing_of_what_is_done(self):
        drops = [lambda n=n: self.save(f"{n}.png") for n in range(20)]
        with scripted.waits(scripted.Waiter(*drops, None, None)):
            source = watched.Watched(self.watched, SHAPE, delete=True)
        count = 0
        for item in source:
            count += 1
            source.done(item)
        self.assertEqual(count, 20)
        self.assertEqual((source._seen, source._answered), ({}, set()))


class CrashTest(WatchedTest):

    def setUp(self):
        super().setUp()
        self.save("a.png", mtime_s=1000)
        self.save("b.png", mtime_s=2000)

    def test_an_image_without_an_answer_is_answered_first(self):
        self.crash(answered=False)
        self.assertEqual(self.files("answering"), ["a.png"])
        self.save("c.png", mtime_s=500)
        self.assertEqual(self.run_(None, after="x.png"),
                         ["a.png", "c.png", "b.png"])
        self.assertEqual(self.files("done"), ["a.png", "b.png", "c.png"])

    def test_an_image_with_an_answer_is_only_moved(self):
        last = self.crash(answered=True)
        self.assertEqual(self.run_(None, after=last), ["b.png"])
        self.assertEqual(self.files("done"), ["a.png", "b.png"])

    def test_a_new_image_of_that_name_gets_an_answer(self):
        last = self.crash(answered=True)
        self.save("a.png", 1, mtime_s=3000)
        self.assertEqual(self.run_(None, after=last),
                         ["b.png", "a-3000000000000.png"])
        self.assertLen(self.files("done"), 3)

    def test_a_new_image_of_the_last_name_is_not_lost(self):
        self.assertEqual(self.run_(None), ["a.png", "b.png"])
        self.save("b.png", 1, mtime_s=3000)
        self.crash(answered=False, after="b.png")
        self.assertEqual(self.run_(None, after="b.png"),
                         ["b-3000000000000.png"])

    def test_a_file_that_came_to_done_meanwhile_is_kept(self):
        self.crash(answered=False)
        (self.watched / "done").mkdir()
        (self.watched / "done" / "a.png").write_bytes(b"another")
        self.assertEqual(self.run_(None), ["a.png", "b.png"])
        self.assertEqual(self.files("done"),
                         ["a-1000000000000.png", "a.png", "b.png"])
        self.assertEqual((self.watched / "done" / "a.png").read_bytes(),
                         b"another")

    def test_a_broken_image_with_an_answer_is_moved_to_failed(self):
        (self.watched / "a.png").write_bytes(b"broken")
        os.utime(self.watched / "a.png", (1000, 1000))
        last = self.crash(answered=True)
        self.assertEqual(self.run_(None, after=last), ["b.png"])
        self.assertEqual(self.files("failed"), ["a.png"])


class TroubleTest(WatchedTest):

    def vanish(self):
        """The stick is pulled out."""
        self.watched.rename(self.folder / "gone")

    def come_back(self):
        (self.folder / "gone").rename(self.watched)

    def assert_warned_once(self, reason):
        message, = self.warnings
        self.assertRegex(
            message, rf"watched: cannot be used \({reason}\)\. Waits until")

    def test_a_folder_that_is_away_is_waited_for(self):
        self.save("a.png")
        self.assertEqual(self.run_(
            self.vanish, None, None, self.come_back, None), ["a.png"])
        self.assert_warned_once("No such file or directory")

    def test_it_may_be_away_at_the_start(self):
        self.save("a.png")
        self.vanish()
        self.assertEqual(self.run_(None, self.come_back, None), ["a.png"])
        self.assert_warned_once("No such file or directory")

    def test_every_absence_is_told(self):
        self.run_(self.vanish, self.come_back, None, self.vanish, None)
        self.assertLen(self.warnings, 2)

    def test_an_image_answered_while_the_folder_left_is_not_answered_again(
            self):
        self.save("a.png")
        with scripted.waits(scripted.Waiter(None, None, self.come_back, None)):
            source = watched.Watched(self.watched, SHAPE,
                                     warn=self.warnings.append)
        names = []
        for item in source:
            names.append(item.name)
            self.vanish()
            source.done(item)
        self.assertEqual(names, ["a.png"])
        self.assertEqual(self.files("done"), ["a.png"])
        self.assert_warned_once("No such file or directory")

    def test_a_full_disk_is_one_warning_and_no_second_answer(self):
        (self.watched / "done").touch()  # no folder can be made there
        self.save("a.png", mtime_s=1000)
        self.save("b.png", mtime_s=2000)
        self.assertEqual(
            self.run_(None, None, None,
                      lambda: os.unlink(self.watched / "done"), None),
            ["a.png", "b.png"])
        self.assertLen(self.warnings, 1)
        self.assertEqual(self.files("done"), ["a.png", "b.png"])

    def test_images_that_cannot_be_taken_are_one_warning(self):
        (self.watched / "answering").touch()
        self.save("a.png")
        self.assertEmpty(self.run_(None, None, None))
        self.assert_warned_once("Not a directory")

    def test_a_file_is_no_folder(self):
        self.save("a.png")
        with self.assertRaisesRegex(
                errors.InputError, r"a\.png: expected a folder to watch, foun"):
            watched.Watched(self.watched / "a.png", SHAPE)

    def tearDown(self):
        shutil.rmtree(self.folder / "gone", ignore_errors=True)
        super().tearDown()


if __name__ == "__main__":
    absltest.main()
