"""device.metrics: what a Prometheus server sees."""

import dataclasses
import socket
import sys
import urllib.error
import urllib.request
from unittest import mock

from absl.testing import absltest
from absl.testing import parameterized

from device import errors
from device import metrics
import fakes
import snapshots

_BUNDLE = fakes.in_memory(snapshots.MANIFEST)


def scrape(url):
    """Sample name with labels -> value."""
    with urllib.request.urlopen(url, timeout=10) as answer:
        lines = answer.read().decode().splitlines()
    return {name: float(value) for name, value in (
        line.rsplit(" ", 1) for line in lines if not line.startswith("#"))}


class MetricsTest(absltest.TestCase):

    def setUp(self):
        super().setUp()
        self.metrics = self.enter_context(metrics.Metrics(_BUNDLE, "0"))

    def values(self):
        return scrape(self.metrics.url)

    def test_before_the_first_image_every_count_is_zero(self):
        self.assertStartsWith(self.metrics.url, "http://127.0.0.1:")
        self.metrics.update(snapshots.status(name=None, answer=None))
        values = self.values()
        for name in ("ddi_images_total", "ddi_images_failed_total",
                     "ddi_late_total", "ddi_latency_seconds_count",
                     'ddi_answers_total{exit="block0_exit"}',
                     'ddi_answers_total{exit="head"}'):
            self.assertEqual(values[name], 0, name)

    def test_counts_of_three_images(self):
        head = dataclasses.replace(
            snapshots.answer(exit="head", macs=900, energy_pj=4_000_000_000,
                             latency_ms=3.0), deadline_ms=2.5)
        for status in (
                snapshots.status(answer=snapshots.answer(
                    macs=100, energy_pj=2_000_000_000, latency_ms=0.3)),
                snapshots.status(answer=head),
                snapshots.status(answer=None, failed=1)):
            for _ in range(3):  # while the next image does not come
                self.metrics.update(status)
        values = self.values()
        for name, expected in (
                ("ddi_images_total", 2), ("ddi_images_failed_total", 1),
                ("ddi_late_total", 1), ("ddi_macs_total", 1000),
                ("ddi_energy_modelled_joules_total", 0.006),
                ('ddi_answers_total{exit="block0_exit"}', 1),
                ('ddi_answers_total{exit="head"}', 1),
                ("ddi_latency_seconds_count", 2),
                ("ddi_latency_seconds_sum", 0.0033),
                ('ddi_latency_seconds_bucket{le="0.0005"}', 1),
                ('ddi_latency_seconds_bucket{le="0.002"}', 1),
                ('ddi_latency_seconds_bucket{le="0.004"}', 2)):
            self.assertAlmostEqual(values[name], expected, msg=name)
        self.assertIn("process_resident_memory_bytes", values)
        self.assertIn('ddi_bundle_info{name="toy",sha256="'
                      f'{_BUNDLE.checksum}"}}', values)

    def test_failures_of_before_a_restart_are_not_counted(self):
        for failed in (58, 58, 60):  # the first one is of this run
            self.metrics.update(snapshots.status(answer=None, failed=failed))
        self.assertEqual(self.values()["ddi_images_failed_total"], 3)

    def test_the_battery(self):
        self.metrics.update(snapshots.status(
            battery=snapshots.BATTERY._replace(health="held", draw_w=-4.5)))
        values = self.values()
        for name, expected in (
                ("ddi_battery_charge_ratio", 0.62),
                ("ddi_battery_draw_watts", -4.5),
                ("ddi_battery_charging", 0), ("ddi_battery_hours_left", 7.9),
                ("ddi_battery_hours_asked", 6.5),
                ('ddi_battery_health{state="good"}', 0),
                ('ddi_battery_health{state="held"}', 1),
                ('ddi_operating_point_info{name="default"}', 1),
                ("ddi_target_millijoules", 0.5)):
            self.assertEqual(values[name], expected, name)

    def test_what_is_unknown_is_not_told(self):
        self.metrics.update(snapshots.status(
            battery=snapshots.BATTERY._replace(charge=None, hours_left=None),
            target_mj=None))
        values = self.values()
        self.assertNotIn("ddi_battery_charge_ratio", values)
        self.assertNotIn("ddi_battery_hours_left", values)
        self.assertNotIn("ddi_target_millijoules", values)
        self.metrics.update(snapshots.status(battery=None))
        self.assertEmpty([name for name in self.values() if "battery" in name])

    def test_another_point_replaces_the_one_before(self):
        for point in ("default", "macs_2", "macs_8"):
            self.metrics.update(snapshots.status(point=point))
        points = [name for name in self.values() if "point" in name]
        self.assertEqual(points, ['ddi_operating_point_info{name="macs_8"}'])

    def test_more_images_make_no_more_series(self):
        self.metrics.update(snapshots.status())
        before = set(self.values())
        for _ in range(1000):
            self.metrics.update(snapshots.status(
                answer=snapshots.answer(latency_ms=1e6)))
        self.assertEqual(set(self.values()), before)

    def test_close_frees_the_port(self):
        url = self.metrics.url
        self.metrics.close()
        with self.assertRaises(urllib.error.URLError):
            urllib.request.urlopen(url, timeout=10)
        port = url.rsplit(":", 1)[1].removesuffix("/metrics")
        with metrics.Metrics(_BUNDLE, port):
            self.assertEqual(scrape(url)["ddi_images_total"], 0)


class AddressTest(parameterized.TestCase):

    @parameterized.parameters(
        ("9100", ("127.0.0.1", 9100)), ("0.0.0.0:9100", ("0.0.0.0", 9100)),
        ("pi.local:0", ("pi.local", 0)), ("[::1]:65535", ("::1", 65535)))
    def test_forms(self, text, expected):
        self.assertEqual(metrics.address(text), expected)

    @parameterized.parameters(
        "", ":9100", "pi.local", "pi.local:", "1:2:3", "::1:9100", "65536",
        "-1", "http://pi:9100", "pi:9100/metrics", "a b:1", "pi:٣")
    def test_anything_else_is_refused(self, text):
        with self.assertRaisesRegex(errors.OutputError, "PORT, HOST:PORT or"):
            metrics.address(text)

    def test_a_port_in_use_is_named(self):
        with socket.create_server(("127.0.0.1", 0)) as taken:
            port = taken.getsockname()[1]
            with self.assertRaisesRegex(
                    errors.OutputError, f"at 127.0.0.1:{port} .*in use"):
                metrics.Metrics(_BUNDLE, str(port))

    @parameterized.parameters("none.invalid:0", "a" * 70 + ":0")
    def test_a_host_that_is_not_there_is_named(self, where):
        with self.assertRaisesRegex(errors.OutputError, "cannot be served at"):
            metrics.Metrics(_BUNDLE, where)

    def test_a_missing_package_says_how_to_get_it(self):
        with mock.patch.dict(sys.modules, {"prometheus_client": None}):
            with self.assertRaisesRegex(errors.OutputError, "pip install"):
                metrics.Metrics(_BUNDLE, "0")


if __name__ == "__main__":
    absltest.main()
