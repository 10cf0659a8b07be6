"""LambdaCallback calls the functions that it is given, and nothing else."""

import numpy as np
import pytest

import lamina
from callbacks.twins import LIBRARIES, train
from lamina.callbacks import Callback, CallbackList, LambdaCallback

HOOKS = sorted(name for name in vars(Callback) if name.startswith("on_"))


def test_hooks_are_called_in_the_order_and_with_the_arguments_of_keras():
    calls = []
    for library in LIBRARIES:
        seen = []

        def note(name, seen=seen):
            return lambda *args, logs=None: seen.append((name, *(a if not isinstance(a, dict) else "logs" for a in args)))

        names = [name for name in HOOKS if "predict" not in name and name not in ("on_batch_begin", "on_batch_end")]
        train(library, lambda of, note=note, names=names: [of.LambdaCallback(**{n: note(n) for n in names})], epochs=2)
        calls.append([tuple(part for part in call if part != "logs") for call in seen])
    assert calls[0] == calls[1] and len(calls[0]) > 20


@pytest.mark.parametrize("hook", HOOKS)
def test_only_given_hooks_of_batches_are_seen(hook):
    kinds = [kind for kind in ("train", "test", "predict") if CallbackList([LambdaCallback(**{hook: print})])._sees_batches(kind)]
    kind = "train" if hook in ("on_batch_begin", "on_batch_end") else hook.split("_")[1]
    assert kinds == ([kind] if "batch" in hook else [])
    assert not any(CallbackList([LambdaCallback(**{hook: None})])._sees_batches(kind) for kind in ("train", "test", "predict"))


def test_the_short_names_of_batch_hooks_are_called():
    seen = []
    train(lamina, lambda of: [of.LambdaCallback(on_batch_end=lambda batch, logs: seen.append((batch, sorted(logs))))], epochs=1)
    assert seen == [(i, ["loss", "mae"]) for i in range(3)]


def test_what_is_no_hook_or_no_function_is_refused_by_name():
    with pytest.raises(TypeError, match=r"no argument 'on_epoch_ends'.* 'on_epoch_end'"):
        LambdaCallback(on_epoch_ends=print)
    with pytest.raises(TypeError, match="no argument 'set_model'"):
        LambdaCallback(set_model=print)
    with pytest.raises(TypeError, match="on_train_end of LambdaCallback must be a function, not 3"):
        LambdaCallback(on_train_end=3)
    with pytest.raises(TypeError, match="on_batch_end of LambdaCallback"):
        LambdaCallback(on_batch_end=np.zeros(2))
