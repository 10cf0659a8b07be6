"""The library that the models beside this file are written for: one text serves Lamina, Keras 3 and tf-keras."""

import os
import types
from typing import Any

PEER = os.environ["BENCH_PEER"]

keras: Any
ops: Any

if PEER == "lamina":
    import lamina as keras
elif PEER == "tf_keras":
    import tf_keras as keras
else:
    import keras

if PEER == "tf_keras":  # it has no ops: these are TensorFlow's
    import tensorflow as tf

    ops = types.SimpleNamespace(
        arange=tf.range,
        convert_to_tensor=tf.convert_to_tensor,
        matmul=tf.matmul,
        reshape=tf.reshape,
        softmax=tf.nn.softmax,
        split=tf.split,
        transpose=tf.transpose,
        where=tf.where,
    )
else:
    ops = keras.ops

layers = keras.layers
