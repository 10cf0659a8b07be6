"""Fashion-MNIST: pictures of clothes."""

import os

from lamina.datasets.idx import Part, read_folder
from lamina.datasets.source import Source, own

__all__ = ["load_data"]

# The authors' repository, at one of its commits: MNIST's format has no pickles.
_ADDRESS = "https://raw.githubusercontent.com/zalandoresearch/fashion-mnist/b2617bb6d3ffa2e429640350f613e3291e10b141/data/fashion/"
_SOURCES = [
    Source(f"{_ADDRESS}{name}-ubyte.gz", checksum, "fashion-mnist")
    for name, checksum in {
        "train-images-idx3": "3aede38d61863908ad78613f6a32ed271626dd12800ba2636569512369268a84",
        "train-labels-idx1": "a04f17134ac03560a47e3764e11b92fc97de4d1bfaf8ba1a3aa29af54cc90845",
        "t10k-images-idx3": "346e55b948d973a97e58d2351dde16a484bd415d4595297633bb08f03db6a073",
        "t10k-labels-idx1": "67da17c76eaffca5446c3361aaab5c3cd6d1c2608764d35dfb1850b086bf8dd5",
    }.items()
]


def load_data(path: str | os.PathLike[str] | None = None) -> tuple[Part, Part]:
    """Returns 60,000 pictures of clothes to train on and 10,000 to test on, of 28 by 28 pixels.

    The classes, from 0 to 9: T-shirt or top, trousers, pullover, dress, coat, sandal, shirt, sneaker, bag, ankle boot.

    ::

        (x_train, y_train), (x_test, y_test) = lamina.datasets.fashion_mnist.load_data()

    Args:
        path: a folder that holds the four files of the IDX format, gzipped or not. None: that among Lamina's datasets.

    Returns:
        `(x_train, y_train), (x_test, y_test)`: images of shape (pictures, 28, 28), from 0 to 255, and the class of each; all uint8.

    Raises:
        FileNotFoundError: if that folder, or a file in it, is not there.
        OSError: if a file cannot be downloaded; the message says where to put it by hand.

    Source: Xiao, Rasul and Vollgraf, Fashion-MNIST: a novel image dataset for benchmarking machine learning algorithms (2017); MIT.
    """
    if path is None:
        folders = {source.file().parent for source in _SOURCES}
        return read_folder(folders.pop())
    return read_folder(own(path))
