"""Traces without a network: they must say what the controller does."""

import dataclasses
import json
import pathlib

from absl.testing import absltest
import hypothesis
import numpy as np

from device import bundle
from device import controller
from device import errors
from device import images
from device import recorded
import command_case
import fakes
import profiles
import strategies
import tracing

_TESTDATA = pathlib.Path(__file__).parents[1] / "testdata"


class SameAsControllerTest(absltest.TestCase):

    @strategies.MANY
    @hypothesis.given(strategies.cases())
    def test_a_toy_network_does_what_its_traces_say(self, case):
        toy = fakes.in_memory(case.manifest)
        found = tracing.scripted(toy, case.script).outcome(case.thresholds)
        with controller.Controller(toy, make_graph=fakes.FakeRuntime(
                case.script).make_graph) as real:
            answer = real.classify(
                np.zeros(fakes.IMAGE, np.uint8), thresholds=case.thresholds)
        self.assertEqual(
            ((*toy.exits, "head")[found.exits[0]], found.macs[0],
             found.energy_pj[0], found.right[0]),
            (answer.exit, answer.macs, answer.energy_pj, answer.label == 0))

    def test_a_real_network_does_what_its_traces_say(self):
        digits = bundle.load(_TESTDATA / "digits_resnet8")
        items = list(images.Source(
            _TESTDATA / "digits.npz", digits.manifest.input.shape))[:12]
        labels = np.array([item.label for item in items])
        with controller.Controller(digits) as real:
            traced = tracing.of_network(
                digits, [item.image for item in items], labels)
            for thresholds in (
                    None, digits.operating_point("default").thresholds,
                    (0.5, None, 1.0), (9.0, 9.0, 9.0)):
                found = traced.outcome(thresholds)
                answers = [real.classify(item.image, thresholds=thresholds)
                           for item in items]
                self.assertEqual(
                    found.macs.tolist(), [a.macs for a in answers])
                self.assertEqual(
                    found.energy_pj.tolist(), [a.energy_pj for a in answers])
                self.assertEqual(
                    [(*digits.exits, "head")[e] for e in found.exits],
                    [a.exit for a in answers])
                self.assertEqual(
                    found.right.tolist(),
                    [a.label == label for a, label in zip(answers, labels)])


class ByHandTest(absltest.TestCase):
    """Two images on a gated block with an exit: stem 100, head 1."""

    def setUp(self):
        super().setUp()
        self.recorded = self.recorded_of(fakes.GATED, base_macs=121)

    @staticmethod
    def recorded_of(block, **base):
        return recorded.Recorded(
            labels=np.array([1, 2]), predictions=np.array([[1, 0], [0, 2]]),
            entropies=np.array([[0.1, 0.1], [0.9, 0.1]]), base=np.array([1, 1]),
            layers=np.array([[True], [False]]),
            masks=[np.array([[True, False], [True, True]])],
            bundle=fakes.in_memory(dataclasses.replace(
                fakes.manifest([block], stem=100), **base)),
            profile=profiles.PROFILE)

    def test_exits_are_paid_by_all_who_pass_them(self):
        found = self.recorded.outcome((0.5,))
        self.assertEqual(found.exits.tolist(), [0, 1])
        self.assertEqual(found.right.tolist(), [True, True])
        # 100 + gates 1 + 2 + group 0 10 + exit 7; 100 + gate 1 + skip 5 + 7 + 1
        self.assertEqual(found.macs.tolist(), [120, 114])
        self.assertEqual(found.energy_pj.tolist(), [60000, 57000])
        # Of the toy profile, by role: stem 1, layer gate 2, channel gate 3,
        # block 4, skip 5, exit 6, head 7.
        self.assertEqual(found.latency_ms.tolist(), [16.0, 21.0])

    def test_an_exit_that_is_off_is_not_paid(self):
        for thresholds in (None, (None,)):
            found = self.recorded.outcome(thresholds)
            self.assertEqual(found.exits.tolist(), [1, 1])
            self.assertEqual(found.macs.tolist(), [114, 107])
            self.assertEqual(found.right.tolist(), [False, True])

    def test_the_base_network_runs_every_channel_and_nothing_else(self):
        found = self.recorded.full()
        self.assertEqual(found.macs.tolist(), [121, 121])
        self.assertEqual(found.right.tolist(), [True, False])
        self.assertEqual(found.latency_ms.tolist(), [12.0, 12.0])

    def test_what_never_runs_counts_in_the_base_network_by_its_macs(self):
        settled = dataclasses.replace(
            fakes.GATED, layer_gate=None, channel_gate=None)
        for changes, macs, latency_ms in (
                # Stem 100, group 0 10, head 1; of 333 MACs three times that.
                ({"settled": (0,), "variants": ((10, (0,), False),)}, 111, 12),
                # Stem, skip 5, head.
                ({"settled": (), "variants": ()}, 106, 13)):
            found = self.recorded_of(dataclasses.replace(
                settled, **changes), base_macs=3 * macs).full()
            self.assertEqual(found.macs.tolist(), [3 * macs] * 2)
            self.assertEqual(found.energy_pj.tolist(), [1500 * macs] * 2)
            self.assertEqual(found.latency_ms.tolist(), [3 * latency_ms] * 2)
            self.assertEqual(found.right.tolist(), [True, False])
        with self.subTest("but for energy, which the bundle knows"):
            known = self.recorded_of(
                fakes.GATED, base_macs=121, base_energy_nj=7.5).full()
            self.assertEqual(known.macs.tolist(), [121] * 2)
            self.assertEqual(known.energy_pj.tolist(), [7500] * 2)


class LoadTest(command_case.CommandCase):

    def setUp(self):
        super().setUp()
        self.bundle = fakes.in_memory(fakes.manifest([fakes.GATED]))
        self.path = self.folder / "test.npz"

    def save(self, about=None, **arrays):
        tracing.save(self.path, self.bundle, about, **arrays)

    def assert_refused(self, message):
        with self.assertRaisesRegex(errors.TracesError, message):
            recorded.load(self.path, self.bundle)

    def test_what_was_written_is_read(self):
        self.save()
        found = recorded.load(self.path, self.bundle)
        self.assertLen(found, 2)
        # Stem and head 1, gates 1 and 2, both groups 20; or a skip of 5.
        self.assertEqual(found.outcome(None).macs.tolist(), [25, 8])
        self.assertTrue(np.isnan(found.outcome(None).latency_ms).all())

    def test_of_another_run_they_are_refused(self):
        for about, message in (
                ({"settings": {"seed": 1, "gates": [True]}},
                 "with seed 0, found 1"),
                ({"settings": None}, "with settings"),
                ({"exits": ["exit1"]}, "with exits.*found \\['exit1'\\]"),
                ({"blocks": []}, "with blocks.*found \\[\\]"),
                ({"gates_open": True}, "with gates_open False, found True")):
            with self.subTest(message):
                self.save(about)
                self.assert_refused(message)

    def test_another_version_is_refused(self):
        self.save({"format_version": 2})
        self.assert_refused("expected format version 1, found 2")

    def test_arrays_of_other_shapes_are_refused(self):
        for arrays in ({"layers": np.ones((2, 3))},
                       {"masks_0": np.ones((2, 1))},
                       {"labels": np.ones(3)}, {"labels": np.ones(0)},
                       {"entropies": np.array([["a", "b"]] * 2)}):
            with self.subTest(str(arrays)):
                self.save(**arrays)
                self.assert_refused("expected numbers of shape")

    def test_a_file_that_is_none_is_refused(self):
        self.assert_refused("no such file. Give the RUN/traces/test.npz")
        self.path.write_bytes(b"")
        self.assert_refused("cannot be read as traces")
        np.savez(self.path, labels=np.ones(2))
        self.assert_refused("cannot be read as traces")
        np.savez(self.path, about=np.array(json.dumps([])))
        self.assert_refused("cannot be read as traces")

    def test_a_damaged_file_is_refused_or_read_as_it_was(self):
        self.save()
        good = self.path.read_bytes()
        expected = recorded.load(self.path, self.bundle).outcome(None)
        for place in range(0, len(good), 97):
            self.path.write_bytes(
                good[:place] + bytes([good[place] ^ 0xFF]) + good[place + 1:])
            try:
                found = recorded.load(self.path, self.bundle).outcome(None)
            except errors.TracesError:
                continue
            self.assertEqual(found.macs.tolist(), expected.macs.tolist())


if __name__ == "__main__":
    absltest.main()
