"""Loops of one's own show their progress; it is printed or logged."""

import logging
import re

import numpy as np
import pytest

import lamina
from lamina import layers, utils


@pytest.mark.parametrize(
    "arguments, shown",
    [
        ({}, "loss 3.0000 - best 2.0000"),
        ({"stateful_metrics": ["best"]}, "loss 3.0000 - best 1.0000"),
        ({"stateless_metrics": ["best"]}, "loss 2.0000 - best 2.0000"),
    ],
)
def test_values_are_averaged_over_steps_or_shown_as_they_are(capsys, arguments, shown):
    bar = utils.Progbar(8, **arguments)
    bar.update(2, [("loss", 5.0), ("best", 3.0)])
    bar.add(4, [("loss", 2.5), ("best", 2.0)])
    assert capsys.readouterr().out == ""
    bar.add(2, [("loss", 2.0), ("best", 1.0)])
    assert re.fullmatch(rf"8 steps - .* - {shown}\n", capsys.readouterr().out)


def test_a_loop_without_an_end_says_when_it_is_over(capsys):
    bar = utils.Progbar(None, verbose=2, unit_name="word")
    bar.update(5, [("loss", 1)])
    bar.update(6, [("loss", 7.0)], finalize=True)
    assert re.fullmatch(r"words - .* - loss 7\.0000\n", capsys.readouterr().out)
    utils.Progbar(1, verbose=0).update(1, [("loss", 1)])
    assert capsys.readouterr().out == ""
    with pytest.raises(ValueError, match="not both"):
        utils.Progbar(1, stateful_metrics=[], stateless_metrics=[])


def test_progress_is_logged_where_it_is_not_to_be_printed(capsys, caplog):
    model = lamina.Sequential([layers.Dense(1)])
    model.compile("sgd", "mse")
    assert utils.is_interactive_logging_enabled()
    lamina.config.disable_interactive_logging()
    try:
        with caplog.at_level(logging.INFO, "lamina"):
            model.fit(np.ones((4, 2)), np.ones((4, 1)), epochs=2)
        assert not lamina.config.is_interactive_logging_enabled()
    finally:
        utils.enable_interactive_logging()
    assert [message.split(" - ")[0] for message in caplog.messages] == ["Epoch 1/2", "Epoch 2/2"]
    assert capsys.readouterr().out == ""
