"""The wish to end is heard whenever it comes."""

import ctypes
import operator
import select
import signal
from functools import partial

from grapevine.capture.stop import StopSignal

WAIT_MS = 20_000


def test_a_signal_just_before_the_wait_ends_it() -> None:
    send = partial(getattr(ctypes.CDLL(None), "raise"), signal.SIGTERM)  # the name is a keyword
    with StopSignal() as stop:
        poll = select.poll()
        poll.register(stop, select.POLLIN)

        _, heard = map(operator.call, (send, partial(poll.poll, WAIT_MS)))  # no bytecode, so no handler, in between

        assert [(stop.fileno(), select.POLLIN)] == heard
        assert (True, False) == (stop.is_set, stop.is_urgent)


def test_a_second_signal_is_urgent_and_leaves_nothing_behind() -> None:
    before = [signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)]
    with StopSignal() as stop:
        signal.raise_signal(signal.SIGTERM)
        signal.raise_signal(signal.SIGINT)
        assert (True, True) == (stop.is_set, stop.is_urgent)

    assert before == [signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)]
    assert -1 == signal.set_wakeup_fd(-1)
