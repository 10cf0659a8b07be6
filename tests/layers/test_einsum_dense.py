"""EinsumDense: the equations of Keras, and errors that name the axis."""

import math

import keras
import numpy as np
import pytest

from lamina import layers

EQUATIONS = [
    ("ab,bc->ac", 5, "c", (2, 3)),
    ("abc,cd->abd", (None, 5), "d", (2, 4, 3)),
    ("abc,cd->abd", (4, 5), "bd", (2, 4, 3)),
    ("abc,cde->abde", (None, 5, 6), "de", (2, 4, 3)),
    ("abc,cde->abde", (None, 5, 6), "d", (2, 4, 3)),
    ("abde,dec->abc", (None, 6), "c", (2, 4, 3, 5)),
    ("abc,bde->acde", (3, 5, 6), "ce", (2, 4, 3)),
    ("...x,xy->...y", 5, "y", (2, 3)),
    ("...x,xy->...y", 5, "y", (2, 6, 4, 3)),
    ("...bx,xy->...by", (None, 5), None, (2, 6, 4, 3)),
    ("ab...,bc->ac...", 5, "c", (2, 3, 4, 6)),
    ("abc...,bcd->abd...", (3, 5), "d", (2, 3, 4, 6)),
]


@pytest.mark.parametrize("equation, output_shape, bias_axes, shape", EQUATIONS)
def test_weights_and_outputs_are_those_of_keras(equation, output_shape, bias_axes, shape):
    x = np.random.default_rng(0).normal(size=shape).astype("float32")
    ours, theirs = (
        of.EinsumDense(equation, output_shape, "relu", bias_axes, bias_initializer="ones") for of in (layers, keras.layers)
    )
    expected = theirs(x)
    ours.build((None, *shape[1:]))
    assert [w.shape for w in ours.weights] == [tuple(w.shape) for w in theirs.weights]
    ours.set_weights(theirs.get_weights())
    np.testing.assert_allclose(ours(x), expected, rtol=1e-5, atol=1e-6)
    assert ours.compute_output_shape((None, *shape[1:])) == (None, *expected.shape[1:])


@pytest.mark.parametrize("name", ["he_uniform", "glorot_normal", "lecun_normal"])
def test_first_kernels_are_scaled_by_what_is_summed_over(name):
    layer = layers.EinsumDense("abde,dec->abc", (None, 300), kernel_initializer=name)
    layer.build((None, 2, 20, 30))
    fans = {"he_uniform": 600 / 2, "glorot_normal": (600 + 300) / 2, "lecun_normal": 600}
    assert layer.kernel.numpy().var() == pytest.approx(1 / fans[name], rel=0.03)


def test_the_bias_may_have_axes_of_the_inputs():
    layer = layers.EinsumDense("abc,cd->abd", (None, 5), bias_axes="bd")
    layer.build((None, 4, 3))
    assert layer.bias.shape == (4, 5)


def test_what_does_not_fit_together_is_refused():
    for equation in ("ab", "ab,bc", "a...b,bc->a...c", "...ab...,bc->...ac...", "...ab,bc->ac", "ab,bc,cd->ad"):
        with pytest.raises(ValueError, match="The equation of EinsumDense looks like"):
            layers.EinsumDense(equation, 3)
    with pytest.raises(ValueError, match=r"The outputs of 'ab,bc->ad' have the axes \['d'\]"):
        layers.EinsumDense("ab,bc->ad", 3)
    with pytest.raises(ValueError, match=r"The kernel of 'ab,bcd->ac' have the axes \['d'\]"):
        layers.EinsumDense("ab,bcd->ac", 3)
    with pytest.raises(ValueError, match=r"The bias_axes of .* have the axes \['b'\]"):
        layers.EinsumDense("ab,bc->ac", 3, bias_axes="b")
    with pytest.raises(ValueError, match="more sizes than"):
        layers.EinsumDense("ab,bc->ac", (2, 3, 4))
    for shape in ((2, 3, 4), (2,)):
        with pytest.raises(ValueError, match="does not fit inputs of shape"):
            layers.EinsumDense("ab,bc->ac", 3).build(shape)
    with pytest.raises(ValueError, match=r"axis 'b' .* has size 9 by output_shape, but size 4 in inputs"):
        layers.EinsumDense("abc,cd->abd", (9, 5)).build((2, 4, 3))
    for build in (
        lambda: layers.EinsumDense("ab,bc->ac", None).build((2, 3)),
        lambda: layers.EinsumDense("ab,bc->ac", 3).build((2, None)),
    ):
        with pytest.raises(ValueError, match=r"cannot be built: the size of axis '[bc]' of 'ab,bc->ac' is unknown"):
            build()


def test_one_step_of_attention_reads_as_its_equation():
    x = np.random.default_rng(0).normal(size=(2, 7, 6)).astype("float32")
    query, key = (layers.EinsumDense("btf,fhd->bthd", (None, 2, 4))(x) for _ in range(2))
    scores = np.einsum("bqhd,bkhd->bhqk", query, key) / math.sqrt(4)
    assert layers.Softmax()(scores).shape == (2, 2, 7, 7)
