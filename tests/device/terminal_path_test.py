"""device.terminal.path: the picture of one image's way."""

from absl.testing import absltest
from hypothesis import given
from hypothesis import settings
from hypothesis import strategies as st

from device.terminal import path
import fakes
import snapshots

_PLAN = snapshots.MANIFEST.plan  # exits behind the first and third of 4


def rows(answer, width, plan=_PLAN):
    return path.rows(plan, answer, width)


class PathTest(absltest.TestCase):

    def test_whole_part_skipped_and_not_reached(self):
        answer = snapshots.answer(
            path=((0, 1), (), (1,)), exit="block2_exit")
        self.assertEqual(rows(answer, 34), [(
            "████ ──── ▄▄▄▄ ····",
            "   │         ▲ block2_exit")])

    def test_the_first_exit_leaves_the_others_unreached(self):
        answer = snapshots.answer(path=((0,),), exit="block0_exit")
        self.assertEqual(rows(answer, 78), [(
            "▄▄▄▄▄▄▄▄ ········ ········ ········",
            "       ▲ block0_exit     ·")])

    def test_the_head_is_behind_the_last_block(self):
        answer = snapshots.answer(
            path=((), (0,), (), (0,)), exit="head")
        self.assertEqual(rows(answer, 26), [(
            "──── ████ ──── ████",
            "   │         │      ▲ head")])

    def test_many_blocks_go_without_gaps_and_then_in_more_rows(self):
        plan = fakes.manifest([fakes.Block()] * 9 + [fakes.GATED]).plan
        answer = snapshots.answer(path=((0,),) * 9 + ((0,),), exit="head")
        self.assertEqual(rows(answer, 16, plan), [
            ("█████████▄", "         │▲ head")])
        self.assertEqual(rows(answer, 12, plan), [
            ("██████", ""), ("███▄", "   │▲ head")])

    def test_a_network_without_blocks(self):
        answer = snapshots.answer(path=(), exit="head")
        self.assertEqual(rows(answer, 40, fakes.manifest().plan),
                         [("", "▲ head")])

    @settings(deadline=None)
    @given(st.integers(1, 120), st.integers(0, 60), st.data())
    def test_every_block_is_drawn_once_within_the_width(
            self, width, blocks, data):
        plan = fakes.manifest([fakes.GATED] * blocks).plan
        passed = data.draw(st.integers(0, blocks))
        exit_ = "head" if passed in (0, blocks) else f"block{passed - 1}_exit"
        pictures = rows(snapshots.answer(
            path=((0, 1),) * passed, exit=exit_), width, plan)
        drawn = "".join(row for row, _ in pictures).replace(" ", "")
        each = len(drawn) // max(blocks, 1)
        self.assertEqual(drawn, "█" * each * passed
                         + "·" * each * (blocks - passed))
        self.assertEqual("".join(marks for _, marks in pictures).count("▲"), 1)
        if width > 40:
            for row, marks in pictures:
                self.assertLessEqual(max(len(row), len(marks)), width)


if __name__ == "__main__":
    absltest.main()
