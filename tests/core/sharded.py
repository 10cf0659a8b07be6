"""What every write does with the placement of variables, on eight devices: a program, for their number is fixed at its start."""

import copy
import pickle

import jax
import numpy as np
from jax.sharding import AxisType, NamedSharding
from jax.sharding import PartitionSpec as P

import lamina
from lamina import layers


class Own(lamina.Sequential):
    """A model with a step of its own."""

    def train_step(self, data):
        x, y = data

        def loss():
            return self.compute_loss(x, y, self(x, training=True))

        value, gradients = lamina.value_and_grad(loss, self.trainable_weights)()
        self.optimizer.apply(gradients, self.trainable_weights)
        return {"loss": value}


def main():
    mesh = jax.make_mesh((4, 2), ("batch", "model"), axis_types=(AxisType.Auto, AxisType.Auto))
    in_parts = NamedSharding(mesh, P(None, "model"))
    everywhere = NamedSharding(mesh, P())

    def check(variable, placement=in_parts):
        assert variable.placement == placement
        assert variable.value.sharding.is_equivalent_to(placement, variable.ndim), variable.value.sharding
        if placement is in_parts:
            assert {shard.data.shape for shard in variable.value.addressable_shards} == {
                (variable.shape[0], variable.shape[1] // 2)
            }

    # --- a variable ---------------------------------------------------------------------------------------------------

    values = np.arange(8.0, dtype="float32").reshape(2, 4)
    variable = lamina.Variable(values, placement=in_parts)
    check(variable)
    plain = lamina.Variable(values)
    assert plain.placement is None
    plain.placement = in_parts
    check(plain)
    taken = lamina.Variable(values)
    taken.assign(jax.device_put(values, in_parts))  # an array that lies in parts brings its placement along
    check(taken)
    owner = lamina.Layer()
    owner.held = variable
    for write in (
        lambda: variable.assign(values + 1),
        lambda: variable.assign(jax.numpy.asarray(values)),
        lambda: variable.assign(jax.device_put(values, jax.devices()[3])),
        lambda: variable.assign_add(values),
        lambda: variable.assign_sub(1.0),
        lamina.jit(lambda: variable.assign(variable * 2)),
        lamina.jit(lambda: lamina.fori_loop(0, 3, lambda i, _: variable.assign_add(values), variable.assign(values))),
        lambda: lamina.set_state(owner, lamina.state_of(owner)),
    ):
        write()
        check(variable)
    np.testing.assert_array_equal(variable.numpy(), values * 4)

    for place in (in_parts, jax.sharding.SingleDeviceSharding(jax.devices()[3])):
        copied = copy.deepcopy(lamina.Variable(values, placement=place))
        assert copied.placement == place and copied.value.sharding.is_equivalent_to(place, 2)
        assert pickle.loads(pickle.dumps(copied)).placement is None

    # --- a model ------------------------------------------------------------------------------------------------------

    def made():
        lamina.random.set_seed(0)
        model = lamina.Sequential([lamina.Input((8,)), layers.Dense(16, "relu"), layers.BatchNormalization(), layers.Dense(2)])
        model.compile(lamina.optimizers.Adam(0.01, use_ema=True), "mse", metrics=["mae"])
        return model

    def trained(model, **options):
        random = np.random.default_rng(0)
        x, y = random.normal(size=(64, 8)).astype("float32"), random.normal(size=(64, 2)).astype("float32")
        model.fit(x, y, batch_size=16, epochs=3, shuffle=False, verbose=0, **options)
        return model

    model = made()
    for weight in model.weights:
        weight.placement = in_parts if weight.ndim == 2 else everywhere
    trained(model)
    kernel = model.layers[0].kernel
    slots = {key: value for key, value in lamina.state_of(model).items() if key.startswith("optimizer/dense/kernel/")}
    assert {key.rpartition("/")[2] for key in slots} == {"momentum", "velocity", "average"}
    kept = [
        held for held in model.optimizer.variables if held.path.endswith(("kernel/momentum", "kernel/velocity", "kernel/average"))
    ]
    assert len(kept) == 6
    for held in (kernel, *kept):
        check(held)
    for metric in model.metrics:
        metric.reset_state()
    model.set_weights(model.get_weights())
    lamina.set_state(model, lamina.state_of(model))
    trained(model)
    for weight in model.weights:
        check(weight, in_parts if weight.ndim == 2 else everywhere)

    # The numbers are those of one device.
    alone = trained(trained(made()))
    for one, other in zip(alone.get_weights(), model.get_weights(), strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-3, atol=1e-4)
    eager = made()
    for weight in eager.weights:
        weight.placement = in_parts if weight.ndim == 2 else everywhere
    eager.run_eagerly = True
    check(trained(eager).layers[0].kernel)

    # --- what is moved after it was used --------------------------------------------------------------------------------

    by_rows = NamedSharding(mesh, P("model"))
    add = lamina.jit(lambda: plain.assign_add(values))
    for place in (in_parts, by_rows, everywhere):
        plain.placement = place
        for _ in range(2):
            add()
            assert plain.value.sharding.is_equivalent_to(place, 2), plain.value.sharding

    for kind in (lamina.Sequential, Own):
        models = [kind([lamina.Input((8,)), layers.Dense(2, kernel_initializer="ones")]) for _ in range(2)]
        for model in models:
            model.compile(lamina.optimizers.Adam(0.01), "mse")
            trained(model)
        for place in (in_parts, by_rows):
            kernel = models[0].layers[0].kernel
            kernel.placement = place
            for model in models:
                trained(model)
            for value in (kernel.value, *models[0].optimizer.state_of(kernel).values()):
                assert value.sharding.is_equivalent_to(place, 2), (kind, value.sharding)
        np.testing.assert_allclose(*(model.get_weights()[0] for model in models), rtol=1e-3)
    print("all writes keep the placement")


if __name__ == "__main__":
    main()
