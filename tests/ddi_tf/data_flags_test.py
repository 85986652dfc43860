"""Tests of the flags that choose a data set."""

from unittest import mock

import tensorflow as tf
from absl.testing import flagsaver

from ddi_tf import data
from ddi_tf import data_flags
from ddi_tf import errors
from ddi_tf import sources

_DIGITS = tuple("0123456789")


def _settings(**changes):
    """Of a run.json, as far as data goes."""
    return {"network": {"image_shape": [32, 32, 3]}, "data": {
        "name": "digits", "label_names": list(_DIGITS),
        "scaling": {"mean": [1.0] * 3, "std": [2.0] * 3}, **changes}}


class LoadTest(tf.test.TestCase):

    def test_flags_are_the_options(self):
        with mock.patch.object(sources, "load") as load:
            with flagsaver.flagsaver(
                    data_name="folder", data_dir="x", data_image_size=48,
                    data_crop="zoom", data_flip=False, data_memory_gb=2.0,
                    data_cache="y"):
                data_flags.load()
        load.assert_called_once_with("folder", sources.Options(
            folder="x", image_size=48, crop="zoom", flip=False, memory_gb=2.0,
            cache="y"))

    def test_an_interrupted_load_is_one_clear_error(self):
        with mock.patch.object(
                sources, "load", side_effect=KeyboardInterrupt):
            with self.assertRaisesRegex(errors.DataError, "stopped while"):
                data_flags.load()


class LoadOfTest(tf.test.TestCase):

    def test_a_run_without_details_is_as_its_name_says(self):
        dataset = data_flags.load_of(_settings())
        expected = sources.load("digits")
        self.assertEqual(dataset.crop.name, "shift")
        self.assertAllEqual(dataset.test.images, expected.test.images)

    def test_scaling_is_the_runs(self):
        self.assertEqual(
            data_flags.load_of(_settings()).scaling,
            data.Scaling((1.0,) * 3, (2.0,) * 3))

    def test_size_and_crop_are_the_runs_whatever_the_flags_say(self):
        settings = _settings(crop="zoom", flip=True)
        settings["network"]["image_shape"] = [48, 48, 3]
        with flagsaver.flagsaver(data_image_size=64, data_crop="shift"):
            dataset = data_flags.load_of(settings)
        self.assertEqual(dataset.image_shape, (48, 48, 3))
        self.assertEqual(dataset.crop.name, "zoom")
        self.assertEqual(dataset.part("train").images.shape[1:], (48, 48, 3))
        self.assertTrue(dataset.flip)

    def test_what_a_dataset_says_of_itself_loads_it_again(self):
        dataset = sources.load("digits", sources.Options(crop="zoom"))
        again = data_flags.load_of(_settings(**dataset.settings))
        self.assertEqual(again.settings, dataset.settings)
        self.assertAllEqual(again.train.images, dataset.train.images)

    def test_other_classes_than_the_runs_are_named(self):
        with self.assertRaisesRegex(
                errors.DataError, "trained on the classes cat, dog; found 0, "
                "1, .*--data_dir"):
            data_flags.load_of(_settings(label_names=["cat", "dog"]))


if __name__ == "__main__":
    tf.test.main()
