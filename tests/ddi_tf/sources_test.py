"""Tests of the data sets that have a name."""

import shutil
import tempfile
import types
from unittest import mock

import numpy as np
import tensorflow as tf
import tensorflow_datasets as tfds
from absl.testing import parameterized
from sklearn import datasets

from ddi_tf import data
from ddi_tf import errors
from ddi_tf import sources


class DigitsTest(tf.test.TestCase):

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.dataset = sources.load("digits")
        cls.splits = [getattr(cls.dataset, name) for name in data.SPLITS]

    def test_splits_have_their_sizes_and_types(self):
        for split, size in zip(self.splits, (1077, 360, 360)):
            self.assertEqual(split.images.shape, (size, 32, 32, 3))
            self.assertEqual(split.labels.shape, (size,))
            self.assertEqual(split.images.dtype, np.uint8)
            self.assertEqual(split.labels.dtype, np.int32)

    def test_values_fill_the_range(self):
        images = np.concatenate([split.images for split in self.splits])
        labels = np.concatenate([split.labels for split in self.splits])
        self.assertEqual((images.min(), images.max()), (0, 255))
        self.assertEqual(set(labels), set(range(10)))
        self.assertEqual(self.dataset.label_names, tuple("0123456789"))

    def test_splits_are_one_after_the_other_without_overlap(self):
        digits = datasets.load_digits()
        self.assertAllEqual(
            np.concatenate([split.labels for split in self.splits]),
            digits.target)
        # Enlarged by a whole factor, so each cell keeps about its mean.
        images = np.concatenate([split.images for split in self.splits])
        cells = images[..., 0].reshape([-1, 8, 4, 8, 4]).mean(axis=(2, 4))
        error = cells - digits.images * (255 / 16)
        self.assertLess(np.abs(error).mean(), 20)
        self.assertGreater(
            np.corrcoef(cells.ravel(), digits.images.ravel())[0, 1], 0.95)

    def test_scaling_is_that_of_the_training_images(self):
        scaled = data.normalize(
            self.dataset.train.images, self.dataset.scaling).numpy()
        self.assertAllClose(scaled.mean(), 0.0, atol=0.02)
        self.assertAllClose(scaled.std(), 1.0, atol=0.02)

    def test_digits_are_not_mirrored(self):
        self.assertFalse(self.dataset.flip)


    def test_training_images_are_larger_where_crops_zoom(self):
        dataset = sources.load("digits", sources.Options(
            image_size=48, crop="zoom", flip=True))
        self.assertEqual(dataset.train.images.shape, (1077, 55, 55, 3))
        self.assertEqual(dataset.test.images.shape, (360, 48, 48, 3))
        self.assertTrue(dataset.flip)
        self.assertEqual(dataset.details, {"crop": "zoom", "flip": True})


class LoadTest(tf.test.TestCase, parameterized.TestCase):

    def test_unknown_name_lists_the_known_ones(self):
        with self.assertRaisesRegex(
                errors.DataError,
                "must be one of digits, cifar10, cifar100, imagenette, "
                "imagenet2012, folder. Received: mnist"):
            sources.load("mnist")

    @parameterized.parameters(
        ("cifar10", "CIFAR-10", "160 MB"), ("cifar100", "CIFAR-100", "160 MB"),
        ("imagenette", "Imagenette", "1.5 GB"),
        ("imagenet2012", "ImageNet", "ILSVRC2012_img_train.tar"))
    def test_missing_data_says_what_gets_it(self, name, title, remedy):
        folder = self.create_tempdir().full_path
        with self.assertRaisesRegex(
                errors.DataError, f"^{title} is not in {folder}.*--data_dir.*"
                f"{remedy}.*--data_download"):
            sources.load(name, sources.Options(folder))

    def test_imagenet_that_was_not_put_there_says_where_it_belongs(self):
        folder = self.create_tempdir().full_path
        with self.assertRaisesRegex(
                errors.DataError, f"^ImageNet could not be fetched to {folder}"
                "[^\\n]*downloads/manual"):
            sources.load("imagenet2012", sources.Options(folder, True))

    def test_incomplete_digits_say_what_gets_the_rest(self):
        few = types.SimpleNamespace(
            images=np.zeros([5, 8, 8]), target=np.zeros([5]), target_names=())
        with mock.patch.object(datasets, "load_digits", return_value=few):
            with self.assertRaisesRegex(
                    errors.DataError,
                    "expected 1797 images, found 5.*--data_download"):
                sources.load("digits")


class _Tiny(tfds.core.GeneratorBasedBuilder):
    """Twelve images, the value of each 10 times its number."""

    VERSION = tfds.core.Version("1.0.0")
    SHAPE = (None, None, 3)

    def _info(self):
        features = tfds.features.FeaturesDict({
            "image": tfds.features.Image(
                shape=self.SHAPE, encoding_format="png"),
            "label": tfds.features.ClassLabel(names=["even", "odd"])})
        return tfds.core.DatasetInfo(builder=self, features=features)

    def _split_generators(self, manager):
        return {"train": self._images(0, 9), "validation": self._images(9, 12)}

    def _images(self, start, stop):
        for index in range(start, stop):
            height = self.SHAPE[0] or 20 + index
            yield index, {"image": np.full([height, 16, 3], 10 * index,
                                           np.uint8),
                          "label": index % 2}

    def _generate_examples(self):
        raise NotImplementedError


class _TinySquares(_Tiny):
    SHAPE = (16, 16, 3)


_ROW = sources._PREPARED["imagenette"]._replace(
    title="Tiny", train=6, tune=3, test=3, size=16)


class PreparedTest(tf.test.TestCase, parameterized.TestCase):

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.builders = {}
        for builder in (_Tiny, _TinySquares):
            folder = tempfile.mkdtemp()
            cls.addClassCleanup(shutil.rmtree, folder)
            cls.builders[builder] = builder(data_dir=folder)
            cls.builders[builder].download_and_prepare()

    def _load(self, builder, row=_ROW, **options):
        with mock.patch.object(
                tfds, "builder", return_value=self.builders[builder]):
            with mock.patch.dict(sources._PREPARED, {"imagenette": row}):
                return sources.load("imagenette", sources.Options(**options))

    @parameterized.product(
        builder=(_Tiny, _TinySquares), size=(None, 16, 24, 80))
    def test_images_of_any_size_become_squares_in_three_splits(
            self, builder, size):
        dataset = self._load(builder, image_size=size)
        self.assertEqual(dataset.image_shape, (size or 16,) * 2 + (3,))
        self.assertEqual(dataset.label_names, ("even", "odd"))
        self.assertTrue(dataset.flip)
        splits = [getattr(dataset, name) for name in data.SPLITS]
        self.assertEqual([len(split.labels) for split in splits], [6, 3, 3])
        self.assertEqual(dataset.train.images.shape[1], 91 if size == 80
                         else size or 16)
        # The order is TFDS's, the same every time, whatever the size.
        found = [split.images[:, 0, 0, 0] // 10 for split in splits]
        self.assertEqual(set(np.concatenate(found[:2])), set(range(9)))
        self.assertEqual(set(found[2]), {9, 10, 11})
        for split, numbers in zip(splits, found):
            self.assertAllEqual(split.labels, numbers % 2)
            self.assertEqual(split.labels.dtype, np.int32)
            self.assertAllEqual(
                split.images, np.broadcast_to(
                    10 * numbers[:, None, None, None], split.images.shape))

    def test_two_loads_are_equal(self):
        first, second = (self._load(_Tiny, image_size=24) for _ in range(2))
        self.assertAllEqual(first.train.images, second.train.images)

    def test_incomplete_data_says_what_gets_the_rest(self):
        with self.assertRaisesRegex(
                errors.DataError, "expected 13 images, found 12.*--data_down"):
            self._load(_Tiny, _ROW._replace(train=7))

    def test_what_does_not_fit_says_what_helps(self):
        with self.assertRaisesRegex(
                errors.DataError,
                "^Tiny: 12 images of 256 x 256 pixels take 2.4 MB, more than "
                "--data_memory_gb=0.001. Lower --data_image_size, .*--data_ca"):
            self._load(_Tiny, image_size=224, memory_gb=0.001)


if __name__ == "__main__":
    tf.test.main()
