"""The memory of the device: how much there is for data, and what to say when it is at its end."""

import os

import jax

from lamina.training.block import Block


def room() -> float:
    """Returns how many bytes of samples are placed on the device: half of its memory, or a quarter of the host's on the CPU."""
    limit = _limit()
    if limit is not None:
        return limit / 2
    return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") / 4 if hasattr(os, "sysconf") else 2**31


def _limit() -> int | None:
    stats = jax.local_devices()[0].memory_stats()
    return stats.get("bytes_limit") if stats else None


def out_of_memory(error: Exception) -> bool:
    """Tells whether an error of JAX's says that the device has no memory left."""
    return "RESOURCE_EXHAUSTED" in str(error)


def explain(error: Exception, block: Block) -> None:
    """Adds to an error that says so what the step was given, what there is, and what to do."""
    if not out_of_memory(error):
        return
    held = sum(leaf.nbytes for leaf in jax.tree.leaves(block.arrays))
    limit = _limit()
    there_is = f"the device has {limit:,}" if limit is not None else "the device is the CPU, with the memory of the host"
    error.add_note(
        f"A step on a batch of {block.batch_size} samples needs more memory than there is: {held:,} bytes of data lie on the "
        f"device, and {there_is}. Give a smaller batch_size, or a smaller model."
    )
