"""The way of one image through the network, as two rows of characters."""

from device.plan import SKIPPED
from device.terminal import drawing

_LEFT = "▲"
LEGEND = f"█ whole  ▄ in part  ─ skipped  · not reached  {_LEFT} answered"

_WIDEST = 8  # characters of a block


def rows(plan, answer, width):
    """The picture of `answer`'s path.

    Args:
        plan: `bundle.Plan`.
        answer: `answers.Answer`.
        width: characters there are.

    Returns:
        [(blocks, exits)], strings of at most `width`: one pair, or more of
        them where a network has more blocks than `width` characters.
    """
    answered = f"{_LEFT} {answer.exit}"
    room = max(width - len(answered), 1)  # behind the last block, for the head
    size = min(room // max(len(plan.steps), 1) - 1, _WIDEST)
    gap, size = (" ", size) if size > 0 else ("", 1)
    blocks = [_block(step, answer, index) * size + gap
              for index, step in enumerate(plan.steps)]
    exits = [_exit(step.exit, answer, index).rjust(size) + gap
             for index, step in enumerate(plan.steps)]
    if answer.exit == plan.head:
        exits.append(_LEFT)
    per_row = max(room // (size + len(gap)), 1)
    starts = range(0, max(len(blocks), 1), per_row)
    return [("".join(blocks[i:i + per_row]).rstrip(),
             _named("".join(exits[i:i + per_row] if i < starts[-1]
                            else exits[i:]), answered))
            for i in starts]


def _block(step, answer, index):
    if index >= len(answer.path):
        return "·"
    if answer.path[index] == SKIPPED:
        return "─"
    return drawing.level(len(answer.path[index]) / step.groups)


def _exit(name, answer, index):
    if name is None:
        return " "
    if name == answer.exit:
        return _LEFT
    return "│" if index < len(answer.path) else "·"


def _named(exits, answered):
    """The row of exits, with the name of the one that answered written in."""
    before, mark, after = exits.partition(_LEFT)
    if not mark:
        return exits.rstrip()
    return f"{before}{answered} {after[len(answered):]}".rstrip()
