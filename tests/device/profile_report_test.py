"""device.profile_report: when it warns, and the table by hand."""

import dataclasses
import io

from absl.testing import absltest
from absl.testing import parameterized

from device import profile_report
import fakes
import profiles


class WarningsTest(parameterized.TestCase):

    def test_a_machine_left_alone_gives_none(self):
        self.assertEqual(profile_report.warnings(profiles.PROFILE), ())

    def test_a_machine_that_tells_nothing_gives_none(self):
        unknown = {"governors": (), "temperatures_c": {}, "throttled": None,
                   "load_1min": None, "clock_mhz": None,
                   "clock_limit_mhz": None, "clock_max_mhz": None}
        silent = profiles.changed(
            before=profiles.state("before", **unknown).before,
            after=profiles.state("after", **unknown).after)
        self.assertEqual(profile_report.warnings(silent), ())

    @parameterized.named_parameters(
        ("noise", profiles.full_path(p95_ms=30.1),
         r"^noisy: .*p95 is 1\.5 times its median \(quiet: up to 1\.5\)"),
        ("few_runs", profiles.changed(runs=49), "^few runs: 49.*at least 50"),
        ("governor", profiles.state(
            "before", governors=("ondemand", "performance")),
         "^clock governor ondemand: .*performance` holds it"),
        ("busy", profiles.state("before", load_1min=3.6),
         r"^busy: a load of 3\.6 on 4 cores before measuring"),
        ("hot", profiles.state("after", temperatures_c={"a": 75.0, "b": 20.0}),
         "^hot: 75 degrees C, and clocks slow down from 80 on"),
        ("limited", profiles.state("after", clock_mhz=1000.0,
                                   clock_limit_mhz=1000.0),
         "^clock limited to 1000 of 1800 MHz .*-u 1800MHz` lifts"),
        ("slow", profiles.state("after", clock_mhz=600.0),
         "^slow clock: 600 MHz at the end of measuring, of 1800 allowed"),
        ("soft_limit", profiles.state("after", throttled="0x8"),
         "^slowed down by the firmware: soft temperature limit. Cool"),
        ("lag", profiles.changed(energy=dataclasses.replace(
            profiles.ENERGY, lag=-0.2)),
         r"^energy: the watts of INA219 \[0x43\] moved .*by 20% .*behind"),
        # 200 mJ modelled for the 50 that were measured.
        ("misfit", profiles.changed(energy=dataclasses.replace(
            profiles.ENERGY, scale=100.0)),
         "^energy: real energy is not a straight .* off by up to 300%"),
        ("throttled", profiles.state("after", throttled="0x50005"),
         "^slowed down by the firmware: under-voltage, throttled. Cool"),
        ("throttled_meanwhile", profiles.state("after", throttled="0x20000"),
         "^slowed down by the firmware: clock capped. Cool"),
        ("kernel", profiles.state("after", throttle_events=3),
         "^throttled: .* 3 times while measuring"))
    def test_a_disturbance_is_one_warning(self, measured, message):
        warning, = profile_report.warnings(measured)
        self.assertRegex(warning, message)

    @parameterized.named_parameters(
        ("ratio", profiles.full_path(p95_ms=30.0)),
        ("runs", profiles.changed(runs=50)),
        ("load", profiles.state("before", load_1min=3.5)),
        # After measuring, the load is our own.
        ("own_load", profiles.state("after", load_1min=9.0)),
        ("warm", profiles.state("after", temperatures_c={"a": 74.9})),
        ("waiting", profiles.state("before", clock_mhz=600.0)),
        ("turbo", profiles.state("after", clock_mhz=1351.0)),
        ("energy", profiles.changed(energy=dataclasses.replace(
            profiles.ENERGY, lag=0.1, scale=20.0))))
    def test_just_within_the_limits_is_no_warning(self, measured):
        self.assertEqual(profile_report.warnings(measured), ())

    def test_what_happened_before_is_no_warning(self):
        throttled = dataclasses.replace(
            profiles.QUIET, throttled="0x50000", throttle_events=7)
        self.assertEqual(profile_report.warnings(
            profiles.changed(before=throttled, after=throttled)), ())

    def test_threads_need_cores(self):
        measured = profiles.state("before", load_1min=0.6)
        self.assertEqual(profile_report.warnings(measured), ())
        warning, = profile_report.warnings(
            dataclasses.replace(measured, threads=4))
        self.assertRegex(warning, r"^busy: a load of 0\.6 on 4 cores")


class TableTest(absltest.TestCase):

    def printed(self, measured, plan=profiles.BUNDLE.manifest.plan):
        """The lines, with single blanks and without frames."""
        file = io.StringIO()
        profile_report.print_tables(measured, plan, file)
        return [" ".join(line.strip(" │┃").replace("│", " ").split())
                for line in file.getvalue().splitlines()]

    def test_every_role_has_its_numbers(self):
        lines = self.printed(profiles.PROFILE)
        self.assertIn("toy on Raspberry Pi 9 [rev 1]: 60 rounds, threads: 1, "
                      "ai-edge-litert 9.9", " ".join(lines[:2]))
        # Role n takes n ms (p95: n + 0.5) of a full path of 20 ms; of the
        # three variants of the block one runs.
        for line in ("stem 1 1.0000 1.5000 1.0000 5.0%",
                     "layer_gate 1 2.0000 2.5000 2.0000 10.0%",
                     "channel_gate 1 3.0000 3.5000 3.0000 15.0%",
                     "block 3 4.0000 4.5000 4.0000 20.0%",
                     "skip 1 5.0000 5.5000 5.0000 25.0%",
                     "exit 1 6.0000 6.5000 6.0000 30.0%",
                     "head 1 7.0000 7.5000 7.0000 35.0%",
                     "stem + blocks + head 3 12.0000 60.0%",
                     "full path, measured 3 20.0000 22.0000 20.0000 100.0%"):
            self.assertIn(line, lines)

    def test_a_shared_graph_costs_an_image_whenever_it_is_asked(self):
        plan = profiles.BUNDLE.manifest.plan
        twice = dataclasses.replace(plan, steps=plan.steps * 2)
        self.assertIn("layer_gate 1 2.0000 2.5000 4.0000 20.0%",
                      self.printed(profiles.PROFILE, twice))

    def test_a_role_takes_its_middle_and_its_slowest_graph(self):
        measured = profiles.graph("block0_way0", median_ms=0.5, p95_ms=9.0)
        self.assertIn("block 3 4.0000 9.0000 4.0000 20.0%",
                      self.printed(measured))

    def test_a_role_that_there_is_not_has_no_line(self):
        manifest = fakes.manifest()
        names = [graph.name for graph in manifest.graphs]
        measured = profiles.changed(
            graphs=tuple(map(profiles.PROFILE.graph, names)),
            full_path=dataclasses.replace(profiles.PROFILE.full_path,
                                          graphs=tuple(names)))
        text = "\n".join(self.printed(measured, manifest.plan))
        self.assertNotIn("exit", text)
        self.assertIn("head 1 7.0000", text)

    def test_energy_has_a_table_of_its_own(self):
        lines = self.printed(profiles.changed(energy=profiles.ENERGY))
        self.assertIn("energy, by INA219 [0x43]", lines)
        for line in ("idle 2.5 ± 0.01",
                     "full 10.0 3 2 50 ± 0.4 25",
                     "cheapest 40.0 3 0.5 12.5 ± 0.1 25"):
            self.assertIn(line, lines)
        self.assertRegex(" ".join(lines),
                         r"real = \(25 ± 0\.2\) x modelled \+ 0 mJ")
        self.assertNotIn("energy", "\n".join(self.printed(profiles.PROFILE)))

    def test_warnings_follow_the_table_each_on_one_line(self):
        long = "noisy [x]: " + "too many words " * 20
        lines = self.printed(profiles.changed(warnings=(long, "hot")))
        self.assertEqual(lines[-2:], [f"warning: {long.strip()}",
                                      "warning: hot"])


if __name__ == "__main__":
    absltest.main()
