"""Tests of what the resource loss can count."""

import json
from unittest import mock

import tensorflow as tf
from absl.testing import parameterized

from ddi_tf import energy
from ddi_tf import errors
from ddi_tf import latency
from ddi_tf import network
from ddi_tf import resources
from ddi_tf import subgraphs


class ResourcesTest(tf.test.TestCase, parameterized.TestCase):

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.net = network.Network(network.NetworkConfig(
            depth=8, image_shape=(16, 16, 3)))

    def setUp(self):
        super().setUp()
        graphs = subgraphs.cut(self.net, subgraphs.every_set(3)).graphs
        self.medians = {graph.name: 0.5 for graph in graphs}
        self.profile = self.create_tempfile("profile.json", json.dumps({
            "graphs": [{"name": name, "median_ms": median}
                       for name, median in self.medians.items()]})).full_path

    def _resource(self, name, model="horowitz", width="int8"):
        return resources.RESOURCES[name](model, width, self.profile)

    @parameterized.parameters(
        ("flops", "MACs"), ("energy", "pJ"), ("latency", "ms"))
    def test_each_has_a_name_and_a_unit(self, name, unit):
        resource = self._resource(name)
        self.assertEqual((resource.name, resource.unit), (name, unit))
        self.assertEqual(set(resources.RESOURCES),
                         {"flops", "energy", "latency"})

    def test_unit_is_that_of_the_energy_model(self):
        self.assertEqual(
            self._resource("energy", "eyeriss", "int16").unit, "MACs")

    def test_tables_are_those_of_their_modules(self):
        self.assertEqual(
            self._resource("flops").table(self.net), self.net.costs)
        self.assertEqual(
            self._resource("energy").table(self.net), self.net.work.priced(
                energy.model("horowitz", "int8").energy))
        self.assertEqual(
            self._resource("latency").table(self.net),
            latency.table(self.net, self.medians))

    @parameterized.parameters("flops", "energy", "latency")
    def test_settings_survive_json_and_say_which(self, name):
        settings = self._resource(name).settings()
        self.assertEqual(settings["name"], name)
        self.assertEqual(json.loads(json.dumps(settings)), settings)

    def test_settings_hold_every_number_that_decides_the_cost(self):
        self.assertEqual(
            self._resource("latency").settings()["median_ms"], self.medians)
        settings = self._resource("energy").settings()
        self.assertEqual((settings["model"], settings["width"]),
                         ("horowitz", "int8"))
        self.assertAllClose(
            [settings[key] for key in ("mac", "weight", "activation")],
            [0.3, 12.5, 2.5])
        other = self._resource("energy", "horowitz", "float32").settings()
        self.assertNotEqual(other, settings)

    @parameterized.parameters(None, "")
    def test_latency_needs_a_profile(self, profile):
        with self.assertRaisesRegex(
                errors.ConfigError, "--loss_resource=latency needs "
                "--loss_latency_profile.*python -m device.profile"):
            resources.RESOURCES["latency"]("horowitz", "int8", profile)

    def test_only_latency_reads_the_profile(self):
        for name in ("flops", "energy"):
            resources.RESOURCES[name]("horowitz", "int8", "nowhere.json")
        with self.assertRaisesRegex(errors.ConfigError, "nowhere.json"):
            resources.RESOURCES["latency"]("horowitz", "int8", "nowhere.json")

    def test_only_energy_asks_for_the_model(self):
        for name in ("flops", "latency"):
            self._resource(name, "abacus")
        with self.assertRaisesRegex(errors.ConfigError, "abacus"):
            self._resource("energy", "abacus")

    def test_another_resource_is_a_class_and_a_row(self):
        class Weights:
            name, unit = "weights", "numbers"

            def table(self, net):
                return net.work.priced(lambda work: work.weights)

            def settings(self):
                return {"name": self.name}
        with mock.patch.dict(resources.RESOURCES, {
                "weights": lambda model, width, profile: Weights()}):
            table = self._resource("weights").table(self.net)
        self.assertEqual(table.head, 650)


if __name__ == "__main__":
    tf.test.main()
