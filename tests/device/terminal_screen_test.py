"""device.terminal.screen: what stands on the screen, in every size."""

import io

import rich.screen
from absl.testing import absltest
from absl.testing import parameterized
from hypothesis import given
from hypothesis import settings
from hypothesis import strategies as st
from rich.cells import cell_len
from rich.console import Console

from device import status as status_lib
from device.terminal import screen
import snapshots

_RECENT = screen.Recent(31.2, (0, 250, 500, 1000), "")


def draw(status, width=80, height=24, recent=_RECENT):
    """The lines on a terminal of this size, without colours."""
    console = Console(file=io.StringIO(), force_terminal=True, width=width,
                      height=height, color_system=None)
    console.print(rich.screen.Screen(
        screen.Screen(status, snapshots.MANIFEST, recent)), end="")
    return [line.rstrip() for line in console.file.getvalue().split("\n")]


class ScreenTest(parameterized.TestCase):

    maxDiff = None

    def test_all_of_it_fits_80_by_24(self):
        status = snapshots.status(limits=status_lib.Limits(414, 0.5, 0.2))
        self.assertEqual(draw(status), """\
 toy                                                                up 01:01:01
 1,234 images   31.2/s   0 late   0 failed   84.7% right

 image ────────────────────────────────────────────────────────────────────────
 a.png                                            dog  90.0%  entropy 0.39 nats
 ▄▄▄▄▄▄▄▄ ········ ········ ········
        ▲ block0_exit     ·
 █ whole  ▄ in part  ─ skipped  · not reached  ▲ answered

 cost ────────────────────────────────────────────── default, target 0.500 mJ ─
 MACs            207         mean 348         most 790   ██░░░  50% of 414
 of base       20.7%       mean 34.8%       most 79.0%
 energy     0.412 mJ    mean 0.500 mJ     most 1.25 mJ   ████░  82% of 0.500 mJ
 latency    0.272 ms  median 0.310 ms     95% 0.620 ms   █████ 136% of 0.200 ms
 latest    ▂▄█

 exits ───────────────────────────────   battery ──────── a simulated battery ─
 block0_exit █████████           50.0%   charge   ▒▒█████████████░░░░░░░░░  62%
 block2_exit                      0.0%   lasts    7.9 h
 head        █████████           50.0%   asked    6.5 h, reserve 10%
                                         draw     3.21 W
                                         sensor   good

""".split("\n"))

    def test_before_the_first_image(self):
        lines = draw(snapshots.status(
            name=None, label=None, answer=None, values=snapshots.NO_VALUES))
        self.assertEqual(lines[4], " waiting for the first image")
        self.assertEqual(lines[1], " 0 images   31.2/s   0 late   0 failed")

    def test_an_image_that_failed_leaves_everything_else_in_its_place(self):
        good, bad = draw(snapshots.status()), draw(snapshots.status(
            name="photos/" * 20 + "b.png", answer=None, label=None))
        self.assertRegex(
            bad[4], "^ …[tosph/]+/b.png  could not be classified$")
        self.assertLen(bad[4], 79)
        self.assertEqual(good[9], bad[9])
        self.assertEqual(good[16:], bad[16:])

    def test_what_has_happened_is_counted(self):
        lines = draw(snapshots.status(
            values=snapshots.VALUES | {"late": 3, "failed": 2}))
        self.assertIn("   3 late   2 failed   ", lines[1])

    def test_without_a_battery_the_exits_have_all_the_width(self):
        lines = draw(snapshots.status(battery=None, target_mj=None))
        self.assertEndsWith(lines[9], " default ─")
        self.assertLen(lines[16], 79)
        self.assertStartsWith(lines[16], " exits ───")
        self.assertNotIn("battery", "".join(lines))

    @parameterized.named_parameters(
        ("short", {"hours_left": 5.1}, "lasts    5.1 h, 1.4 h short"),
        ("charging", {"charging": True, "draw_w": -4.5},
         "lasts    while it is charged.*draw     charging at 4.50 W"),
        ("charging_unmeasured", {"charging": True, "draw_w": None},
         "draw     charging"),
        ("unknown", {"charge": None, "draw_w": None, "hours_left": None},
         "charge   unknown.*lasts    unknown.*draw     unknown"),
        ("held", {"health": "held", "note": "no answer for 12 s"},
         "sensor   held: last good value.*no answer for 12 s"),
        ("lost", {"health": "lost"}, "sensor   lost: frugal point"))
    def test_the_battery(self, changes, expected):
        lines = draw(snapshots.status(
            battery=snapshots.BATTERY._replace(**changes)))
        self.assertRegex(" ".join(lines), expected)

    def test_a_low_terminal_keeps_what_matters(self):
        lines = draw(snapshots.status(), 60, 14)
        text = "\n".join(lines)
        for word in ("toy", "dog", "▲ block0_exit", "MACs", "latency",
                     "charge", "lasts", "head"):
            self.assertIn(word, text)
        for word in ("latest", "of base", "in part"):
            self.assertNotIn(word, text)

    def test_a_narrow_one_has_battery_and_exits_one_above_the_other(self):
        lines = draw(snapshots.status(), 40, 30)
        first = next(i for i, line in enumerate(lines) if " battery " in line)
        second = next(i for i, line in enumerate(lines) if " exits " in line)
        self.assertEqual(second, first + 6)

    def test_messages_are_shown_last(self):
        lines = draw(snapshots.status(), recent=_RECENT._replace(
            message="b.png: cannot be decoded"))
        self.assertEqual(lines[-1] or lines[-2], " b.png: cannot be decoded")

    def test_a_name_is_no_markup(self):
        lines = draw(snapshots.status(name="[bold]test[/].npz[2]"))
        self.assertStartsWith(lines[4], " [bold]test[/].npz[2]  ")

    def test_a_name_moves_no_cursor(self):
        lines = draw(snapshots.status(name="a\x1b[2J\nb.png"), recent=(
            _RECENT._replace(message="c\x1b]0;d\x07")))
        self.assertStartsWith(lines[4], " a\ufffd[2J\ufffdb.png  ")
        self.assertIn(" c\ufffd]0;d\ufffd", lines)

    @settings(max_examples=50, deadline=None)
    @given(st.integers(1, 150), st.integers(1, 50),
           st.sampled_from((None, snapshots.BATTERY._replace(note="!" * 99))),
           st.text(max_size=40), st.sampled_from((None, snapshots.answer())))
    def test_it_never_passes_its_terminal(
            self, width, height, battery, name, answer):
        lines = draw(snapshots.status(
            battery=battery, name=name, answer=answer), width, height)
        self.assertLessEqual(len(lines), height)
        self.assertLessEqual(max(map(cell_len, lines)), width)


if __name__ == "__main__":
    absltest.main()
