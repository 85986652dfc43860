"""Tests of the user's own images: layouts, splits, and bad folders."""

import pathlib
import unicodedata

import numpy as np
import tensorflow as tf
from absl.testing import parameterized
from PIL import Image

from ddi_tf import errors
from ddi_tf import image_folder
from ddi_tf import sources


class ImageFolderTest(tf.test.TestCase, parameterized.TestCase):

    def setUp(self):
        super().setUp()
        self.root = pathlib.Path(self.create_tempdir().full_path)

    def _add(self, where, count=40, content=b""):
        folder = self.root / where
        folder.mkdir(parents=True, exist_ok=True)
        for index in range(count):
            (folder / f"image{index}.jpg").write_bytes(content)
        return folder

    def _listing(self):
        """(classes, {split: ["CLASS/name", ...]})."""
        classes, splits = image_folder.listing(self.root)
        for files in splits.values():
            for file in files:
                self.assertIn(f"/{classes[file.label]}/", file.content)
        return classes, {
            name: [f"{classes[file.label]}/{pathlib.Path(file.content).name}"
                   for file in files] for name, files in splits.items()}

    def _assert_refused(self, pattern):
        with self.assertRaisesRegex(errors.DataError, pattern):
            image_folder.listing(self.root)

    # Splits.

    def test_class_folders_are_split_by_name_about_70_10_20(self):
        self._add("cat", 1000)
        self._add("dog", 10)
        classes, splits = self._listing()
        self.assertEqual(classes, ("cat", "dog"))
        shares = {name: len(files) / 1010 for name, files in splits.items()}
        self.assertBetween(shares["tune"], 0.07, 0.13)
        self.assertBetween(shares["test"], 0.16, 0.24)
        self.assertLen(set().union(*splits.values()), 1010)

    def test_adding_a_file_does_not_move_the_others(self):
        self._add("cat")
        self._add("dog")
        _, before = self._listing()
        self._add("ape")  # all labels change
        (self.root / "cat" / "aaa.png").write_bytes(b"")
        (self.root / "dog" / "image3.jpg").unlink()
        _, after = self._listing()
        for name, files in before.items():
            self.assertEqual(
                set(files) - {"dog/image3.jpg"},
                {f for f in after[name] if not f.startswith("ape/")}
                - {"cat/aaa.png"})

    def test_known_names_fall_where_they_always_fell(self):
        self._add("cat")
        self._add("dog")
        _, splits = self._listing()
        self.assertEqual(
            [f for f in splits["tune"] if "cat" in f], [
                "cat/image15.jpg", "cat/image17.jpg"])
        self.assertEqual(
            [f for f in splits["test"] if "cat" in f], [
                "cat/image1.jpg", "cat/image12.jpg", "cat/image13.jpg",
                "cat/image18.jpg", "cat/image2.jpg", "cat/image20.jpg",
                "cat/image27.jpg", "cat/image3.jpg", "cat/image30.jpg",
                "cat/image38.jpg", "cat/image4.jpg", "cat/image8.jpg"])

    def test_composed_and_decomposed_accents_are_one_name(self):
        composed = unicodedata.normalize("NFC", "é.jpg")
        decomposed = unicodedata.normalize("NFD", "é.jpg")
        self.assertNotEqual(composed, decomposed)
        self.assertEqual(image_folder._place(composed),
                         image_folder._place(decomposed))

    @parameterized.parameters("test", "val")
    def test_folders_of_their_own_are_the_splits(self, other):
        for name in ("cat", "dog"):
            self._add(f"train/{name}", 100)
            self._add(f"{other}/{name}", 5)
        classes, splits = self._listing()
        self.assertEqual(classes, ("cat", "dog"))
        self.assertLen(splits["test"], 10)
        self.assertBetween(len(splits["tune"]), 10, 30)
        self.assertLen(splits["train"], 200 - len(splits["tune"]))

    def test_val_beside_test_is_tune(self):
        for split, count in (("train", 7), ("val", 5), ("test", 3)):
            self._add(f"{split}/cat", count)
            self._add(f"{split}/dog", count)
        _, splits = self._listing()
        self.assertEqual({name: len(files) for name, files in splits.items()},
                         {"train": 14, "tune": 10, "test": 6})

    def test_other_folders_beside_train_are_named(self):
        for split in ("train", "test"):
            self._add(f"{split}/cat")
            self._add(f"{split}/dog")
        self._add("extra")
        with self.assertLogs(level="WARNING") as logs:
            self._listing()
        self.assertRegex(logs.output[0], "so extra is not read")

    def test_train_without_test_may_be_a_class(self):
        self._add("train")
        self._add("tram")
        self.assertEqual(self._listing()[0], ("train", "tram"))

    # What is looked at.

    def test_hidden_files_and_other_files_are_not_looked_at(self):
        folder = self._add("cat")
        self._add("dog")
        self._add(".cache")
        for name in (".DS_Store", "._image0.jpg", "notes.txt", "image.xml"):
            (folder / name).write_bytes(b"")
        (self.root / "labels.csv").write_bytes(b"")
        classes, splits = self._listing()
        self.assertEqual(classes, ("cat", "dog"))
        self.assertLen(sum(splits.values(), []), 80)

    def test_links_are_followed(self):
        elsewhere = self._add("elsewhere/cat")
        root, self.root = self.root, self.root / "set"
        self._add("dog")
        (self.root / "cat").symlink_to(elsewhere)
        (self.root / "dog" / "linked.JPEG").symlink_to(
            root / "elsewhere/cat/image0.jpg")
        (self.root / "dog" / "nowhere.png").symlink_to(root / "nothing")
        classes, splits = self._listing()
        self.assertEqual(classes, ("cat", "dog"))
        files = sum(splits.values(), [])
        self.assertIn("dog/linked.JPEG", files)
        self.assertIn("dog/nowhere.png", files)  # decoding will say so
        image_folder.changes(image_folder.listing(self.root)[1])

    def test_names_may_be_of_any_script(self):
        self._add("猫")
        folder = self._add("собака")
        (folder / "größe.jpg").write_bytes(b"")
        classes, splits = self._listing()
        self.assertEqual(classes, ("собака", "猫"))
        self.assertIn("собака/größe.jpg", sum(splits.values(), []))

    # Bad folders.

    def test_missing_folder(self):
        self.root /= "nothing"
        self._assert_refused("nothing: no such folder.*--data_dir")

    def test_file_instead_of_a_folder(self):
        self.root /= "file"
        self.root.write_bytes(b"")
        self._assert_refused("file: no such folder")

    def test_no_class_folder(self):
        (self.root / "image.jpg").write_bytes(b"")
        self._assert_refused("two classes or more, found none. Expected FOLD")

    def test_one_class_only(self):
        self._add("cat")
        self._assert_refused("two classes or more, found only cat/. Expected")

    def test_empty_class_folder(self):
        self._add("cat")
        self._add("dog", 0)
        self._assert_refused("images of every class, found none of dog ")

    def test_folder_in_a_class_folder(self):
        self._add("cat")
        self._add("dog/small")
        self._assert_refused("dog: expected images, found the folder small/")

    def test_too_few_images_for_three_splits(self):
        self._add("cat", 1)
        self._add("dog", 1)
        self._assert_refused("(every class|none of the 2 images falls to).*Add")

    def test_test_class_that_train_does_not_have(self):
        for name in ("train/cat", "train/dog", "test/cat", "test/cow"):
            self._add(name)
        self._assert_refused(r"test: cow/ is no class of .*train \(cat, dog\)")

    # As a data set.

    def _pictures(self):
        noise = np.random.default_rng(0)
        for label, name in enumerate(("cat", "dog")):
            (self.root / name).mkdir()
            for index in range(40):
                pixels = noise.integers(0, 100, [20, 30, 3]) + 100 * label
                Image.fromarray(pixels.astype(np.uint8)).save(
                    self.root / name / f"{index}.png")

    def test_a_folder_loads_scaled_by_its_training_images(self):
        self._pictures()
        dataset = sources.load("folder", sources.Options(
            str(self.root), image_size=16))
        self.assertEqual(dataset.image_shape, (16, 16, 3))
        self.assertEqual(dataset.label_names, ("cat", "dog"))
        pixels = dataset.train.images.astype(float)
        self.assertAllClose(
            dataset.scaling.mean, pixels.mean(axis=(0, 1, 2)), atol=1e-3)
        for split in (dataset.train, dataset.tune, dataset.test):
            self.assertAllEqual(split.labels,
                                split.images.mean(axis=(1, 2, 3)) > 100)

    def test_another_set_of_files_has_another_fingerprint(self):
        self._pictures()
        options = sources.Options(str(self.root), image_size=16, crop="zoom")
        before = sources.load("folder", options)
        self.assertEqual(before.train.images.shape[1:], (18, 18, 3))
        self.assertEqual(before.details["crop"], "zoom")
        self.assertEqual(
            before.details, sources.load("folder", options).details)
        (self.root / "cat" / "0.png").rename(self.root / "dog" / "x.png")
        after = sources.load("folder", options)
        self.assertNotEqual(before.details, after.details)

    def test_a_folder_needs_data_dir(self):
        with self.assertRaisesRegex(errors.DataError, "--data_dir"):
            sources.load("folder")


if __name__ == "__main__":
    tf.test.main()
