"""Ctrl-C is held back while state is changed."""

import signal

import pytest

from lamina.core.interrupt import uninterrupted


def test_ctrl_c_is_held_back_once_and_comes_when_the_block_is_done():
    finished = []

    def interrupted(times):
        with uninterrupted():
            for _ in range(times):
                signal.raise_signal(signal.SIGINT)
            finished.append(times)

    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        for times in (1, 2):
            with pytest.raises(KeyboardInterrupt):
                interrupted(times)
            assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    finally:
        signal.signal(signal.SIGINT, before)
    assert finished == [1]
