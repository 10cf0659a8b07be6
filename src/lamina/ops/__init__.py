"""Functions of arrays, Variables and symbolic tensors: those of `keras.ops`, over `jax.numpy`, `jax.nn` and `jax.lax`."""

from lamina.ops import image as image
from lamina.ops import linalg as linalg
from lamina.ops import nn as nn
from lamina.ops import numpy as numpy
from lamina.ops.core import *  # noqa: F403
from lamina.ops.fourier import *  # noqa: F403
from lamina.ops.linalg import *  # noqa: F403
from lamina.ops.math import *  # noqa: F403
from lamina.ops.nn import *  # noqa: F403
from lamina.ops.numpy import *  # noqa: F403
from lamina.ops.rearrangement import rearrange as rearrange
