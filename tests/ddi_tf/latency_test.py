"""Tests of latency as a resource: profiles by hand, and what is no profile."""

import json

import tensorflow as tf
from absl.testing import parameterized

from ddi_tf import costs
from ddi_tf import deciding
from ddi_tf import errors
from ddi_tf import latency
from ddi_tf import network
from ddi_tf import subgraphs


def _network(**settings):
    return network.Network(network.NetworkConfig(
        **{"depth": 8, "image_shape": (16, 16, 3), **settings}))


# A ResNet8's graphs but for the blocks, in milliseconds.
_MEDIANS = {
    "stem": 0.5, "stage1_block1_layer_gate": 0.01,
    "stage2_block1_layer_gate": 0.01, "stage3_block1_layer_gate": 0.02,
    "stage1_block1_channel_gate": 0.03, "stage2_block1_channel_gate": 0.04,
    "stage3_block1_channel_gate": 0.05, "stage2_block1_skip": 0.06,
    "stage3_block1_skip": 0.07, "exit1": 0.08, "exit2": 0.09, "exit3": 0.1,
    "head": 0.011}

# Two groups: each by itself, and both.
_VARIANTS = {
    f"{block}_groups_{groups}": median for block, medians in (
        ("stage1_block1", (1.0, 1.2, 2.0)), ("stage2_block1", (0.8, 0.8, 1.5)),
        ("stage3_block1", (0.5, 0.7, 0.9)))
    for groups, median in zip(("0", "1", "0_1"), medians)}

# One graph that takes the mask, or that has nothing to mask.
_WHOLE = {"stage1_block1": 2.0, "stage2_block1": 1.5, "stage3_block1": 0.9}


class ReadTest(tf.test.TestCase, parameterized.TestCase):

    def _file(self, text):
        return self.create_tempfile("profile.json", text).full_path

    def test_medians_are_read_by_name_and_the_rest_is_left(self):
        # As device.profile writes it, shortened.
        path = self._file(json.dumps({
            "format_version": 1, "bundle": {"name": "b", "checksum": "0"},
            "threads": 1, "full_path": {
                "graphs": ["stem", "head"], "median_ms": 1.0, "p95_ms": 2.0,
                "mean_ms": 1.1, "count": 50},
            "graphs": [
                {"name": "stem", "role": "stem", "macs": 442_368,
                 "median_ms": 0.25, "p95_ms": 0.5, "mean_ms": 0.3, "count": 50},
                {"name": "head", "role": "head", "macs": 640,
                 "median_ms": 1, "p95_ms": 2, "mean_ms": 1.5, "count": 50}],
            "warnings": [], "checksum": "0"}))
        self.assertEqual(latency.read(path), {"stem": 0.25, "head": 1.0})

    def test_missing_file_is_an_error(self):
        with self.assertRaisesRegex(
                errors.ConfigError,
                r"the latency profile nowhere\.json cannot be read "
                r"\(No such file.*python -m device\.profile"):
            latency.read("nowhere.json")

    def test_folder_is_an_error(self):
        path = self.create_tempdir().full_path
        with self.assertRaisesRegex(
                errors.ConfigError, f"{path} cannot be read.*device.profile"):
            latency.read(path)

    @parameterized.parameters(
        "", "{", "[]", "3", "null", "{}", '{"graphs": 3}', '{"graphs": null}',
        '{"graphs": ["stem"]}', '{"graphs": {"stem": 1}}',
        '{"graphs": [{"name": "stem"}]}', '{"graphs": [{"median_ms": 1}]}',
        '{"graphs": [{"name": [], "median_ms": 1}]}', "\0", 9999 * "[")
    def test_what_is_no_profile_is_an_error(self, text):
        path = self._file(text)
        with self.assertRaisesRegex(
                errors.ConfigError,
                rf"{path} is not a latency profile.*Measure again: "
                r"python -m device\.profile"):
            latency.read(path)

    def test_bytes_that_are_no_text_are_an_error(self):
        path = self.create_tempfile("profile.json", b"\xff\xfe\x81").full_path
        with self.assertRaisesRegex(
                errors.ConfigError, "is not a latency profile"):
            latency.read(path)

    @parameterized.parameters(
        "NaN", "Infinity", "-Infinity", "0", "0.0", "-1.5", '"0.5"', '"fast"',
        "true", "null", "[1]", '{"a": 1}', "1e999", "1" + 400 * "0")
    def test_what_is_no_time_is_an_error_that_names_the_graph(self, value):
        path = self._file('{"graphs": [{"name": "stem", "median_ms": 1}, '
                          f'{{"name": "exit1", "median_ms": {value}}}]}}')
        with self.assertRaisesRegex(
                errors.ConfigError, rf"{path}: the latency of exit1 is .* ms; "
                r"measure again: python -m device\.profile"):
            latency.read(path)


class TableTest(tf.test.TestCase, parameterized.TestCase):

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.net = _network()

    def _assert_tables(self, table, expected):
        self.assertEqual(table.exit_after, expected.exit_after)
        for name, ours, theirs in zip(table._fields, table, expected):
            self.assertAllClose(ours, theirs, msg=name)

    def test_two_groups_by_hand(self):
        # A line through the mean of the halves and the whole, above the skip:
        # 1.1 and 2.0; 0.8 and 1.5, less 0.06; 0.6 and 0.9, less 0.07.
        self._assert_tables(
            latency.table(self.net, {**_MEDIANS, **_VARIANTS}),
            costs.CostTable(
                stem=0.5, layer_gates=(0.01, 0.01, 0.02),
                channel_gates=(0.03, 0.04, 0.05), skips=(0, 0.06, 0.07),
                runs=((0.2, 1.8, 0), (0.04, 1.4, 0), (0.23, 0.6, 0)),
                exits=(0.08, 0.09, 0.1), exit_after=(0, 1, 2), head=0.011))

    def test_a_masked_graph_takes_its_time_whatever_the_mask(self):
        table = latency.table(self.net, {**_MEDIANS, **_WHOLE})
        self._assert_tables(table, costs.CostTable(
            stem=0.5, layer_gates=(0.01, 0.01, 0.02),
            channel_gates=(0.03, 0.04, 0.05), skips=(0, 0.06, 0.07),
            runs=((2.0, 0, 0), (1.44, 0, 0), (0.83, 0, 0)),
            exits=(0.08, 0.09, 0.1), exit_after=(0, 1, 2), head=0.011))
        half, whole = (costs.spent(table, deciding.Decisions(
            tf.ones([1, 3]), (mask,) * 3)) for mask in (
                tf.constant([[1.0, 0.0]]), tf.ones([1, 2])))
        self.assertAllClose(half, whole)

    def test_one_group_by_hand(self):
        table = latency.table(_network(groups=1), {**_MEDIANS, **_WHOLE})
        self.assertAllClose(
            table.runs, ((2.0, 0, 0), (1.44, 0, 0), (0.83, 0, 0)))

    def test_masked_sites_have_one_graph(self):
        for mask_site in ("output", "both"):
            table = latency.table(
                _network(mask_site=mask_site), {**_MEDIANS, **_WHOLE})
            self.assertEqual(table.runs[0], (2.0, 0, 0))

    def test_what_a_network_lacks_takes_no_time(self):
        net = _network(layer_gates=False, channel_gates=False, exits=False)
        table = latency.table(net, {**_MEDIANS, **_WHOLE})
        self.assertEqual(table.layer_gates, (0, 0, 0))
        self.assertEqual(table.channel_gates, (0, 0, 0))
        self.assertEqual((table.exits, table.exit_after), ((), ()))
        self.assertAllClose(table.base, 0.5 + 2.0 + 1.5 + 0.9 + 0.011)
        self.assertAllClose(table.everything, table.base)

    def test_only_some_blocks_have_exits(self):
        net = _network(depth=26, channel_gates=False, layer_gates=False)
        medians = {graph.name: 1.0 + index for index, graph in enumerate(
            subgraphs.cut(net, subgraphs.masked).graphs)}
        table = latency.table(net, medians)
        self.assertEqual(table.exit_after, net.costs.exit_after)
        self.assertAllClose(
            table.exits, [medians[f"exit{n}"] for n in range(1, 7)])

    @parameterized.parameters((_VARIANTS,), (_WHOLE,))
    def test_full_path_is_the_sum_of_what_runs(self, blocks):
        medians = {**_MEDIANS, **blocks}
        table = latency.table(self.net, medians)
        spent = costs.spent(table, self.net.all_open(1))
        full = sum(_WHOLE.values())  # the whole block, with its shortcut
        gates = 0.01 + 0.01 + 0.02 + 0.03 + 0.04 + 0.05
        self.assertAllClose(
            costs.full_path(table, spent),
            [0.5 + gates + full + 0.08 + 0.09 + 0.1 + 0.011])
        self.assertAllClose(table.base, 0.5 + full + 0.011)

    def test_least_is_the_shortcuts_the_layer_gates_and_the_answers(self):
        table = latency.table(self.net, {**_MEDIANS, **_VARIANTS})
        self.assertAllClose(
            costs.least(table, self.net.all_closed(1)),
            0.5 + 0.06 + 0.07 + 0.04 + 0.27 + 0.011)

    @parameterized.parameters(
        ("stem", _VARIANTS), ("head", _WHOLE), ("exit2", _VARIANTS),
        ("stage3_block1_layer_gate", _VARIANTS), ("stage2_block1_skip", _WHOLE),
        ("stage3_block1_channel_gate", _VARIANTS),
        ("stage1_block1", _WHOLE), ("stage2_block1_groups_1", _VARIANTS))
    def test_missing_graph_is_an_error_that_names_it(self, name, blocks):
        medians = {**_MEDIANS, **blocks}
        del medians[name]
        with self.assertRaisesRegex(
                errors.ConfigError,
                rf"the latency profile has no {name} \(1 graphs are missing\)"
                r".*another network\. Export this one and measure again: "
                r"python -m device\.profile"):
            latency.table(self.net, medians)

    def test_profile_of_another_network_is_an_error(self):
        with self.assertRaisesRegex(
                errors.ConfigError, "has no .*another network"):
            latency.table(_network(depth=14), {**_MEDIANS, **_VARIANTS})


if __name__ == "__main__":
    tf.test.main()
