"""A few hundred of the cases of benchmarks/fuzz.py, always the same ones."""

import tempfile

from absl.testing import absltest

import fuzz_arguments
import fuzz_bundle
import fuzz_images
import fuzzing

_CASES = 12  # of every kind


class FuzzTest(absltest.TestCase):

    def check(self, module):
        with tempfile.TemporaryDirectory() as folder:
            target = module.Target(folder)
            for kind in module.KINDS:
                for number in range(_CASES):
                    with self.subTest(kind=kind, number=number):
                        fuzzing.run(target, kind, 0, number)

    def test_a_damaged_bundle_is_refused_or_as_good_as_the_intact_one(self):
        self.check(fuzz_bundle)

    def test_a_damaged_image_is_refused_or_an_image(self):
        self.check(fuzz_images)

    def test_after_wrong_arguments_the_next_image_is_answered_rightly(self):
        self.check(fuzz_arguments)


if __name__ == "__main__":
    absltest.main()
