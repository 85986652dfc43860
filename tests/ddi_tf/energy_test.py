"""Tests of the energy models: their numbers from their sources, by hand."""

import tensorflow as tf
from absl.testing import parameterized

from ddi_tf import energy
from ddi_tf import errors
from ddi_tf import network
from ddi_tf import work


class EnergyModelTest(tf.test.TestCase):

    def test_energy_by_hand(self):
        model = energy.EnergyModel(2.0, 30.0, 0.5, "pJ", "")
        self.assertEqual(model.energy(work.Work(100, 10, 7)), 503.5)
        self.assertEqual(model.energy(work.Work()), 0)


class ModelsTest(tf.test.TestCase, parameterized.TestCase):

    @parameterized.parameters(
        # Multiply and add; per 8 bytes 100 pJ of a large and 20 pJ of a small
        # SRAM, 1.95 nJ of DRAM.
        ("horowitz", "float32", 3.7 + 0.9, 100 / 2, 20 / 2, "pJ"),
        ("horowitz", "int8", 0.2 + 0.1, 100 / 8, 20 / 8, "pJ"),
        ("horowitz_dram", "float32", 3.7 + 0.9, 1950 / 2, 20 / 2, "pJ"),
        ("horowitz_dram", "int8", 0.2 + 0.1, 1950 / 8, 20 / 8, "pJ"),
        ("eyeriss", "int16", 5, 200, 6, "MACs"),
        ("energynet", "int8", 2, 6, 6, "MACs"),
        ("l4r5_tflm", "int8", 2340, 0, 0, "pJ"),
        ("l4r5_vendor", "int8", 440, 0, 0, "pJ"),
        ("u575", "int8", 210, 0, 0, "pJ"),
        ("u385", "int8", 77, 0, 0, "pJ"),
        ("h7a3", "int8", 410, 0, 0, "pJ"))
    def test_numbers_are_those_of_the_source(
            self, name, width, mac, weight, activation, unit):
        model = energy.model(name, width)
        self.assertAllClose(model[:3], (mac, weight, activation))
        self.assertEqual(model.unit, unit)

    def test_every_model_names_its_source_and_is_tested_above(self):
        self.assertLen(energy.MODELS, 11)
        for model in energy.MODELS.values():
            self.assertRegex(model.source, r"(20\d\d|MLPerf)")

    @parameterized.parameters(
        ("horowitz", "int16"), ("abacus", "int8"), ("int8", "horowitz"))
    def test_unknown_model_is_an_error_that_names_the_known(self, name, width):
        known = ", ".join(f"{n} ({w})" for n, w in energy.MODELS)
        with self.assertRaises(errors.ConfigError) as raised:
            energy.model(name, width)
        self.assertIn(f"must be one of {known}.", str(raised.exception))
        self.assertIn(f"Received: {name} ({width})", str(raised.exception))
        self.assertIn("energy model and width", str(raised.exception))


class NetworkEnergyTest(tf.test.TestCase):

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.net = network.Network(network.NetworkConfig(depth=8))

    def _table(self, name, width):
        return self.net.work.priced(energy.model(name, width).energy)

    def test_resnet8_by_hand(self):
        # MACs, weights and activations as in work_test.
        self.assertAllClose(
            self._table("horowitz", "int8").base,
            0.3 * 12_501_632 + 12.5 * 77_706 + 2.5 * 216_138)
        self.assertAllClose(
            self._table("u385", "int8").base, 77 * 12_501_632)  # 0.96 mJ

    def test_small_numbers_take_less(self):
        def flat(table):
            return [energy for energy in tf.nest.flatten(
                table._replace(exit_after=())) if energy]
        narrow, wide = (flat(self._table("horowitz", width))
                        for width in ("int8", "float32"))
        self.assertLen(narrow, len(wide))
        for less, more in zip(narrow, wide):
            self.assertLess(less, more / 3.9)

    def test_weights_from_dram_make_the_last_stage_dear(self):
        prices = self._table("horowitz_dram", "int8")
        first, *_, last = (sum(run) / sum(macs) for run, macs in zip(
            prices.runs, self.net.costs.runs))
        self.assertGreater(last, 5 * first)

    def test_where_a_mac_is_everything_it_ranks_as_macs_do(self):
        prices = self._table("h7a3", "int8")
        self.assertAllClose(prices, self.net.costs.priced(
            lambda macs: 410.0 * macs)._replace(exit_after=(0, 1, 2)))


if __name__ == "__main__":
    tf.test.main()
