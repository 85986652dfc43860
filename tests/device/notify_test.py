"""device.notify: the datagrams that systemd gets."""

import os
import pathlib
import socket
import tempfile

from absl.testing import absltest
from absl.testing import parameterized

from device import notify


class NotifyTest(parameterized.TestCase):

    def listen(self, name):
        """A socket that stands for systemd's."""
        listening = self.enter_context(
            socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM))
        listening.bind(name)
        listening.setblocking(False)
        return listening

    def received(self, listening):
        """Every datagram there is."""
        found = []
        while True:
            try:
                found.append(listening.recv(100).decode())
            except BlockingIOError:
                return found

    def test_ready_and_stopping(self):
        folder = pathlib.Path(
            self.enter_context(tempfile.TemporaryDirectory()))
        listening = self.listen(str(folder / "notify"))
        service = notify.Service({"NOTIFY_SOCKET": str(folder / "notify")})
        service.ready()
        service.alive()  # nobody asked for it
        service.stopping()
        self.assertEqual(self.received(listening), ["READY=1", "STOPPING=1"])

    def test_an_abstract_socket(self):
        name = f"ddi-notify-test-{os.getpid()}"
        listening = self.listen("\0" + name)
        notify.Service({"NOTIFY_SOCKET": "@" + name}).ready()
        self.assertEqual(self.received(listening), ["READY=1"])

    def test_signs_of_life_come_four_times_per_watchdog_interval(self):
        name = f"ddi-watchdog-test-{os.getpid()}"
        listening = self.listen("\0" + name)
        now = [100.0]
        service = notify.Service(
            {"NOTIFY_SOCKET": "@" + name, "WATCHDOG_USEC": "40000000",
             "WATCHDOG_PID": str(os.getpid())}, clock=lambda: now[0])
        times = []
        for tenth in range(400):  # 40 seconds
            now[0] = 100 + tenth / 10
            service.alive()
            times += [now[0]] * len(self.received(listening))
        self.assertEqual(times, [100, 110, 120, 130])

    @parameterized.named_parameters(
        ("another_process", {"WATCHDOG_PID": "1", "WATCHDOG_USEC": "1000"}),
        ("no_number", {"WATCHDOG_USEC": "soon"}), ("none", {}))
    def test_without_a_watchdog_of_ours_there_are_none(self, environment):
        name = f"ddi-silence-test-{os.getpid()}"
        listening = self.listen("\0" + name)
        notify.Service({"NOTIFY_SOCKET": "@" + name, **environment}).alive()
        self.assertEmpty(self.received(listening))

    @parameterized.parameters(
        {}, {"NOTIFY_SOCKET": "/nowhere/at/all"}, {"NOTIFY_SOCKET": "@gone"})
    def test_nobody_who_listens_is_no_error(self, **environment):
        service = notify.Service({**environment, "WATCHDOG_USEC": "1"})
        service.ready()
        service.alive()
        service.stopping()


if __name__ == "__main__":
    absltest.main()
