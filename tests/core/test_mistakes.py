"""The twelve commonest mistakes: each is met with its cause, its place and its cure."""

import collections
import inspect
import warnings

import jax
import numpy as np
import pytest

import lamina
from lamina import layers, losses, ops

X, Y = np.linspace(-1, 1, 24, dtype="float32").reshape(8, 3), np.ones((8, 1), "float32")
LABELS = np.arange(8) % 3


@pytest.fixture(autouse=True)
def fresh():
    lamina.clear_session()


class Net(lamina.Model):
    """A model whose call is given to it."""

    def __init__(self, function=None, **kwargs):
        super().__init__(**kwargs)
        self.dense = layers.Dense(1)
        self.function = function

    def call(self, x):
        return self.dense(x) if self.function is None else self.function(self, x)


def bare(function):
    net = Net(function)
    net.dense = None
    return net


def compiled(model, loss="mse", **kwargs):
    model.compile("sgd", loss, **kwargs)
    return model


def told(function, *kinds):
    """Runs what must fail and returns what it says, notes and all."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with pytest.raises(kinds or ValueError) as error:
            function()
    return "\n".join([str(error.value), *getattr(error.value, "__notes__", ())])


def warned(function):
    """Runs what must warn, once, and returns what it says."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        function()
    (warning,) = caught
    assert warning.filename == __file__
    return str(warning.message)


def fit(model, x=X, y=Y, **kwargs):
    return model.fit(x, y, batch_size=4, verbose=0, **kwargs)


def place(function, text):
    """Returns the file and line of a line of a function."""
    source, first = inspect.getsourcelines(function)
    return f"test_mistakes.py:{first + next(i for i, line in enumerate(source) if text in line)}"


def silent(function):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        return function()


# --- 1: a forgotten super().__init__() -----------------------------------------------------------------------------------


class Forgetful(lamina.Model):
    def __init__(self):
        self.dense = layers.Dense(1)

    def call(self, x):
        return self.dense(x)


class Below(Forgetful):
    def __init__(self):
        super().__init__()


@pytest.mark.parametrize(
    "use", [lambda m: m(X), lambda m: m.compile("sgd", "mse"), lambda m: m.fit(X, Y), lambda m: m.build((None, 3))]
)
@pytest.mark.parametrize("cls", [Forgetful, Below])
def test_a_forgotten_init_is_named_with_its_class_and_line(use, cls):
    message = told(lambda: use(cls()), RuntimeError)
    assert "Forgetful.__init__" in message and place(Forgetful, "def __init__") in message
    assert "Write super().__init__() as its first line" in message


def test_a_forgotten_init_of_metrics_and_losses_is_named_too():
    class Counted(lamina.metrics.Metric):
        def __init__(self):
            self.total = self.add_variable(name="total")

    class Half(losses.Loss):
        def __init__(self):
            self.factor = 0.5

        def call(self, y_true, y_pred):
            return self.factor * (y_true - y_pred)

    assert "Counted.__init__" in told(Counted, RuntimeError)
    assert "Half.__init__" in told(lambda: Half()(Y, Y), RuntimeError)


# --- 2: built set too early ----------------------------------------------------------------------------------------------


def test_built_set_too_early_is_named_with_the_line_that_sets_it():
    class Early(layers.Layer):
        def __init__(self, **kwargs):
            super().__init__(**kwargs)
            self.units = 2
            self.built = True

        def build(self, input_shape):
            self.kernel = self.add_weight((input_shape[-1], self.units))

        def call(self, x):
            return x @ self.kernel

    message = told(lambda: Early(name="early")(X), AttributeError)
    assert "'early' says that it is built" in message and place(Early, "self.built = True") in message
    assert "self.kernel was never made" in message and "Take that line out" in message


# --- 3: weights made at each call ----------------------------------------------------------------------------------------


def test_weights_made_at_each_call_are_refused_with_the_line():
    def assigned(self, x):
        self.kernel = self.add_weight((x.shape[-1], 1))
        return x @ self.kernel

    def held_by_nothing(self, x):
        kernel = self.add_weight((x.shape[-1], 1))
        return x @ kernel

    def layer_assigned(self, x):
        self.layer = layers.Dense(1)
        return self.layer(x)

    for function in (assigned, held_by_nothing, layer_assigned):
        net = Net(function, name="net")
        net(X)
        message = told(lambda net=net: net(X), lamina.StateError)
        assert "'net'" in message and "in call" in message and "Make it once, in __init__ or build" in message
        assert f"raised at {__file__}" in message and f", in {function.__name__}" in message
    assert "makes self.kernel anew" in told(lambda: fit(compiled(Net(assigned))), lamina.StateError)


def test_a_loop_that_makes_one_weight_after_the_other_is_refused_at_the_first_call():
    def looped(self, x):
        for _ in range(2):
            self.kernel = self.add_weight((3, 3))
            x = x @ self.kernel
        return x

    def named(self, x):
        self.kernel = self.add_weight((3, 1), name="kernel")
        return x @ self.kernel

    assert "makes self.kernel anew" in told(lambda: Net(looped)(X), lamina.StateError)
    net = Net(named)
    net(X)
    assert "Is it made at each call? Make it once, in build" in told(lambda: net(X))


def test_a_layer_made_at_each_call_is_warned_of():
    def call(self, x):
        return layers.Dense(1)(x)

    net = Net(call, name="net")
    net(X)
    message = warned(lambda: net(X))
    assert "The call of 'net' (Net) makes a layer Dense" in message and place(call, "Dense(1)") in message
    assert "self.dense = Dense(...)" in message
    assert "its attributes hold" in told(lambda: fit(compiled(bare(call))))


def test_layers_that_only_a_deque_holds_are_warned_of():
    class Queue(lamina.Model):
        def __init__(self, kind):
            super().__init__()
            self.queue = kind([layers.Dense(3), layers.Dense(3)])

        def call(self, x):
            for layer in self.queue:
                x = layer(x)
            return x

    with pytest.warns(UserWarning, match=r"held by self\.queue of 'queue' \(Queue\) alone, a deque.*Use a list: self\.queue"):
        Queue(collections.deque)(X)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        Queue(list)(X)


def test_weights_and_layers_made_once_in_call_are_no_mistake():
    def lazily(self, x):
        if not hasattr(self, "made"):
            self.made = [layers.Dense(1)]
            self.kernel = self.add_weight((3, 1))
        self.made[0](x)
        self.now = self.dense if x.shape[0] > 4 else self.made[0]  # another name for a layer that there is
        return x @ self.kernel + layers.Dropout(0.0)(self.now(x))

    def run():
        net = compiled(Net(lazily))
        fit(net, epochs=2)
        net(X)
        net(X)
        net.build((None, 3))

    silent(run)


# --- 4: layers replaced after build --------------------------------------------------------------------------------------


def test_layers_replaced_after_training_began_are_trained():
    net = compiled(Net(name="net"))
    fit(net)
    net.dense = layers.Dense(1)
    net.dense.build((None, 3))
    before = net.get_weights()
    fit(net)
    assert len(before) == 2 and not np.array_equal(before[0], net.get_weights()[0])


def test_a_layer_appended_after_training_began_takes_part():
    net = Net(lambda self, x: [x := layer(x) for layer in self.blocks][-1], name="net")
    net.blocks, net.dense = [layers.Dense(3, kernel_initializer="identity")], None
    compiled(net, "mse")
    fit(net, X, X)
    assert net.evaluate(X, X, verbose=0) < 1e-6
    net.blocks.append(layers.Dense(3, kernel_initializer="zeros"))
    compiled_before = net.evaluate(X, X, verbose=0)
    assert compiled_before > 1e-3 and [w.path for w in net.weights][2] == "net/blocks/1/kernel"


# --- 5: labels of the wrong shape ----------------------------------------------------------------------------------------


def test_labels_of_the_wrong_shape_are_told_with_what_to_do():
    model = compiled(lamina.Sequential([layers.Dense(4, activation="softmax")], name="net"), "categorical_crossentropy")
    message = told(lambda: fit(model, X, LABELS))
    assert "targets=int32(4,), predictions=float32(4, 4)" in message and "SparseCategoricalCrossentropy" in message
    assert "lamina.ops.one_hot(y, 4)" in message and f"called at {__file__}" in message
    message = told(lambda: losses.MeanSquaredError()(np.ones((8, 2), "float32"), np.ones((8, 4), "float32")))
    assert "End the model in a layer of 2 units, or give targets whose last axis has size 4" in message
    message = told(lambda: losses.BinaryCrossentropy()(LABELS, np.ones((8, 3), "float32")))
    assert "Dense(1)" in message and "'sparse_categorical_crossentropy'" in message
    message = told(lambda: losses.SparseCategoricalCrossentropy()(np.eye(3)[LABELS], np.ones((8, 3), "float32")))
    assert "CategoricalCrossentropy" in message
    model.compile("sgd", lambda t, p: ops.mean((t - p) ** 2))
    assert "a layer of 2 units" in told(lambda: fit(model, X, np.ones((8, 2), "float32")), TypeError)


# --- 6: targets and predictions, logits and probabilities ----------------------------------------------------------------


def test_swapped_arguments_of_a_loss_are_told():
    message = told(lambda: losses.SparseCategoricalCrossentropy()(np.ones((8, 3), "float32"), LABELS))
    assert "wrong way round" in message and "loss(y_true, y_pred)" in message and "int64(8,)" in message


def test_logits_where_probabilities_are_expected_are_warned_of_and_the_other_way_round():
    def built(activation, loss, functional=False):
        inputs, last = lamina.Input((3,)), layers.Dense(3, activation=activation, name="last")
        model = lamina.Model(inputs, last(inputs)) if functional else lamina.Sequential([last])
        return lambda: fit(compiled(model, loss), X, LABELS)

    message = warned(built(None, "sparse_categorical_crossentropy"))
    assert "/last' (Dense) has no activation" in message and "from_logits=True" in message and "activation='softmax'" in message
    from_logits = losses.SparseCategoricalCrossentropy(from_logits=True)
    message = warned(built("softmax", from_logits, functional=True))
    assert "/last' (Dense) gives probabilities" in message and "Take the activation out, or from_logits=True" in message
    silent(built("softmax", "sparse_categorical_crossentropy"))
    silent(built(None, from_logits, functional=True))


def test_targets_that_are_no_probabilities_are_warned_of():
    model = compiled(lamina.Sequential([layers.Dense(1, activation="sigmoid")], name="net"), "binary_crossentropy")
    message = warned(lambda: fit(model, X, np.sign(X[:, :1])))
    assert "takes targets from 0 to 1" in message and "hold -1" in message and "(y + 1) / 2" in message


# --- 7: a side effect in compiled code -----------------------------------------------------------------------------------


def test_counting_in_compiled_code_is_warned_of_once_with_its_line():
    class Counting(Net):
        def call(self, x):
            self.count += 1
            return self.dense(x)

    net = compiled(Counting(name="net"))
    net.count = 0
    message = warned(lambda: fit(net, epochs=2, validation_data=(X, Y)))
    assert "'net' (Counting) changes its attribute 'count'" in message and place(Counting, "self.count += 1") in message
    assert "once a trace, not once a step" in message and "self.count = lamina.Variable(" in message

    class Step(Net):
        def train_step(self, data):
            self.steps = self.steps + 1
            return super().train_step(data)

    net = compiled(Step())
    net.steps = 0
    assert "changes its attribute 'steps'" in warned(lambda: fit(net))


def test_what_a_trace_sets_for_itself_is_no_mistake():
    class Careful(Net):
        def __init__(self, **kwargs):
            super().__init__(**kwargs)
            self.cache, self.width, self.index, self.eager = None, 0, 7, 0
            self.calls = lamina.Variable(0, trainable=False)

        def call(self, x):
            if self.cache is None:
                self.cache = "made once"
            self.width = x.shape[-1]
            self.index = 0
            for _ in range(2):
                self.index += 1  # counts from what this very call has set
            self.calls.assign_add(1)
            return self.dense(x)

        def compute_loss(self, *args, **kwargs):
            if not isinstance(args[2], jax.core.Tracer):
                self.eager += 1
            return super().compute_loss(*args, **kwargs)

    def run():
        net = compiled(Careful())
        fit(net, epochs=2)
        assert net.calls.numpy() == 4
        net.compile("sgd", "mse", run_eagerly=True)
        fit(net)
        lamina.grad(lambda: ops.sum(net(X)), net.trainable_weights)()

    silent(run)


# --- 8: a value of a trace kept on self ----------------------------------------------------------------------------------


def kept(self, x):
    self.last = self.dense(x)
    return self.last


def test_a_value_of_a_trace_kept_on_self_says_so_when_it_is_used():
    net = compiled(Net(kept, name="net"))
    silent(lambda: fit(net))
    assert "self.last of 'net' holds a value from inside the train step" in repr(net.last)
    uses = (lambda v: v + 1, lambda v: 1 - v, lambda v: v.mean(), lambda v: v[0], np.asarray, ops.sum, float, bool, layers.Dense(1))
    for use in uses:
        message = told(lambda use=use: use(net.last), lamina.StateError)
        assert place(kept, "self.last =") in message and "self.last.assign(x)" in message
    net(X)
    assert net.last.shape == (8, 1)


def test_values_kept_in_lists_and_by_gradients_say_so_too():
    net = Net(lambda self, x: self.seen.append(self.dense(x)) or self.seen[-1])
    net.seen, net.dense = [], layers.Dense(1)
    fit(compiled(net))
    assert "self.seen of" in told(lambda: net.seen[-1] + 1, lamina.StateError)
    net = Net(kept)
    net(X)
    lamina.grad(lambda: ops.sum(net(X)), net.trainable_weights)()
    assert "from inside a gradient" in told(lambda: net.last + 1, lamina.StateError)
    net.build((None, 3))


def test_a_value_kept_by_a_layer_may_be_used_in_the_same_trace():
    class Reads(Net):
        def call(self, x):
            return self.inner(x) + ops.mean(self.inner.last)

    net = Reads()
    net.inner = Net(kept)
    silent(lambda: fit(compiled(net)))


# --- 9: Python's if on a tensor ------------------------------------------------------------------------------------------


def branching(self, x):
    if ops.sum(x) > 0:
        x = -x
    return self.dense(x)


def test_python_control_flow_on_tensors_says_what_to_use_instead():
    class Step(Net):
        def train_step(self, data):
            return {"loss": 1.0} if ops.sum(data[0]) > 0 else {"loss": 0.0}

    @lamina.jit
    def function(x):
        while x > 0:
            x -= 1

    def loss(y_true, y_pred):
        return 1.0 if ops.mean(y_true - y_pred) > 0 else 2.0

    for run, within in (
        (lambda: fit(compiled(Net(branching, name="net"))), "In the layer 'net' (Net), called on float32(4, 3)"),
        (lambda: fit(compiled(Step())), "In the train step"),
        (lambda: function(3.0), "In the compiled function 'function', called on 3.0"),
        (lambda: fit(compiled(Net(), loss)), "In the loss 'loss'"),
        (lambda: Net(branching)(lamina.Input((3,))), "In the layer"),
        (lambda: lamina.scan(lambda c, x: (c, float(x)), 0.0, X[0]), "In lamina.scan"),
    ):
        message = told(run, jax.errors.ConcretizationTypeError)
        assert within in message and f"raised at {__file__}" in message
        assert ("lamina.cond" in message and "lamina.ops.where" in message) or "x.astype" in message
        assert message.count("This code is traced once") == 1 and message.count("called on") == 1


# --- 10: one layer for inputs of different widths ------------------------------------------------------------------------


def test_sharing_a_layer_across_widths_says_where_it_was_built():
    def twice(self, x):
        x = self.shared(x)
        return self.shared(x)

    net = Net(twice, name="net")
    net.shared = layers.Dense(4)
    message = told(lambda: net(X))
    assert "'net/shared' expects the last axis to have size 3" in message and "(8, 4)" in message
    assert "built for (8, 3)" in message and place(twice, "x = self.shared(x)") in message
    assert place(twice, "return self.shared(x)") in message and "use another layer" in message


# --- 11: freezing after compile ------------------------------------------------------------------------------------------


def test_freezing_after_compile_takes_effect_by_itself():
    model = compiled(lamina.Sequential([layers.Dense(3), layers.Dense(1)]))
    fit(model)
    model.layers[0].trainable = False
    before = model.get_weights()
    silent(lambda: fit(model))
    assert [np.array_equal(a, b) for a, b in zip(before, model.get_weights(), strict=True)] == [True, True, False, False]


# --- 12: a sample that is no batch ---------------------------------------------------------------------------------------


def test_a_sample_without_an_axis_of_samples_is_told():
    model = compiled(lamina.Sequential([layers.Dense(1)], name="net"))
    message = told(lambda: fit(model, X[0], Y[0]))
    assert "[1, 3]" in message and "float32(3,)" in message and "x[None]" in message and f"called at {__file__}" in message
    message = told(lambda: model.predict(X[0], verbose=0))
    assert "at least 2 axes" in message and "x[None]" in message
    message = told(lambda: layers.Conv2D(1, 2)(np.ones((4, 8, 8), "float32")))
    assert "x[..., None]" in message and "x[None]" in message
