"""The memory of the device: how much there is for data, and what to say when it is at its end."""

import os
from collections.abc import Iterable

import jax

from lamina.core.jax_internals import out_of_memory
from lamina.core.variable import Variable
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


def may_be_kept_twice(variables: Iterable[Variable]) -> bool:
    """Tells whether there is room for the state before a program beside that after it: an eighth of what data may take."""
    taken: int = sum(variable._value.nbytes for variable in variables)
    return taken <= room() / 8


def add_context(error: Exception, block: Block, kept: bool) -> None:
    """Adds to the error of a program that failed what became of the state; if memory ran out, what there was and what to do.

    Args:
        error: the error.
        block: what the program was given.
        kept: whether the state before it was kept.
    """
    if kept:
        error.add_note("The weights and all other state are as they were before this part of the epoch.")
    else:
        error.add_note(
            "The weights were being written over when the program failed, for a second copy of them would take much of the memory, "
            "and are lost with it. Go on from what callbacks.ModelCheckpoint has saved last."
        )
    if not out_of_memory(error):
        return
    held = sum(leaf.nbytes for leaf in jax.tree.leaves(block.arrays))
    limit = _limit()
    there_is = f"the device has {limit:,}" if limit is not None else "the device is the CPU, with the memory of the host"
    error.add_note(
        f"A step on a batch of {block.batch_size} samples needs more memory than there is: {held:,} bytes of data lie on the "
        f"device, and {there_is}. Give a smaller batch_size, or a smaller model."
    )
