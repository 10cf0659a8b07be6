"""What to call each function of `lamina.ops` with, to compare it with the one of the same name in `keras.ops`."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from lamina import ops

_random = np.random.default_rng(7)


@dataclass
class Call:
    """The arguments of a call; `data_dependent` where the shape of the result depends on the numbers."""

    args: tuple[Any, ...]
    kwargs: dict[str, Any] = field(default_factory=dict)
    data_dependent: bool = False


def call(*args: Any, **kwargs: Any) -> Call:
    return Call(args, kwargs)


def eager(*args: Any, **kwargs: Any) -> Call:
    return Call(args, kwargs, data_dependent=True)


def real(*shape: int) -> np.ndarray:
    return _random.normal(size=shape).astype("float32")


def positive(*shape: int) -> np.ndarray:
    return _random.uniform(0.1, 3.0, shape).astype("float32")


def integers(*shape: int, most: int = 5) -> np.ndarray:
    return _random.integers(0, most, shape).astype("int32")


def bits(*shape: int) -> np.ndarray:
    return _random.integers(0, 2, shape).astype(bool)


def with_nan(*shape: int) -> np.ndarray:
    array = real(*shape)
    array.flat[1] = np.nan
    return array


def spd(*shape: int) -> np.ndarray:
    """Symmetric positive definite matrices."""
    a = real(*shape, shape[-1])
    return a @ a.swapaxes(-1, -2) + 3 * np.eye(shape[-1], dtype="float32")


def triangle(*shape: int) -> np.ndarray:
    return np.linalg.cholesky(spd(*shape)).astype("float32")


def probabilities(*shape: int) -> np.ndarray:
    p = positive(*shape)
    return p / p.sum(-1, keepdims=True)


# --- any shape: the functions of elements, and the reductions --------------------------------------------------------

Maker = Callable[..., np.ndarray]

_UNARY = """absolute abs angle arcsinh arctan cbrt ceil conj conjugate copy cos cosh deg2rad exp exp2 expm1 fabs floor i0 imag
    isfinite isinf isnan isneginf isposinf isreal logical_not nan_to_num negative ones_like rad2deg ravel real reciprocal round
    sign signbit sin sinc sinh square tan tanh transpose trunc zeros_like celu elu erf erfc gelu hard_shrink hard_sigmoid
    hard_silu hard_swish hard_tanh leaky_relu log_sigmoid relu relu6 selu sigmoid silu soft_shrink softplus softsign
    sparse_plus sparse_sigmoid squareplus swish tanh_shrink stop_gradient convert_to_tensor view_as_real softmax log_softmax
    flip sort argsort cumsum cumprod nancumsum nancumprod count_nonzero logsumexp normalize rms_normalization
    layer_normalization"""
_BINARY = """add arctan2 divide divide_no_nan equal floor_divide fmax fmin fmod greater greater_equal heaviside hypot isclose
    allclose less less_equal logaddexp logaddexp2 maximum minimum mod multiply nextafter not_equal subtract true_divide append
    outer vdot polar"""
_REDUCTIONS = """all amax amin any argmax argmin max mean median min nanargmax nanargmin nanmax nanmean nanmedian nanmin nanprod
    nanstd nansum nanvar prod ptp std sum var"""

UNARY: dict[str, Maker] = {
    **dict.fromkeys(_UNARY.split(), real),
    **dict.fromkeys(["log", "log10", "log1p", "log2", "sqrt", "rsqrt"], positive),
    **dict.fromkeys(["arccos", "arcsin", "arctanh", "erfinv"], lambda *shape: np.tanh(real(*shape))),
    "arccosh": lambda *shape: positive(*shape) + 1,
    **dict.fromkeys(["bitwise_invert", "bitwise_not"], integers),
}
BINARY: dict[str, tuple[Maker, Maker]] = {
    **dict.fromkeys(_BINARY.split(), (real, real)),
    "power": (positive, real),
    "ldexp": (real, integers),
    **dict.fromkeys(["logical_and", "logical_or", "logical_xor"], (bits, bits)),
    **dict.fromkeys(["bitwise_and", "bitwise_or", "bitwise_xor", "gcd", "lcm"], (integers, integers)),
    **dict.fromkeys(["bitwise_left_shift", "bitwise_right_shift", "left_shift", "right_shift"], (integers, integers)),
}
REDUCTIONS = _REDUCTIONS.split()

# --- one shape or a few ----------------------------------------------------------------------------------------------

M, CUBE = real(3, 4), real(2, 3, 4)

NUMPY: dict[str, list[Call]] = {
    "append": [call(M, real(2, 4), axis=0)],
    "arange": [call(5), call(1.0, 4.0, 0.5), call(2, 9, step=3, dtype="float32")],
    "argmax": [call(M, 1), call(M, axis=-1, keepdims=True)],
    "argpartition": [call(real(7), 3)],
    "argsort": [call(M, axis=0)],
    "array": [call([[1, 2], [3, 4]]), call(M, dtype="int32")],
    "array_split": [call(M, 3, axis=1)],
    "average": [call(M), call(M, axis=1, weights=positive(3, 4))],
    "bartlett": [call(6)],
    "bincount": [
        eager(integers(9)),
        eager(integers(9), weights=real(9)),
        eager(integers(9), minlength=8),
        eager(np.array([[1, 2], [2, 0]])),
    ],
    "blackman": [call(6)],
    "broadcast_to": [call(M, (2, 3, 4))],
    "clip": [call(M, -0.5, 0.5), call(M, x_min=None, x_max=0.2), call(M, x_min=-1, x_max=real(4))],
    "concatenate": [call([M, real(2, 4)]), call((M, M), axis=1), call([M, M], -1)],
    "corrcoef": [call(M)],
    "correlate": [call(real(6), real(3)), call(real(6), real(3), mode="full")],
    "cross": [call(real(2, 3), real(2, 3)), call(real(3, 2), real(3, 2), axis=0)],
    "cumsum": [call(M, axis=0), call(M, 1, "float32")],
    "diag": [call(real(3)), call(M, k=1)],
    "diagflat": [call(real(2, 2), k=-1)],
    "diagonal": [call(CUBE, offset=1, axis1=1, axis2=2)],
    "diff": [call(M), call(M, n=2, axis=0)],
    "digitize": [call(real(5), np.array([-1.0, 0.0, 1.0], "float32"))],
    "divide_no_nan": [call(real(4), np.array([0, 1, 0, 2], "float32"))],
    "dot": [call(M, real(4, 2)), call(real(4), real(4))],
    "dsplit": [call(CUBE, 2)],
    "dstack": [call([M, M])],
    "einsum": [call("ij,jk->ik", M, real(4, 2)), call("bij->bj", CUBE)],
    "empty_like": [],
    "expand_dims": [call(M, 1), call(M, axis=(0, -1))],
    "eye": [call(3), call(3, 4, k=1, dtype="int32")],
    "flip": [call(M, axis=1)],
    "fliplr": [call(M)],
    "flipud": [call(M)],
    "full": [call((2, 3), 1.5), call(4, 2.0, dtype="int32")],
    "full_like": [call(M, 2.0), call(M, 3, dtype="int32")],
    "geomspace": [call(1.0, 16.0, 5)],
    "get_item": [call(M, 1), call(M, (slice(None), 2)), call(M, (Ellipsis, None))],
    "hamming": [call(6)],
    "hanning": [call(6)],
    "histogram": [call(real(20)), call(real(20), bins=4, range=(-1.0, 1.0))],
    "hsplit": [call(M, 2)],
    "hstack": [call([M, M])],
    "identity": [call(3), call(3, dtype="int32")],
    "inner": [call(M, real(2, 4))],
    "isin": [call(integers(6), integers(3)), call(integers(6), integers(3), invert=True)],
    "kaiser": [call(6, 3.0)],
    "kron": [call(M, real(2, 2))],
    "linspace": [call(0.0, 1.0, 5), call(0.0, 1.0, num=4, endpoint=False, retstep=True), call(real(3), real(3), 4, axis=1)],
    "logspace": [call(0.0, 2.0, 3), call(0.0, 2.0, num=3, base=2)],
    "matmul": [call(M, real(4, 2)), call(CUBE, real(2, 4, 5)), call(real(4), real(4, 2))],
    "max": [call(M, 0, True, 0.5), call(M, axis=1, initial=0.0)],
    "meshgrid": [call(real(3), real(2)), call(real(3), real(2), indexing="ij")],
    "min": [call(M, axis=1, initial=0.0)],
    "moveaxis": [call(CUBE, 0, -1), call(CUBE, source=[0, 1], destination=[1, 0])],
    "nan_to_num": [call(with_nan(3), 1.0), call(np.array([np.inf, -np.inf], "float32"), posinf=2.0, neginf=-3.0)],
    "nanmean": [call(with_nan(3, 4), axis=0)],
    "nanpercentile": [call(with_nan(3, 4), 30.0, 1), call(M, 30.0, method="lower")],
    "nanquantile": [call(with_nan(3, 4), np.array([0.3, 0.6], "float32"), 1, "nearest", True)],
    "nonzero": [eager(integers(3, 4, most=2))],
    "ones": [call((2, 3)), call(4, dtype="int32")],
    "outer": [call(real(3), real(2))],
    "pad": [
        call(M, 1),
        call(M, ((1, 0), (0, 2)), "constant", 3.0),
        call(M, [[1, 1], [0, 2]], mode="reflect"),
        call(M, ((1, 0), (0, 2)), constant_values=2),
    ],
    "percentile": [call(M, 30.0), call(M, 30.0, 1, "higher", True)],
    "prod": [call(M, axis=0, dtype="float32")],
    "quantile": [call(M, 0.3), call(M, np.array([0.3, 0.6], "float32"), axis=(0,), keepdims=True)],
    "repeat": [call(M, 2), call(M, 3, axis=1)],
    "reshape": [call(M, (2, 6)), call(M, newshape=(-1, 3)), call(M, -1), call(M, [4, -1])],
    "roll": [call(M, 2), call(M, 1, axis=1)],
    "rot90": [call(M), call(CUBE, k=2, axes=(1, 2))],
    "round": [call(M, 1), call(M, decimals=2)],
    "searchsorted": [call(np.sort(real(6)), real(4)), call(np.sort(real(6)), real(4), side="right")],
    "select": [call([M > 0, M < -1], [M, -M], 2.0)],
    "slogdet": [call(real(3, 3))],
    "sort": [call(M, axis=0)],
    "split": [call(M, 2, axis=1), call(M, [1, 3], -1)],
    "squeeze": [call(real(1, 3, 1)), call(real(1, 3, 1), axis=0)],
    "stack": [call([M, M]), call((M, M), axis=-1)],
    "sum": [call(CUBE, (0, 2)), call(CUBE, axis=[0, 1], keepdims=True), call(M, 0, True)],
    "swapaxes": [call(CUBE, 0, 2), call(CUBE, axis1=0, axis2=1)],
    "take": [call(M, integers(2, most=4)), call(M, integers(2, 2, most=3), axis=1), call(M, [0, 2], 0)],
    "take_along_axis": [call(M, np.argsort(M, 1), 1), call(real(5), integers(3)), call(M, np.argsort(M, 0), axis=0)],
    "tensordot": [call(CUBE, real(3, 4, 2)), call(CUBE, M, axes=[[1, 2], [0, 1]])],
    "tile": [call(M, 2), call(M, repeats=(2, 1, 3))],
    "trace": [call(M), call(CUBE, offset=1, axis1=1, axis2=2)],
    "transpose": [call(CUBE, (2, 0, 1)), call(CUBE, axes=[1, 0, 2])],
    "trapezoid": [call(M), call(M, dx=2.0, axis=0), call(real(4), np.sort(real(4)))],
    "tri": [call(3), call(3, 4, k=-1)],
    "tril": [call(M), call(M, 1)],
    "triu": [call(M), call(M, k=-1)],
    "unique": [
        eager(integers(8)),
        eager(integers(8), return_counts=True, return_inverse=True, return_index=True),
        eager(integers(4, 2, most=2), axis=0),
        call(integers(8), size=6, fill_value=-1),
    ],
    "unravel_index": [call(integers(4), (3, 5))],
    "vander": [call(real(4)), call(real(4), N=3, increasing=True)],
    "vectorize": [],
    "view": [call(M, "int32"), call(M, dtype="uint8")],
    "vsplit": [call(M, 3)],
    "vstack": [call([M, M])],
    "where": [call(M > 0, M, -M), call(M > 0, x1=1.0, x2=M), eager(M > 0)],
    "zeros": [call((2, 3)), call(4, dtype="int32")],
}

IMAGES, VOLUMES, SIGNALS = real(2, 7, 8, 4), real(1, 4, 5, 4, 2), real(2, 9, 4)
FIRST = np.moveaxis(IMAGES, -1, 1).copy()
LOGITS, TARGET = real(5, 3), probabilities(5, 3)
QUERY, KEY, VALUE = real(2, 5, 4, 8), real(2, 6, 2, 8), real(2, 6, 2, 8)

NN: dict[str, list[Call]] = {
    "adaptive_average_pool": [
        call(IMAGES, 3),
        call(IMAGES, (2, 8)),
        call(SIGNALS, 4),
        call(FIRST, output_size=[3, 5], data_format="channels_first"),
    ],
    "adaptive_max_pool": [call(IMAGES, 3), call(VOLUMES, 2), call(FIRST, (4, 3), "channels_first")],
    "average_pool": [
        call(IMAGES, 2, 2),
        call(IMAGES, (2, 3), strides=1, padding="same"),
        call(FIRST, 3, 2, "same", "channels_first"),
        call(SIGNALS, 3, 3),
        call(VOLUMES, pool_size=2, strides=1, padding="same"),
    ],
    "batch_normalization": [
        call(M, real(4), positive(4), 1),
        call(IMAGES, real(4), positive(4), axis=-1, offset=real(4), scale=real(4), epsilon=0.01),
    ],
    "binary_crossentropy": [call(TARGET, probabilities(5, 3)), call(TARGET, LOGITS, from_logits=True)],
    "categorical_crossentropy": [
        call(TARGET, probabilities(5, 3)),
        call(TARGET, LOGITS, from_logits=True),
        call(TARGET, positive(5, 3), axis=0),
    ],
    "celu": [call(M, alpha=0.5)],
    "conv": [
        call(IMAGES, real(3, 3, 4, 5)),
        call(IMAGES, real(3, 2, 4, 5), 2, "same"),
        call(IMAGES, real(3, 3, 2, 6), strides=(1, 2), padding="SAME"),
        call(IMAGES, real(2, 2, 4, 5), dilation_rate=2),
        call(FIRST, real(3, 3, 4, 5), 2, "valid", "channels_first"),
        call(SIGNALS, real(3, 4, 2), padding="same", data_format=None),
        call(VOLUMES, real(2, 2, 2, 2, 3)),
    ],
    "conv_transpose": [
        *(
            call(IMAGES, real(k, k, 3, 4), strides, padding, extra)
            for k, strides, padding, extra in [
                (3, 1, "valid", None),
                (3, 2, "valid", None),
                (3, 2, "same", None),
                (4, 2, "same", None),
                (2, 3, "same", None),
                (2, 3, "valid", None),
                (3, 2, "same", 1),
                (3, 2, "same", 0),
                (4, 2, "same", 1),
                (3, 2, "valid", 1),
            ]
        ),
        call(FIRST, real(3, 3, 3, 4), (2, 1), "same", data_format="channels_first"),
        call(SIGNALS, real(3, 2, 4), padding="same", dilation_rate=2),
    ],
    "ctc_decode": [
        call(real(2, 6, 4), np.array([6, 4])),
        call(real(2, 6, 4), np.array([6, 4]), merge_repeated=False, mask_index=3),
        call(real(2, 6, 4), np.array([6, 4]), "beam_search", beam_width=100, top_paths=3, mask_index=2),
    ],
    "ctc_loss": [
        call(np.array([[1, 2, 2], [3, 1, 0]]), real(2, 7, 4), np.array([3, 2]), np.array([7, 5])),
        call(np.array([[1, 2], [0, 1]]), real(2, 7, 4), np.array([2, 2]), np.array([7, 7]), mask_index=3),
    ],
    "depth_to_space": [call(real(2, 3, 2, 8), 2), call(real(2, 8, 3, 2), 2, data_format="channels_first")],
    "depthwise_conv": [
        call(IMAGES, real(3, 3, 4, 2)),
        call(FIRST, real(3, 3, 4, 1), 2, "same", "channels_first"),
        call(SIGNALS, real(3, 4, 2), dilation_rate=2),
    ],
    "dot_product_attention": [
        call(QUERY, KEY, VALUE),
        call(QUERY, KEY, VALUE, bias=real(2, 4, 5, 6), mask=np.array(bits(2, 4, 5, 6) | np.eye(5, 6, dtype=bool)), scale=0.5),
        call(QUERY, KEY, VALUE, is_causal=True),
    ],
    "elu": [call(M, 0.5)],
    "fold": [call(real(2, 12, 9), 4, 2), call(real(2, 12, 4), (5, 7), (2, 3), dilation=2, padding=1, stride=3)],
    "gelu": [call(M, approximate=False), call(M, False)],
    "glu": [call(M), call(real(4, 3), axis=0)],
    "hard_shrink": [call(M, 0.2)],
    "layer_normalization": [
        call(M, real(4), real(4)),
        call(CUBE, axis=(1, 2), epsilon=0.01),
        call(M, gamma=real(3), axis=0),
    ],
    "leaky_relu": [call(M, 0.3), call(M, negative_slope=0.1)],
    "max_pool": [
        call(IMAGES, 2, 2),
        call(IMAGES, (2, 3), strides=1, padding="same"),
        call(FIRST, 3, 2, "same", "channels_first"),
        call(SIGNALS, 3, 3),
    ],
    "moments": [call(M, 0), call(CUBE, [0, 1], keepdims=True), call(CUBE, axes=(-1,)), call(M.astype("float16"), [0])],
    "multi_hot": [call(integers(4), 5), call(integers(3, 4), 5), call(integers(3, 4), 5, dtype="int32")],
    "normalize": [call(CUBE, axis=(0, 2)), call(M, order=1), call(M, 0, 3)],
    "one_hot": [call(integers(4), 5), call(integers(3, 4), 5, axis=1), call(integers(4), 5, 0, "int32")],
    "psnr": [call(M, M + 0.1, 2.0)],
    "rms_normalization": [call(M, real(4)), call(M, axis=0, epsilon=0.01)],
    "separable_conv": [call(IMAGES, real(3, 3, 4, 2), real(1, 1, 8, 3), 2, "same")],
    "soft_shrink": [call(M, 0.2)],
    "softmax": [call(M, axis=0), call(CUBE, (1, 2)), call(M, axis=None)],
    "log_softmax": [call(M, axis=0)],
    "logsumexp": [call(CUBE, axis=1), call(CUBE, [0, 2], keepdims=True)],
    "space_to_depth": [call(real(2, 4, 6, 3), 2), call(real(2, 3, 4, 6), 2, data_format="channels_first")],
    "sparse_categorical_crossentropy": [
        call(integers(5, most=3), probabilities(5, 3)),
        call(integers(5, 1, most=3), LOGITS, from_logits=True),
    ],
    "sparsemax": [],
    "squareplus": [call(M, b=2)],
    "threshold": [call(M, 0.2, -1.0)],
    "unfold": [call(FIRST, 2), call(FIRST, kernel_size=(2, 3), dilation=2, padding=1, stride=(2, 1))],
}

IDS = np.array([0, 2, 2, 0, 3], "int32")

MATH: dict[str, list[Call]] = {
    "cdist": [call(M, real(2, 4)), call(CUBE, real(2, 5, 4))],
    "extract_sequences": [call(real(2, 9), 4, 2), call(real(7), sequence_length=3, sequence_stride=1)],
    "in_top_k": [call(integers(5, most=4), real(5, 4), 2), call(np.array([0, 1]), np.ones((2, 3), "float32"), k=1)],
    "jvp": [call(ops.sin, (M,), (real(3, 4),)), call(lambda x: (ops.exp(x), ops.cos(x)), (M,), (M,), has_aux=True)],
    "logdet": [call(spd(3)), call(spd(2, 3))],
    "rearrange": [
        call(CUBE, "a b c -> c a b"),
        call(CUBE, "a b c -> (c a) b"),
        call(CUBE, "a b (c d) -> a (d b) c", d=2),
        call(CUBE, "a b (c d) -> (a b d) c", c=2),
    ],
    "segment_max": [call(real(5, 2), IDS, 4), call(real(5), np.sort(IDS), 4, sorted=True)],
    "segment_min": [call(real(5, 2), IDS, num_segments=4)],
    "segment_prod": [call(real(5, 2), IDS, 4)],
    "segment_sum": [call(real(5, 2), IDS, 4), call(real(5), IDS, 5, False)],
    "top_k": [call(M, 2), call(M, k=3, sorted=False)],
    "view_as_complex": [call(real(3, 2))],
}

LINALG: dict[str, list[Call]] = {
    "cholesky": [call(spd(3)), call(spd(2, 3), upper=True)],
    "cholesky_inverse": [call(triangle(3)), call(triangle(3).T.copy(), upper=True)],
    "det": [call(real(3, 3)), call(real(2, 3, 3))],
    "eig": [call(real(3, 3))],
    "eigh": [call(spd(3))],
    "inv": [call(spd(3))],
    "lstsq": [call(real(5, 3), real(5)), call(real(5, 3), real(5, 2), rcond=1e-3)],
    "lu_factor": [call(real(3, 3)), call(real(2, 3, 3))],
    "matrix_rank": [call(real(3, 4)), call(np.diag([1.0, 0.1, 0.001]).astype("float32"), tol=0.01)],
    "norm": [call(M), call(M, axis=1, keepdims=True), call(M, "fro"), call(M, 1, 0), call(real(5), ord=np.inf)],
    "pinv": [call(real(5, 3)), call(np.diag([1.0, 0.1, 0.001]).astype("float32"), rcond=0.01)],
    "qr": [call(real(5, 3)), call(real(5, 3), mode="complete")],
    "solve": [call(spd(3), real(3, 2)), call(spd(3), real(3)), call(spd(2, 3), real(2, 3, 1))],
    "solve_triangular": [call(triangle(3), real(3, 2), lower=True), call(triangle(3).T.copy(), real(3))],
    "svd": [call(real(4, 3)), call(real(4, 3), full_matrices=False), call(real(4, 3), compute_uv=False)],
}

PHOTOS = _random.uniform(0, 1, (2, 6, 7, 3)).astype("float32")
PHOTOS_FIRST = np.moveaxis(PHOTOS, -1, 1).copy()
TURN = np.array([0.9, -0.2, 1.0, 0.3, 1.1, -1.5, 0, 0], "float32")
CORNERS = np.array([[0, 0], [6, 0], [0, 5], [6, 5]], "float32")
MOVED = CORNERS + real(4, 2) / 2
VOLUMES = real(2, 4, 5, 4, 3)

IMAGE: dict[str, list[Call]] = {
    "image.affine_transform": [
        call(PHOTOS, TURN[None].repeat(2, 0)),
        call(PHOTOS_FIRST, np.stack([TURN, -TURN]), "nearest", "reflect", data_format="channels_first"),
        *(call(PHOTOS[0], TURN, "bilinear", mode, 0.3) for mode in ("constant", "nearest", "wrap", "mirror")),
    ],
    "image.crop_images": [
        call(PHOTOS, 1, 2, 0, 2),
        call(PHOTOS_FIRST, None, 1, 1, None, target_height=3, target_width=4, data_format="channels_first"),
        call(PHOTOS[0], bottom_cropping=2, right_cropping=1, target_height=2, target_width=2),
    ],
    "image.elastic_transform": [],  # its draws are not those of Keras
    "image.extract_patches": [
        call(PHOTOS, 2),
        call(PHOTOS_FIRST, (2, 3), 1, padding="same", data_format="channels_first"),
        call(PHOTOS[0], (2, 2), dilation_rate=2, strides=1),
        call(VOLUMES, (2, 2, 2)),
    ],
    "image.extract_patches_3d": [call(VOLUMES, 2, padding="same"), call(VOLUMES[0], (2, 3, 2), (1, 2, 1))],
    "image.gaussian_blur": [
        call(PHOTOS, (3, 5), (0.7, 1.3), data_format="channels_last"),
        call(PHOTOS_FIRST[0], data_format="channels_first"),
    ],
    "image.hsv_to_rgb": [call(PHOTOS), call(PHOTOS_FIRST[0], "channels_first")],
    "image.map_coordinates": [
        call(M, 4 * real(2, 5), 1),
        *(call(M, 4 * real(2, 5), 0, mode, 0.5) for mode in ("constant", "nearest", "wrap", "mirror", "reflect")),
    ],
    "image.pad_images": [
        call(PHOTOS, 1, 2, 0, 2),
        call(PHOTOS_FIRST[0], None, 1, 1, None, target_height=9, target_width=9, data_format="channels_first"),
    ],
    "image.perspective_transform": [
        call(PHOTOS[0], CORNERS, MOVED),
        call(PHOTOS_FIRST, np.stack([MOVED, CORNERS]), np.stack([CORNERS, MOVED]), "nearest", 0.2, "channels_first"),
    ],
    "image.resize": [
        *(call(PHOTOS, (4, 9), how) for how in ("bilinear", "nearest", "bicubic", "lanczos3", "lanczos5")),
        call(PHOTOS_FIRST[0], (3, 3), antialias=True, data_format="channels_first"),
        call(PHOTOS, (4, 2), crop_to_aspect_ratio=True),
        call(PHOTOS, (4, 9), pad_to_aspect_ratio=True, fill_value=0.5),
        call(PHOTOS[0], (9, 4), pad_to_aspect_ratio=True),
        call((PHOTOS * 255).astype("uint8"), (5, 5), "bicubic"),
    ],
    "image.rgb_to_grayscale": [
        call(PHOTOS),
        call(PHOTOS_FIRST[0], "channels_first"),
        call((PHOTOS * 255).astype("uint8")),
        call(PHOTOS[..., :1]),
    ],
    "image.rgb_to_hsv": [call(PHOTOS), call(PHOTOS_FIRST, "channels_first"), call(np.round(PHOTOS[0]))],
    "image.scale_and_translate": [
        call(PHOTOS[0], (8, 9, 3), np.array([1.5, 0.7], "float32"), np.array([0.5, -1.0], "float32"), (0, 1), "linear"),
        call(M, (5, 5), np.ones(2, "float32"), np.zeros(2, "float32"), (0, 1), "lanczos3", antialias=False),
    ],
    "image.sobel_edges": [call(PHOTOS), call(PHOTOS_FIRST, "channels_first")],
    "image.ssim": [
        call(PHOTOS, PHOTOS**2, filter_size=5),
        call(PHOTOS_FIRST[0], PHOTOS_FIRST[1], 2.0, 3, 1.0, 0.02, 0.05, "channels_first"),
    ],
}

WAVES = (real(2, 5, 8), real(2, 5, 8))

FOURIER: dict[str, list[Call]] = {
    "fft": [call(WAVES)],
    "fft2": [call(WAVES)],
    "ifft2": [call(WAVES)],
    "irfft": [call(WAVES), call(WAVES, 9), call(WAVES, fft_length=6)],
    "istft": [
        call((real(2, 6, 5), real(2, 6, 5)), 6, 2, 8),
        call((real(6, 4), real(6, 4)), 6, 3, 6, 10, "hamming", center=False),
        call((real(6, 5), real(6, 5)), 8, 2, 8, window=None),
    ],
    "rfft": [call(real(2, 7)), call(real(2, 7), 5), call(real(2, 7), fft_length=9)],
    "stft": [
        call(real(2, 20), 6, 2, 8),
        call(real(20), 5, 3, 7, "hamming", center=False),
        call(real(20), 4, 3, 4, window=positive(4)),
        call(real(20), 6, 3, 6, None),
    ],
}


def _add(a: Any, b: Any) -> Any:
    return a + b


CORE: dict[str, list[Call]] = {
    "associative_scan": [call(_add, M), call(_add, M, reverse=True, axis=1), call(f=_add, elems=(M))],
    "cast": [call(M, "int32"), call(integers(3), dtype="float32"), call([1.5, 0.0], "bool")],
    "cond": [call(True, lambda: M, lambda: -M), call(np.array(False), true_fn=lambda: M, false_fn=lambda: -M)],
    "convert_to_numpy": [call(M)],
    "convert_to_tensor": [call([1, 2]), call(M, dtype="int32"), call(2.5)],
    "custom_gradient": [],
    "dtype": [],
    "ndim": [],
    "shape": [],
    "size": [],
    "empty": [],
    "fori_loop": [call(0, 4, lambda i, v: v + i, M)],
    "is_tensor": [],
    "map": [call(lambda row: row.sum(), M), call(f=lambda pair: pair[0] + pair[1], xs=(M, M))],
    "saturate_cast": [
        call(np.array([-3.0, 2.7, 300.0], "float32"), "uint8"),
        call(np.array([-300, 7, 70000], "int32"), "int8"),
        call(np.array([1e5, -1e38], "float32"), "float16"),
        call(np.array([3e9, -3e9, 1.5], "float32"), "int32"),
        call(np.array([-5, 100], "int8"), "uint8"),
    ],
    "scan": [call(lambda c, x: (c + x, c), np.zeros(4, "float32"), M), call(lambda c, x: (c + 1, x), 0, M, reverse=True)],
    "scatter": [
        call(np.array([[0, 1], [2, 0], [0, 1]]), real(3), (3, 2)),
        call(np.array([[1], [1]]), real(2, 4), shape=(3, 4)),
    ],
    "scatter_update": [
        call(M, np.array([[0, 1], [2, 2]]), real(2)),
        call(M, np.array([[0], [2]]), real(2, 4), reduction="add"),
        *(call(M, np.array([[0, 1], [2, 2]]), real(2), how) for how in ("max", "min", "mul")),
    ],
    "slice": [call(M, (1, 1), (2, 3)), call(M, np.array([1, 0]), (1, 2)), call(M, start_indices=[0, 0], shape=[3, 2])],
    "slice_update": [call(M, (1, 1), real(2, 2)), call(M, np.array([0, 1]), real(1, 2))],
    "switch": [call(1, [lambda x: x, lambda x: -x], M), call(np.array(0), [lambda x: x, lambda x: -x], M)],
    "unstack": [call(M), call(M, num=4, axis=1)],
    "vectorized_map": [call(lambda row: row.sum(), M), call(lambda pair: pair[0] + pair[1], [M, M])],
    "while_loop": [
        call(lambda i, v: i < 3, lambda i, v: (i + 1, v * 2), (0, M)),
        call(lambda i: i < 3, lambda i: i + 1, 0),
        call(lambda i: i < 9, lambda i: [i + 2], [0], maximum_iterations=2),
    ],
}

TABLES = [NUMPY, NN, MATH, LINALG, IMAGE, FOURIER, CORE]
COVERED = {*UNARY, *BINARY, *REDUCTIONS, *(name for table in TABLES for name in table)}
CALLS = [(name, number, one) for table in TABLES for name, calls in table.items() for number, one in enumerate(calls)]
