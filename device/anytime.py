"""The answer so far of an image that is still being classified."""


class Ongoing:
    """Shared by who classifies an image and who may not be able to wait.

    One image each. Every exit on the way is then evaluated, and paid, whether
    its threshold lets the image leave or not:

        ongoing = anytime.Ongoing()
        threading.Timer(0.002, ongoing.stop).start()
        answer = controller.classify(image, ongoing=ongoing)

    Attributes:
        answer: `answers.Answer` of the last exit passed; None before it.
        is_stopped: whether the answer is wanted now.
    """

    def __init__(self):
        self.answer, self.is_stopped = None, False

    def stop(self):
        """Wants the answer now; from any thread, or a signal's handler.

        `classify` returns when the graph that runs has ended: with the answer
        so far, or, if there is none yet, with that of the cheapest way to one.
        """
        self.is_stopped = True

    @property
    def is_answered(self):
        """Whether it is wanted now, and there."""
        return self.is_stopped and self.answer is not None
