"""Each public name of Keras, and each argument of its classes, is here or has a reason why not; the page says so."""

import keras
import pytest

import keras_names


@pytest.mark.parametrize("room", keras_names.ROOMS)
def test_a_name_is_here_or_has_a_reason(room):
    for name in keras_names.names_of(room):
        reason = keras_names.REASONS.get(f"{room}.{name}")
        assert keras_names.is_here(room, name) == (reason is None), f"{room}.{name}: {reason}"


def test_reasons_are_of_names_that_keras_has():
    known = {f"{room}.{name}" for room in keras_names.ROOMS for name in keras_names.names_of(room)}
    assert set(keras_names.REASONS) <= known


def test_a_constructor_takes_what_that_of_keras_takes_or_there_is_a_reason():
    unexplained, used = [], set()
    for room in keras_names.ROOMS:
        for name in keras_names.names_of(room):
            for argument in keras_names.missing_arguments(room, name):
                keys = {f"{name}.{argument}", argument} & set(keras_names.ARGUMENTS)
                used |= keys
                if not keys:
                    unexplained.append(f"{room}.{name}({argument})")
    assert not unexplained
    assert used == set(keras_names.ARGUMENTS), "A reason is given for an argument that is here."


def test_the_page_is_what_the_script_writes():
    assert keras_names.PAGE.read_text("utf-8") == keras_names.page(), f"Run docs/keras_names.py with Keras {keras.__version__}."
