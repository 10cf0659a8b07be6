"""Who takes part."""

from dataclasses import dataclass, field


@dataclass(frozen=True)
class Peer:
    """A library, or a way to use one.

    Args:
        title: its name in the table.
        environment: the list in `requirements` that its environment is made from; None for the one that runs the benchmark.
        program: the module of `programs` that it runs.
        library: what its users import.
        packages: the distributions whose versions the table gives.
        variables: environment variables of its process.
        caches: whether it can keep compiled programs for the next process.
    """

    title: str
    environment: str | None
    program: str
    library: str
    packages: tuple[str, ...]
    variables: dict[str, str] = field(default_factory=dict)
    caches: bool = False


PEERS = {
    "lamina": Peer("Lamina", None, "keras_like", "lamina", ("lamina", "jax"), caches=True),
    "limit": Peer("limit", "jax", "by_hand", "jax", ("jax",), caches=True),
    "keras_jax": Peer("Keras 3 on JAX", "jax", "keras_like", "keras", ("keras", "jax"), {"KERAS_BACKEND": "jax"}, caches=True),
    "keras_tf": Peer(
        "Keras 3 on TF", "tensorflow", "keras_like", "keras", ("keras", "tensorflow"), {"KERAS_BACKEND": "tensorflow"}
    ),
    "keras_torch": Peer("Keras 3 on torch", "torch", "keras_like", "keras", ("keras", "torch"), {"KERAS_BACKEND": "torch"}),
    "tf_keras": Peer("tf-keras", "tensorflow", "keras_like", "tf_keras", ("tf-keras", "tensorflow")),
    "torch": Peer("PyTorch", "torch", "pytorch", "torch", ("torch",)),
    "torch_compile": Peer("torch.compile", "torch", "pytorch", "torch", ("torch",), caches=True),
    "flax": Peer("Flax NNX", "jax", "flax_nnx", "flax.nnx", ("flax", "jax"), caches=True),
}
