"""Functions of arrays, Variables and symbolic tensors: those of `keras.ops`, over `jax.numpy`, `jax.nn` and `jax.lax`."""

from lamina.ops import linalg, nn, numpy
from lamina.ops.core import *  # noqa: F403
from lamina.ops.linalg import *  # noqa: F403
from lamina.ops.math import *  # noqa: F403
from lamina.ops.nn import *  # noqa: F403
from lamina.ops.numpy import *  # noqa: F403
from lamina.ops.rearrangement import rearrange
