"""Ctrl-C: the first one is a wish, the second one is an order."""

import os
import signal
import threading

import pytest

from penchant.training.interruption import interruptible


def test_interruption_is_noted_at_the_first_signal_and_obeyed_at_the_second() -> None:
    former = signal.getsignal(signal.SIGINT)
    with interruptible() as interruption:
        os.kill(os.getpid(), signal.SIGINT)
        assert interruption.wished
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)
    assert signal.getsignal(signal.SIGINT) is former


def test_interruption_leaves_handlers_alone_in_other_threads() -> None:
    seen: list[object] = []

    def work() -> None:
        with interruptible() as interruption:
            seen.extend([interruption.wished, signal.getsignal(signal.SIGINT)])

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert seen == [False, signal.getsignal(signal.SIGINT)]
