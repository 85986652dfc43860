"""device.run for months: it goes on where it was, and ends in order."""

import json
import random
import signal
import sqlite3
import subprocess
import time

import numpy as np
from absl.testing import absltest
from absl.testing import parameterized

from device import sealed_json
import pictures
import service_case


class GoesOnTest(service_case.ServiceCase):

    def test_killed_at_any_moment_no_answer_is_missing_or_twice(self):
        number = 1200
        np.savez(self.folder / "many.npz", images=np.tile(
            self.images, (number // len(self.images), 1, 1, 1)))
        flags = (f"--output={self.output}", f"--state={self.state}")
        killed = 0
        for cut in sorted(random.Random(0).sample(range(number), 10)):
            process = self.start(*flags, source=self.folder / "many.npz")
            while process.poll() is None and self.written() <= cut:
                time.sleep(0.001)
            process.kill()
            self.ended(process)
            killed += process.returncode == -signal.SIGKILL
        self.assertGreater(killed, 5)
        self.assert_succeeded(self.ended(self.start(
            *flags, source=self.folder / "many.npz")))
        self.assertEqual([record["number"] for record in self.records()],
                         list(range(1, number + 1)))
        self.assertEqual([record["image"] for record in self.records()],
                         [f"many.npz[{n}]" for n in range(number)])
        totals = json.loads(self.state.read_text())["state"]
        self.assertEqual(totals["last"]["number"], number)

    def test_a_run_that_is_done_has_nothing_left_to_do(self):
        flags = (f"--output={self.output}", f"--state={self.state}")
        first = self.ended(self.start(*flags, source=service_case.IMAGES))
        self.assert_succeeded(first)
        before = self.records()
        again = self.ended(self.start(*flags, source=service_case.IMAGES))
        self.assert_succeeded(again)
        self.assertEqual(self.records(), before)
        # Totals are of both.
        self.assertIn(f"{len(self.images)} images classified", again.stderr)
        self.assertIn(f"goes on after answer {len(self.images)}, of digits.npz",
                      again.stderr)

    def test_what_failed_before_is_no_failure_of_this_run(self):
        (self.folder / "in").mkdir()
        (self.folder / "in" / "a.png").write_bytes(b"broken")
        flags = (f"--output={self.output}", f"--state={self.state}")
        self.assert_failed(
            self.ended(self.start(*flags, source=self.folder / "in")),
            "error: 1 of the images could not be classified")
        pictures.save(self.folder / "in" / "b.png", self.images[0])
        again = self.ended(self.start(*flags, source=self.folder / "in"))
        self.assert_succeeded(again)
        self.assertIn("1 images classified, 1 failed", again.stderr)

    def test_without_state_no_answers_are_overwritten(self):
        self.output.write_text('{"number": 1}\n')
        process = self.ended(
            self.start(f"--output={self.output}", source=service_case.IMAGES))
        self.assert_failed(process, "error: .*exists already.*--state")
        self.assertEqual(self.output.read_text(), '{"number": 1}\n')

    def test_a_state_of_another_bundle_is_left_behind_with_a_warning(self):
        self.assert_succeeded(self.ended(self.start(
            f"--state={self.state}", source=service_case.IMAGES)))
        content = json.loads(self.state.read_text())
        content["state"]["bundle"] = "other"
        del content["checksum"]
        self.state.write_text(json.dumps(sealed_json.sealed(content)))
        process = self.ended(self.start(f"--state={self.state}",
                                        source=service_case.IMAGES))
        self.assert_succeeded(process)
        self.assertIn("warning: the state is of another bundle", process.stderr)
        self.assertIn("0 images classified", process.stderr)

    def test_a_damaged_state_does_not_keep_it_from_starting(self):
        self.state.write_bytes(b"\0" * 100)
        process = self.ended(self.start(f"--state={self.state}",
                                        source=service_case.IMAGES))
        self.assert_succeeded(process)
        self.assertRegex(process.stderr, "warning: .*state.json")
        self.assertTrue((self.folder / "state.json.damaged").exists())


class EndsTest(service_case.ServiceCase):

    @parameterized.parameters((signal.SIGTERM, 0), (signal.SIGINT, 130))
    def test_a_signal_ends_it_with_everything_written(self, number, status):
        process = self.start(f"--output={self.output}", "--state",
                             self.state, source="-", stdin=subprocess.PIPE)
        process.stdin.write(b"".join(self.frames(3)))
        process.stdin.flush()
        self.wait_for_records(3)
        process.send_signal(number)
        # It waits for the next image, and must not need one to end.
        self.assertEqual(process.wait(30), status)
        stderr = process.stderr.read().decode()
        process.stdin.close(), process.stdout.close(), process.stderr.close()
        self.assertNotIn("Traceback", stderr)
        self.assertIn("3 images classified, 0 failed", stderr)
        self.assertEqual([r["number"] for r in self.records()], [1, 2, 3])
        self.assertEqual(json.loads(self.state.read_text())[
            "state"]["last"]["number"], 3)

    def test_a_stream_cut_short_is_an_error_after_all_answers(self):
        process = self.ended(
            self.start(f"--output={self.output}", source="-",
                       stdin=subprocess.PIPE),
            b"".join(self.frames(3))[:-1])
        # What was answered is summed up all the same.
        self.assertIn("2 images classified", process.stderr)
        self.assert_failed(
            process, "error: stdin: image 2 .*expected \\d+ bytes")
        self.assertLen(self.records(), 2)

    def test_a_database_has_the_same_answers(self):
        database = self.folder / "answers.db"
        for output in (database, self.output):
            self.assert_succeeded(self.ended(self.start(
                f"--output={output}", source=service_case.IMAGES)))
        with sqlite3.connect(database) as connection:
            rows = connection.execute(
                "SELECT number, label, macs FROM answers").fetchall()
        self.assertEqual(rows, [(r["number"], r["label"], r["macs"])
                                for r in self.records()])


if __name__ == "__main__":
    absltest.main()
