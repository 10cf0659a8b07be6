"""The tree of attributes: what is found, in which order, and under which names and paths."""

import copy
import gc
import weakref
from collections import OrderedDict, defaultdict

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import lamina
from lamina import layers
from lamina.core import paths
from lamina.core.names import snake_case
from lamina.core.tree import children, modules_of
from lamina.core.weights import layers_in, layers_of
from properties import examples

X = np.ones((2, 3), "float32")


class Node(layers.Layer):
    """Holds whatever is assigned to it."""

    def call(self, x):
        return x


def variable(name=None):
    return lamina.Variable(np.zeros(1, "float32"), name=name)


# --- random trees ----------------------------------------------------------------------------------------------------

# Few names, so that they meet: an explicit name may be what another attribute, key or index is called.
NAMES = st.sampled_from([None, None, "a", "b", "0"])
ATTRIBUTES = st.sampled_from(["a", "b", "c"])
LEAVES = st.tuples(st.just("variable"), NAMES)


def _layers(children):
    return st.tuples(st.just("layer"), NAMES, st.lists(st.tuples(ATTRIBUTES, children), min_size=1, max_size=3))


def _containers(children):
    keys = st.sampled_from(["a", "b", 0, "0", "a/b"])
    return st.one_of(
        _layers(children),
        st.tuples(st.just("dict"), st.lists(st.tuples(keys, children), min_size=1, max_size=3)),
        st.tuples(st.sampled_from(["list", "tuple"]), st.lists(children, min_size=1, max_size=3)),
        st.tuples(st.just("set"), st.lists(LEAVES, max_size=3)),
    )


TREES = _layers(_containers(_containers(st.one_of(LEAVES, _containers(LEAVES)))))


def make(spec, found):
    """Makes what a description says; notes the variables in the order in which a walk of attributes meets them."""
    kind, *rest = spec
    if kind == "variable":
        return variable(rest[0])
    if kind == "layer":
        layer = Node(name=rest[0])
        for attribute, child in dict(rest[1]).items():
            setattr(layer, attribute, make(child, found))
        return layer
    if kind == "dict":
        return {key: make(child, found) for key, child in dict(rest[0]).items()}
    return {"list": list, "tuple": tuple, "set": set}[kind](make(child, found) for child in rest[0])


def count(spec):
    kind, *rest = spec
    if kind == "variable":
        return 1
    return sum(count(child) for child in (dict(rest[-1]).values() if kind in ("layer", "dict") else rest[0]))


@given(tree=TREES)
@examples(300)
def test_every_variable_of_any_tree_has_a_path_of_its_own_that_comes_again(tree):
    def run():
        lamina.clear_session()
        root = make(tree, [])
        return root, [v.path for v in root.variables]

    root, paths = run()
    assert len(paths) == len(set(paths)) == count(tree)
    assert all(path.startswith(f"{root.name}/") for path in paths)
    modules = [module.path for module in modules_of(root)]
    assert len(modules) == len(set(modules))
    assert run()[1] == paths
    names = [v.name for v in root.variables]
    assert len(names) == len(paths)


@given(tree=TREES)
@examples(60)
def test_paths_are_the_same_whether_or_not_one_has_looked_before(tree):
    lamina.clear_session()
    looked = make(tree, [])
    for _ in range(2):
        _ = [v.path for v in looked.variables], looked.weights, repr(looked)
    lamina.clear_session()
    fresh = make(tree, [])
    assert [v.path for v in looked.variables] == [v.path for v in fresh.variables]


# --- steps -----------------------------------------------------------------------------------------------------------


def test_steps_are_attributes_indices_and_keys_or_explicit_names():
    root = Node(name="root")
    root.plain, root.named = Node(), Node(name="mine")
    root.steps, root.heads, root.deep = [Node(), Node(name="mine2")], {"x": Node(), 3: Node()}, [({"k": Node()},)]
    for layer in layers_in(root):
        layer.w, layer.v = variable(), variable("explicit")
    assert [w.path for w in root.weights] == [
        f"root/{step}/{name}"
        for step in ("plain", "mine", "steps/0", "mine2", "heads/x", "heads/3", "deep/0/0/k")
        for name in ("w", "explicit")
    ]
    assert [w.name for w in root.weights[:2]] == ["w", "explicit"]


def test_two_sublayers_with_one_explicit_name_still_have_paths_of_their_own():
    root = Node(name="root")
    root.first, root.second = layers.Dense(1, name="dense"), layers.Dense(1, name="dense")
    root.both = [layers.Dense(1, name="dense")]
    for layer in layers_in(root):
        layer.build((None, 3))
    paths = [w.path for w in root.weights]
    assert len(set(paths)) == 6 and [layer.name for layer in layers_in(root)] == ["dense"] * 3


def test_an_explicit_name_that_another_attribute_has_leads_to_no_second_path():
    root, named, other = Node(name="root"), Node(name="heads"), Node()
    root.first, root.heads = named, {"a": other}
    named.a = Node()
    named.a.w, other.w = variable(), variable()
    paths = [w.path for w in root.weights]
    assert len(set(paths)) == 2


def test_weights_of_one_layer_with_one_explicit_name_are_refused_naming_both():
    layer = Node(name="mine")
    layer.w = layer.add_weight("kernel", shape=(2, 3))
    with pytest.raises(ValueError, match=r"mine.*'kernel'.*\(2, 3\).*\(4,\)"):
        layer.add_weight("kernel", shape=(4,))
    assert layer.weights == [layer.w]
    layer.a, layer.b = layer.add_weight((2,)), layer.add_weight((2,))
    assert [w.name for w in layer.weights] == ["kernel", "a", "b"]


def test_weights_that_sit_in_lists_or_nowhere_have_names_too():
    layer = Node(name="mine")
    layer.kernels = [layer.add_weight((1,)) for _ in range(2)]
    layer.table = {"q": layer.add_weight((1,))}
    for _ in range(2):
        layer.add_weight((1,))
    paths = [w.path for w in layer.weights]
    assert {"mine/kernels/0", "mine/kernels/1", "mine/table/q"} < set(paths) and len(set(paths)) == 5


def test_automatic_names_are_the_class_in_snake_case_made_unique_until_the_session_is_cleared():
    first, second = Node(), Node()
    assert [first.name, second.name] == ["node", "node_1"]
    lamina.clear_session()
    assert Node().name == "node" and first.name == "node"
    assert [snake_case(n) for n in ("LSTM", "GRUCell", "A", "_Private", "Conv2DTranspose", "HTTPServer2")] == [
        "lstm", "gru_cell", "a", "private", "conv2d_transpose", "http_server2",
    ]  # fmt: skip


@pytest.mark.parametrize("name", ["", "a/b", 3])
def test_a_layers_name_is_one_step_of_a_path(name):
    with pytest.raises(ValueError, match="name"):
        Node(name=name)


def test_many_paths_that_are_asked_for_one_by_one_number_the_children_once(monkeypatch):
    root, counted = Node(name="root"), []
    root.blocks = [Node() for _ in range(40)]
    for layer in root.blocks:
        layer.w = variable()
    monkeypatch.setattr(paths, "children", lambda module: counted.append(module) or children(module))
    assert [layer.w.path for layer in root.blocks] == [f"root/blocks/{i}/w" for i in range(40)]
    assert sum(module is root for module in counted) == 1


def test_many_paths_are_those_of_now_whatever_became_of_what_holds_them():
    random = np.random.default_rng(0)

    def made(i=0):
        layer = Node(name=f"named{i}" if random.integers(3) == 0 else None)
        layer.w = variable()
        return layer

    root = Node(name="root")
    root.flat, root.table = [made(i) for i in range(40)], {i: made() for i in range(40)}
    root.pairs, root.odd = [[made(), 3, {"a": made()}] for _ in range(40)], {made() for _ in range(3)}
    root.pairs[0].append(root.pairs)
    for i in range(60):
        a, b, what = *random.integers(30, size=2), random.integers(7)
        if what == 0:
            root.flat[a], root.flat[b] = root.flat[b], root.flat[a]
        elif what == 1:
            root.flat[a] = made(a)
        elif what == 2:
            root.flat.insert(a, root.flat.pop())
        elif what == 3:
            root.table[100 + i] = root.table.pop(next(iter(root.table)))
        elif what == 4:
            root.pairs[a][2]["b"] = made(b)
        elif what == 5:
            setattr(root, f"single{a}", made(a))
        else:
            root.odd.add(made())
        layer = layers_in(root)[random.integers(100)]
        assert layer.path == f"root/{next(step for step, child in children(root).items() if child is layer)}"


# --- finding ---------------------------------------------------------------------------------------------------------


def test_each_object_is_found_once_in_the_order_of_assignment():
    shared, extra, root = Node(), Node(), Node()
    shared.w = variable()
    root.first, root.items, root.again, root.tuple = shared, [shared, extra], shared, (shared,)
    root.w = shared.w
    assert layers_in(root) == [shared, extra] and root.weights == [shared.w]
    assert layers_of(root) == [root, shared, extra]


def test_sets_are_found_in_the_order_in_which_their_members_were_made():
    for _ in range(3):
        members = [Node() for _ in range(20)]
        root = Node()
        root.members = {*members[::-1]}
        assert layers_in(root) == members


def test_what_is_assigned_appended_replaced_or_removed_is_what_is_found():
    root, a, b, c = Node(name="root"), Node(), Node(), Node()
    for layer in (a, b, c):
        layer.w = variable()
    root.items, root.single = [a], b
    root.items.append(c)
    assert layers_in(root) == [a, c, b]
    assert [w.path for w in root.weights] == ["root/items/0/w", "root/items/1/w", "root/single/w"]
    root.items.remove(a)
    assert [w.path for w in root.weights] == ["root/items/0/w", "root/single/w"]
    root.single = None
    assert layers_in(root) == [c]
    root.items.insert(0, b)
    assert [w.path for w in root.weights] == ["root/items/0/w", "root/items/1/w"] and root.weights == [b.w, c.w]
    del root.items
    assert root.weights == []
    root.table = {"x": a}
    root.table["y"] = c
    assert [w.path for w in root.weights] == ["root/table/x/w", "root/table/y/w"]
    root.table.pop("x")
    assert root.weights == [c.w]


@pytest.mark.parametrize("outside", [lambda c: c, lambda c: [c], lambda c: (c,), lambda c: {"k": c}, lambda c: OrderedDict(k=c)])
@pytest.mark.parametrize("kind", [list, dict, OrderedDict, type("Own", (list,), {}), lambda: defaultdict(list)])
def test_what_is_put_into_any_container_later_has_its_path_there(outside, kind):
    root, late, container = Node(name="root"), Node(), kind()
    root.held, late.w = outside(container), variable()
    if isinstance(container, list):
        container.append(late)
    else:
        container["late"] = late
    assert root.weights == [late.w] and late.w.path == f"root/{next(iter(children(root)))}/w"


def test_a_frozen_set_is_a_set():
    root, members = Node(name="root"), [Node() for _ in range(5)]
    root.members = frozenset(members)
    assert layers_in(root) == members and members[0].path.startswith("root/members")


def test_replacing_an_attribute_replaces_its_weights():
    class Net(layers.Layer):
        def __init__(self):
            super().__init__()
            self.body, self.head = layers.Dense(4), layers.Dense(1)

        def call(self, x):
            return self.head(self.body(x))

    net = Net()
    net(X)
    net.head = layers.Dense(2)
    assert net(X).shape == (2, 2) and len(net.weights) == 4
    assert [w.path for w in net.weights] == ["net/body/kernel", "net/body/bias", "net/head/kernel", "net/head/bias"]


def test_a_layer_that_moves_to_another_tree_takes_its_path_from_there():
    first, second, moved = Node(name="first"), Node(name="second"), Node()
    moved.w = variable()
    first.x = moved
    assert moved.w.path == "first/x/w"
    second.y = moved
    assert moved.w.path == "first/x/w"  # it is where it was first
    first.x = None
    assert moved.w.path == "second/y/w"
    third = Node(name="third")
    third.z = moved
    del second
    gc.collect()
    assert moved.w.path == "third/z/w"


def test_a_layer_that_refers_back_to_what_holds_it_has_a_finite_path():
    root, child = Node(name="root"), Node()
    child.owner = root
    root.child = child
    root.w, child.w = variable(), variable()
    assert len({w.path for w in root.weights}) == 2 and layers_of(root) == [root, child]
    itself = Node(name="itself")
    itself.me, itself.w = [itself], variable()
    assert [w.path for w in itself.weights] == ["itself/w"]


def test_modules_that_are_no_layers_own_state_but_no_weights():
    root = Node(name="root")
    root.seed, root.mean, root.w = lamina.random.SeedGenerator(1), lamina.metrics.Mean(), variable()
    assert root.weights == [root.w]
    assert [v.path for v in root.variables] == ["root/w", "root/seed/state", "root/mean/total", "root/mean/count"]
    assert root.non_trainable_variables == root.variables[1:]
    assert root.metrics == [root.mean]


def test_an_optimizers_state_is_not_the_models():
    root = Node()
    root.w, root.optimizer = variable(), lamina.optimizers.Adam()
    root.optimizer.build([root.w])
    assert root.variables == [root.w]


def test_a_tree_that_nobody_holds_is_collected():
    root = Node()
    root.child, root.items = layers.Dense(2), [layers.Dense(2)]
    root.child(X)
    gone = [weakref.ref(root), weakref.ref(root.child), weakref.ref(root.child.kernel)]
    del root
    gc.collect()
    assert [r() for r in gone] == [None] * 3


def test_a_copy_is_a_tree_of_its_own():
    net = lamina.Sequential([layers.Dense(2), layers.Dropout(0.5), layers.Dense(1)], name="net")
    before = np.asarray(net(X))
    twin = copy.deepcopy(net)
    assert [w.path for w in twin.weights] == [w.path for w in net.weights]
    assert not {id(v) for v in twin.variables} & {id(v) for v in net.variables}
    twin.set_weights([w * 0 for w in twin.get_weights()])
    np.testing.assert_array_equal(net(X), before)
    np.testing.assert_array_equal(twin(X), 0)
    assert lamina.jit(twin)(X).shape == (2, 1)


def things():
    """Yields what may be copied, and what else has to live meanwhile."""
    node = Node(name="node")
    node.w, node.items, node.mean = variable(), [layers.Dense(1)], lamina.metrics.Mean()
    node.add_weight((2,))
    node.items[0].build((None, 3))
    yield node, None
    net = lamina.Sequential([lamina.Input((3,)), layers.Dense(2)])
    net.compile("adam", "mse", metrics=["mae"])
    net.fit(X, np.ones((2, 2)), verbose=0)
    yield net, None
    yield lamina.Model(net.input, net.output), None
    yield lamina.metrics.Mean(), None
    yield lamina.random.SeedGenerator(1), None
    for optimizer in (lamina.optimizers.Adam(), lamina.optimizers.LossScaleOptimizer(lamina.optimizers.SGD(0.1, 0.9))):
        optimizer.build([weight := variable()])
        yield optimizer, weight


@pytest.mark.parametrize("number", range(7))
def test_a_shallow_copy_is_an_object_of_its_own_that_holds_the_same(number):
    thing, _weight = list(things())[number]
    paths = {id(v): v.path for v in thing.variables}
    twin = copy.copy(thing)
    assert type(twin) is type(thing) and twin.name == thing.name
    assert [id(v) for v in twin.variables] == list(paths) and [v.path for v in twin.variables] == list(paths.values())
    assert {**vars(twin), "_lamina": thing._lamina}.items() >= vars(thing).items()

    record, own = thing._lamina, twin._lamina
    lists = [field for field in dir(record) if type(getattr(record, field)) in (list, dict)]
    assert not any(getattr(record, field) is getattr(own, field) for field in lists if getattr(record, field))
    twin.added, root = layers.Dropout(0.5, seed=1), Node(name="root")
    root.twin = twin
    assert not hasattr(thing, "added") and [id(v) for v in thing.variables] == list(paths) and thing.path == thing.name

    if not type(thing)._apart:
        assert len(twin.variables) == len(paths) + 1 and twin.path.startswith("root/")
        del thing, record
        gc.collect()
        assert all(v.path.startswith(twin.path) for v in twin.variables)  # nobody else holds them now


def test_a_shallow_copy_of_a_layer_learns_with_the_weights_of_the_original_and_is_frozen_by_itself():
    layer = layers.Dense(2, activity_regularizer="l2")
    layer(X)
    twin = copy.copy(layer)
    layer.kernel.assign(layer.kernel * 2)
    np.testing.assert_array_equal(twin(X), layer(X))
    twin.trainable = False
    assert layer.trainable and layer.trainable_weights and not twin.trainable_weights
    twin(2 * X)
    assert float(twin.losses[0]) != float(layer.losses[0])


def test_a_shallow_copy_of_a_variable_has_a_value_a_name_and_a_place_of_its_own():
    root, first = Node(name="root"), variable("mine")
    twin = copy.copy(first)
    root.a, root.b = twin, first
    twin.assign([3.0])
    assert float(first[0]) == 0 and twin.path == "root/mine" and first.path == "root/mine_1"
    add = lamina.jit(lambda: twin.assign_add([1.0]))
    third = copy.copy(twin)
    add()
    assert [float(v[0]) for v in (first, twin, third)] == [0, 4, 3]


@pytest.mark.parametrize("name", ["place", "adopt", "step_to"])
def test_attributes_may_have_any_name(name):
    node = Node()
    setattr(node, name, layers.Dense(2))
    getattr(node, name).build((None, 3))
    assert [weight.path for weight in node.weights] == [f"node/{name}/kernel", f"node/{name}/bias"]
