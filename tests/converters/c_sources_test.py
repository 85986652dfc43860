"""Files of C sources: all of them or nothing, and no name breaks one."""

import pathlib

import tensorflow as tf

from converters import c_sources


class WriteTest(tf.test.TestCase):

    def test_an_error_while_writing_leaves_nothing(self):
        temp = pathlib.Path(self.create_tempdir().full_path)
        with self.assertRaises(UnicodeEncodeError):
            c_sources.write(temp / "c", {"a.c": "fine", "b.c": "\ud800"})
        self.assertEmpty(list(temp.iterdir()))

    def test_interrupt_while_writing_leaves_nothing(self):
        class Interrupted(dict):

            def items(self):
                yield "a.c", "fine"
                raise KeyboardInterrupt

        temp = pathlib.Path(self.create_tempdir().full_path)
        with self.assertRaises(KeyboardInterrupt):
            c_sources.write(temp / "c", Interrupted())
        self.assertEmpty(list(temp.iterdir()))

    def test_names_cannot_break_the_sources(self):
        self.assertEqual(c_sources._text('a"b\\é??'),
                         '"a\\042b\\134\\303\\251\\077\\077"')
        self.assertEqual(c_sources._comment("a*/ b\n"), "a__ b_")
        self.assertEqual([c_sources._real(v) for v in (1, 0.1, 1e-9, 3e38)], [
            "1.0f", "0.100000001f", "9.99999972e-10f", "3.00000001e+38f"])


if __name__ == "__main__":
    tf.test.main()
