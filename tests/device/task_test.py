"""device.task: what a battery is asked for, and what is believed of it."""

import math

from absl.testing import absltest
from absl.testing import parameterized

from device import errors
from device import task


class TaskTest(parameterized.TestCase):

    @parameterized.parameters(
        {"capacity_wh": 0}, {"capacity_wh": math.inf}, {"runtime_hours": -1},
        {"reserve": 1.0}, {"reserve": math.nan}, {"idle_w": -1},
        {"frames_per_hour": 0}, {"energy_scale": math.nan}, {"active_w": 0},
        {"offset_mj": math.inf})
    def test_numbers_that_make_no_sense_are_refused(self, **changes):
        with self.assertRaisesRegex(
                errors.BudgetError, f"battery: {next(iter(changes))} must be"):
            task.Task(**{"capacity_wh": 1.0, "runtime_hours": 1.0, **changes})


if __name__ == "__main__":
    absltest.main()
