"""Summaries of models."""

import numpy as np
import pytest
from rich.console import Console

import lamina
from lamina import layers
from lamina.inspect.summary import Summary

X, Y = np.ones((96, 3), "float32"), np.ones((96, 1), "float32")


class Net(lamina.Model):
    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.hidden = layers.Dense(4)
        self.out = layers.Dense(1)

    def call(self, x):
        return self.out(self.hidden(x))


class Block(layers.Layer):
    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.steps = [layers.Dense(5), layers.Dropout(0.5)]

    def call(self, x):
        for step in self.steps:
            x = step(x)
        return x


def text(model, **options):
    lines = []
    model.summary(print_fn=lines.append, **options)
    return "\n".join(lines)


def rows(model, **options):
    return {row["Layer (type)"]: row for _, row in Summary(model, **options).rows}


def branches():
    x = lamina.Input((3,), name="features")
    hidden = layers.Dense(4, name="hidden")(x)
    left = layers.Dense(2, name="left")(hidden)
    right = lamina.Sequential([layers.Dense(3, name="wide"), layers.BatchNormalization(name="norm"), layers.Dense(2)], name="right")
    return lamina.Model(x, left * 2 + right(hidden), name="branches")


@pytest.mark.parametrize("made", ["built", "called", "fitted"])
def test_a_summary_is_the_same_however_the_model_was_built(made):
    model = Net(name="net")
    if made == "built":
        model.build((None, 3))
    elif made == "called":
        model(X[:5])
    else:
        model.compile("sgd", "mse")
        model.fit(X, Y, verbose=0)
    found = rows(model)
    assert [(row["Output shape"], row["Params"], row["Size"]) for row in found.values()] == [
        ("(None, 4)", "16", "64 B"),
        ("(None, 1)", "5", "20 B"),
    ]
    assert list(found) == ["hidden (Dense)", "out (Dense)"] and "Total params: 21 (84 B)" in text(model)


def test_a_summary_changes_nothing():
    model = Net(name="net")
    model(X)
    before = [weight.numpy() for weight in model.weights]
    bare = text(model)
    with lamina.watch() as story:
        assert text(model) == bare
    assert {call.reason for call in story.calls()} == {"shapes"} and not story.builds()
    assert all(np.array_equal(a, b.numpy()) for a, b in zip(before, model.weights, strict=True))


def test_what_is_not_built_says_how_to_build_it():
    for model in (Net(name="net"), lamina.Sequential([layers.Dense(2)], name="net")):
        with pytest.raises(ValueError, match=r"'net' is not built.*build\(\(None, 3\)\)"):
            model.summary()


def test_graphs_say_what_is_connected_to_what_and_chains_do_not():
    found = rows(branches())
    assert [row["Connected to"] for row in found.values()] == ["", "features", "hidden", "left", "hidden", "mul\nright"]
    chain = lamina.Sequential([lamina.Input((3,)), layers.Dense(2)])
    assert "Connected to" not in text(chain) and "Connected to" not in text(lamina.Model(chain.input, chain.output))


def test_shared_layers_and_layers_of_several_outputs_say_which_call_and_which_output():
    class Halves(layers.Layer):
        def call(self, x):
            return x[:, :2], x[:, 2:]

    shared = layers.Dense(4, name="shared")
    a, b = lamina.Input((3,), name="a"), lamina.Input((3,), name="b")
    first, rest = Halves(name="halves")(shared(a))
    model = lamina.Model([a, b], [first - rest, shared(b) + 1])
    found = rows(model)
    assert found["shared (Dense)"]["Connected to"] == "a\nb" and found["shared (Dense)"]["Params"] == "16"
    assert found["halves (Halves)"]["Output shape"] == "[(None, 2), (None, 2)]"
    assert found["sub (function)"]["Connected to"] == "halves[0]\nhalves[1]"
    assert found["add (function)"]["Connected to"] == "shared[1][0]"


def test_totals_count_each_weight_once_and_say_what_is_trained():
    model = branches()
    model.compile("adam", "mse")
    model.train_on_batch(X, np.ones((96, 2)))
    model.get_layer("hidden").trainable = False
    totals = Summary(model).totals
    assert [totals[key].split()[0] for key in ("Total", "Trainable", "Non-trainable")] == ["61", "39", "22"]
    assert int(totals["Optimizer"].split()[0]) == sum(variable.size for variable in model.optimizer.variables)
    marks = {name.split()[0]: row["Trainable"] for name, row in rows(model, show_trainable=True, expand_nested=True).items()}
    assert (marks["hidden"], marks["right"], marks["mul"], marks["norm"]) == ("no", "yes", "-", "yes")
    model.get_layer("right").layers[0].trainable = False
    assert rows(model, show_trainable=True)["right (Sequential)"]["Trainable"] == "partly"


def test_layers_inside_of_layers_are_listed_where_asked_for():
    model = lamina.Sequential([lamina.Input((3,)), Block(name="block"), Net(name="inner")])
    listed = text(model, expand_nested=True).splitlines()
    assert [line.split("  ")[0] or line.strip().split("  ")[0] for line in listed[3:8]] == [
        "block (Block)",
        "steps/0 (Dense)",
        "steps/1 (Dropout)",
        "inner (Net)",
        "hidden (Dense)",
    ]
    assert listed[4].startswith("  steps/0") and "steps/0" not in text(model)


def test_weights_that_a_model_holds_itself_are_listed():
    class Scaled(Net):
        def __init__(self, **kwargs):
            super().__init__(**kwargs)
            self.scale = self.add_weight(shape=(1,), initializer="ones", dtype="float16")

        def call(self, x):
            return super().call(x) * self.scale

    model = Scaled(name="net")
    model(X)
    assert rows(model)["scale (Variable)"]["Size"] == "2 B" and "Total params: 22 (86 B)" in text(model)


def test_models_that_hold_others_and_are_never_called_have_a_summary():
    class Adversaries(lamina.Model):
        def __init__(self):
            super().__init__()
            self.generator, self.critic = Net(), Net()

    model = Adversaries()
    model.generator.build((None, 7))
    with pytest.raises(ValueError, match="critic"):
        model.summary()
    model.critic.build((None, 3))
    assert [row["Params"] for row in rows(model).values()] == ["37", "21"]
    assert "(None, 1)" in text(model)


def test_sizes_that_only_trace_with_numbers_are_found_too():
    class Odd(layers.Layer):
        def call(self, x):
            return x[:, ::2] if x.shape[1] % 2 == 0 else x[:, 1:]

    model = lamina.Sequential([Odd(name="odd"), layers.Dense(2, name="dense")])
    model(np.ones((2, 7, 3), "float32"))
    assert rows(model)["dense (Dense)"]["Output shape"] == "(None, 6, 2)"


def test_where_a_model_cannot_run_on_shapes_alone_the_summary_says_so():
    class Values(layers.Layer):
        def __init__(self, **kwargs):
            super().__init__(dynamic=True, **kwargs)

        def call(self, x):
            return x * float(x[0, 0])

    class Mixed(Net):
        def __init__(self, **kwargs):
            super().__init__(**kwargs)
            self.values = Values()

        def call(self, x):
            return self.values(super().call(x))

    model = Mixed()
    model(X)
    found = rows(model)
    assert found["values (Values)"]["Output shape"] == "?" and found["hidden (Dense)"]["Output shape"] == "(None, 4)"
    assert "does not run on shapes alone: ConcretizationTypeError" in text(model)


def test_a_range_of_layers_by_name_or_pattern():
    model = lamina.Sequential([lamina.Input((3,)), *(layers.Dense(2, name=f"dense_{i}") for i in range(12))])
    names = lambda *layer_range: [name.split()[0] for name in rows(model, layer_range=layer_range)]  # noqa: E731
    assert names("dense_1", "dense_3") == ["dense_1", "dense_2", "dense_3"]
    assert names("dense_9", "dense_1.*") == ["dense_9", "dense_10", "dense_11"]
    for wrong in (("dense_3", "dense_1"), ("conv", "dense_1"), ("dense_1",), ("(", "dense_1"), "dense_1"):
        with pytest.raises(ValueError, match="layer_range"):
            model.summary(layer_range=wrong)


def test_keras_positions_set_where_columns_end():
    model = Net()
    model(X)
    for positions in ([0.5, 0.8, 1.0], [40, 64, 80]):
        listed = text(model, line_length=80, positions=positions).splitlines()
        assert "Size" not in listed[1] and listed[3].index("(None, 4)") == 40 and max(map(len, listed[:5])) <= 80
    for wrong in ([0.5, 1.0], [0.5, 0.4, 1.0]):
        with pytest.raises(ValueError, match="positions"):
            model.summary(positions=wrong)


def test_in_a_terminal_the_table_is_as_wide_as_the_terminal_and_loses_nothing(monkeypatch):
    model = lamina.Sequential([lamina.Input((3,)), layers.Dense(4, name="a" * 60 + "[bold]")], name="[red]net")
    for width in (40, 120):
        console = Console(force_terminal=True, width=width, color_system=None)
        monkeypatch.setattr("lamina.inspect.summary.get_console", lambda console=console: console)
        with console.capture() as captured:
            model.summary()
        lines = captured.get().splitlines()
        assert max(map(len, lines)) == width and "[red]net" in lines[0]
        shown = "".join(line.split("(None")[0].strip() if width == 40 else line for line in lines)
        assert shown.count("a") >= 60 and "Total params: 16 (64 B)" in captured.get()


def test_in_a_notebook_it_is_html_with_names_escaped():
    model = lamina.Sequential([lamina.Input((3,)), layers.Dense(4, name="<b>&")], name="net")
    page = Summary(model)._repr_html_()
    assert "&lt;b&gt;&amp; (Dense)" in page and "<b>&" not in page and "(None, 4)" in page and "Total params: 16" in page


def test_any_built_layer_can_be_looked_at():
    block = Block(name="block")
    block(X)
    assert list(rows(block)) == ["steps/0 (Dense)", "steps/1 (Dropout)"]


def test_int_inputs_and_several_arguments_are_kept_as_they_were():
    class Pair(lamina.Model):
        def __init__(self):
            super().__init__()
            self.words = layers.Embedding(10, 4)

        def call(self, ids, weights, scale=1.0, training=False):
            assert ids.dtype == "int32"
            return self.words(ids) * weights[..., None] * scale

    model = Pair()
    model(np.ones((2, 7), "int32"), weights=np.ones((2, 7), "float32"), scale=2.0)
    assert rows(model)["words (Embedding)"]["Output shape"] == "(None, 7, 4)" and "missing" not in text(model)


def test_a_build_of_ones_own_is_enough():
    class Own(Net):
        def build(self, input_shape):
            self.hidden.build(input_shape)
            self.out.build((*input_shape[:-1], 4))

    model = Own()
    model.build((None, 3))
    assert [row["Output shape"] for row in rows(model).values()] == ["(None, 4)", "(None, 1)"]


def test_named_axes_and_given_batches_are_shown():
    graph = lamina.Sequential([lamina.Input(("time", 3)), layers.Dense(2, name="dense")])
    fixed = lamina.Sequential([lamina.Input((3,), batch_size=8), layers.Dense(2, name="dense")])
    assert rows(graph)["dense (Dense)"]["Output shape"] == "(None, time, 2)"
    assert rows(fixed)["dense (Dense)"]["Output shape"] == "(8, 2)"
