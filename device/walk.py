"""One image's way through a plan, inside its limits.

Per block: layer gate -> channel gate -> cheapest variant that covers the wanted
channels -> exit test (Dual Dynamic Inference, Section 3; the rule of limits is
in `device.budget`). A gate opens from one half on; of an answer that is no
number nothing opens, as in Keras and in the C controller.
"""

import dataclasses
import math

from device import answers
from device import budget
from device import errors
from device.plan import SKIPPED

_NS_PER_MS = 1e6


class Walk:
    """One image's way through the plan.

    Args:
        controller: `Controller`.
        started: when the image came, by the controller's clock.
        limits: `status.Limits`.
        thresholds, forced, ongoing: as for `Controller.classify`.
    """

    def __init__(
            self, controller, started, limits, thresholds, forced, ongoing):
        self._controller, self._started = controller, started
        self._deadline_ms = limits.deadline_ms
        self._limits = controller.tariff.open(
            limits, started, controller.clock, ongoing)
        self._thresholds = iter(() if thresholds is None else thresholds)
        self._forced, self._ongoing = forced, ongoing
        self._states = {}  # role of recurrent gates -> their state, [1, S]
        self._path, self._executed = [], []

    def run(self, image):
        """The `Answer`."""
        try:
            return self._walk(image)
        except _WantedNow:
            return self._so_far()

    def _walk(self, image):
        controller = self._controller
        features = self._execute(
            controller.stem, controller.prepare(image)).view()
        for block in controller.blocks:
            groups, way = self._decide(block, features)
            self._path.append(groups)
            made = None
            if way is not None:
                made = self._execute(way.node, features, *way.masks).view()
            elif block.skip is not None:
                made = self._execute(block.skip, features).view()
            if block.append is not None:
                features = block.append(features, made)
            elif made is not None:
                features = made
            if block.exit is not None:
                answer = self._leave(block, features)
                if answer is not None:
                    return answer
        return self._answer(controller.head, features)

    def _decide(self, block, features):
        """(groups that run, the `plan.Way` or None) for one block."""
        wanted = SKIPPED
        if self._forced is not None:
            wanted = self._forced[block.number]
        elif not self._limits or self._may_ask(block):
            wanted = self._ask(block, features)
        wanted = block.completed(wanted)
        way = block.way(wanted)
        if way is not None and self._limits and not self._pays_for(
                block, way.choice):
            wanted = block.least
            way = block.way(wanted)
        return wanted, way

    def _ask(self, block, features):
        """The channel groups that the gates want; SKIPPED for none."""
        if block.layer_gate is not None:
            [chance] = self._chances(block.layer_gate, features)
            if not chance >= 0.5:
                return SKIPPED
        if block.channel_gate is None:
            return block.settled
        return tuple([group for group, chance in enumerate(
            self._chances(block.channel_gate, features)) if chance >= 0.5])

    def _chances(self, gate, features):
        """What a gate answers, a list; a recurrent one's state goes on."""
        role = gate.state
        if role is None:
            return self._execute(gate, features).read()[0].tolist()
        state = self._states.get(role)
        if state is None:
            state = self._controller.initial_state(role)
        graph = self._execute(gate, features, state)
        self._states[role] = graph.read(1)
        return graph.read(0)[0].tolist()

    def _leave(self, block, features):
        """The `Answer` if the image leaves at the block's exit, else None."""
        threshold = next(self._thresholds, None)
        is_last = self._must_answer(block)
        is_asked = threshold is not None or self._ongoing is not None
        if not is_last and not (is_asked and self._pays_for_exit(block)):
            return None
        answer = self._answer(block.exit, features)
        if self._ongoing is not None:
            self._ongoing.answer = answer
        if is_last or self._ends_before_next(block):
            return answer
        return answer if threshold is not None and (
            answer.entropy <= threshold) else None

    def _answer(self, node, features):
        """The `Answer` of an exit or the head."""
        logits = self._execute(node, features).read()[0]
        probabilities, entropy = answers.softmax(
            logits, self._controller.entropy)
        if math.isnan(entropy):
            raise errors.BundleError(
                f"the graph {node.name} gives logits that are no numbers: its "
                "weights are not what was trained. Export again.")
        return answers.Answer(
            int(probabilities.argmax()), probabilities, logits, node.name,
            entropy, **self._spent())

    def _spent(self):
        """The fields of an `Answer` that say what it took so far."""
        executed, controller = self._executed, self._controller
        return {
            "path": tuple(self._path),
            "macs": sum([node.macs for node in executed]),
            "energy_pj": sum([node.energy_pj for node in executed]),
            "latency_ms": (controller.clock() - self._started) / _NS_PER_MS,
            "deadline_ms": self._deadline_ms}

    def _so_far(self):
        """The last exit's `Answer`, with all that has been spent since."""
        return dataclasses.replace(self._ongoing.answer, **self._spent())

    def _execute(self, node, *inputs):
        """Runs a graph, and pays for it."""
        if self._ongoing is not None and self._ongoing.is_answered:
            raise _WantedNow
        node.graph.run(*inputs)
        self._executed.append(node)
        for limit in self._limits:
            limit.pay(node)
        return node.graph

    # What each limit still allows, after the cheapest way to an answer.

    def _may_ask(self, block):
        k = block.number
        return all([budget.may_ask(
            limit.costs.steps[k], limit.left() - limit.costs.to_answer[k])
            for limit in self._limits])

    def _pays_for(self, block, choice):
        k = block.number
        return all([
            limit.costs.steps[k].variants[choice]
            <= limit.left() - limit.costs.to_answer[k]
            for limit in self._limits])

    def _pays_for_exit(self, block):
        k = block.number
        return all([limit.costs.steps[k].exit <= limit.left()
                    for limit in self._limits])

    def _ends_before_next(self, block):
        """Whether a limit does not pay for the answer after this exit."""
        k = block.number
        return any([limit.left() < limit.costs.past_exit[k]
                    for limit in self._limits])

    def _must_answer(self, block):
        """Whether some limits end before the next answer, and others pay this.

        Only time can run out where MACs or energy are saved for another way.
        """
        k = block.number
        return self._ends_before_next(block) and all([
            limit.costs.steps[k].exit <= limit.left()
            or limit.left() < limit.costs.past_exit[k]
            for limit in self._limits])


class _WantedNow(Exception):
    """Somebody waits, and there is an answer so far."""
