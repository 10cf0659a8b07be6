"""Functions of arrays, Variables and symbolic tensors: those of `keras.ops`, over `jax.numpy`, `jax.nn` and `jax.lax`."""

from lamina.ops import core, fourier, image, linalg, math, nn, numpy
from lamina.ops.core import *  # noqa: F403
from lamina.ops.fourier import *  # noqa: F403
from lamina.ops.linalg import *  # noqa: F403
from lamina.ops.math import *  # noqa: F403
from lamina.ops.nn import *  # noqa: F403
from lamina.ops.numpy import *  # noqa: F403
from lamina.ops.rearrangement import rearrange

__all__ = ["image", "linalg", "nn", "numpy", "rearrange"]
__all__ += core.__all__
__all__ += fourier.__all__
__all__ += linalg.__all__
__all__ += math.__all__
__all__ += nn.__all__
__all__ += numpy.__all__
