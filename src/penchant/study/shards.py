"""Arrays of millions of rows on disk: filled and scored in blocks, by one process or by several that share the blocks.

``accelerate launch`` starts the processes; all of them call the same function with the same arguments. Blocks begin at
the same rows however many processes there are, so the results are the same.
"""

import os
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float, Int

from penchant.core.contracts import Posterior, Progress, Report, silent
from penchant.training.processes import Processes

BLOCK = 1024
_SCORED = 8192
_DONE, _MADE_FROM = "done.npy", "made-from.txt"

Rows = Mapping[str, np.ndarray]
"""Some rows of every array, by the array's name."""


def share(count: int, block: int, processes: Processes) -> list[slice]:
    """This process's part of ``count`` rows, as neighbouring blocks."""
    blocks = [slice(start, min(start + block, count)) for start in range(0, count, block)]
    first, last = (len(blocks) * index // processes.count for index in (processes.index, processes.index + 1))
    return blocks[first:last]


def fill(
    directory: Path, count: int, arrays: Mapping[str, tuple[tuple[int, ...], str]], made_from: str,
    make: Callable[[slice], Rows], processes: Processes, report: Report = silent,
) -> None:  # fmt: skip
    """Write ``directory/<name>.npy`` for every array, ``count`` rows in blocks of 1,024; there whole or not at all.

    What an interrupted call made is kept beside it, and the next one with the same ``made_from`` goes on from there.
    In memory is one block a process. The main process begins and ends the work; what the others need for ``make`` is
    there when theirs is first called.

    Args:
        directory: where the files come to be.
        count: rows.
        arrays: shape of a row and type, by name; only the main process's count.
        made_from: everything that decides what ``make`` gives; likewise.
        make: the rows of a slice, the same for equal slices.
        processes: who shares the work.
        report: hears how far this process is with its share.

    Raises:
        OSError: no room on the disk, or no permission.
    """
    partial = directory.with_name(directory.name + ".partial")
    if processes.main:
        _begin(partial, count, arrays, made_from)
    processes.wait()
    done = np.load(partial / _DONE)
    mine = share(count, BLOCK, processes)
    for place, rows in enumerate(mine, 1):
        if not done[rows.start // BLOCK]:
            for name, values in make(rows).items():
                _store(partial / f"{name}.npy", rows.start, values)
            _store(partial / _DONE, rows.start // BLOCK, np.ones(1, dtype=bool))
        report(Progress("candidates", place / len(mine)))
    processes.wait()
    if processes.main:
        for name in (_DONE, _MADE_FROM):
            (partial / name).unlink()
        shutil.rmtree(directory, ignore_errors=True)
        partial.replace(directory)
    processes.wait()


def ends(
    features: Float[np.ndarray, "n d"], posterior: Posterior, count: int, processes: Processes
) -> tuple[Int[np.ndarray, " k"], Int[np.ndarray, " k"]]:
    """The ``count`` rows of a pool with the largest and with the smallest expected utility, the extreme ones first.

    One pass over the features, of which each process reads its share; ``count`` rows of each are then compared.
    The same rows come back everywhere.
    """
    count = min(count, len(features))
    means = np.zeros(0)
    rows = np.zeros(0, dtype=np.int64)
    for block in share(len(features), _SCORED, processes):
        means = np.concatenate([means, posterior.mean(features[block])])
        rows = np.concatenate([rows, np.arange(block.start, block.stop)])
        kept = _extreme(means, rows, count)
        means, rows = means[kept], rows[kept]
    # Every process sends equally much: what it lacks is marked by a row of -1.
    sent = np.full((2 * count, 2), -1.0)
    sent[: len(rows)] = np.stack([means, rows], 1)
    together = processes.gather(torch.from_numpy(sent)).numpy()
    means, rows = together[together[:, 1] >= 0].T
    order = rows[np.lexsort((rows, -means))].astype(np.int64)
    return order[:count], order[::-1][:count]


def _extreme(means: Float[np.ndarray, " n"], rows: Int[np.ndarray, " n"], count: int) -> Int[np.ndarray, " k"]:
    """Which ``count`` are largest and which smallest; of equal ones the earlier row counts as larger."""
    if len(means) <= 2 * count:
        return np.arange(len(means))
    order = np.lexsort((rows, -means))
    return np.concatenate([order[:count], order[-count:]])


def _begin(partial: Path, count: int, arrays: Mapping[str, tuple[tuple[int, ...], str]], made_from: str) -> None:
    """Empty arrays, or those of an interrupted call that made the same."""
    sign = partial / _MADE_FROM
    made_from = f"{made_from}\n{count} rows of {dict(arrays)}\n"
    if sign.is_file() and sign.read_text(encoding="utf-8") == made_from:
        return
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir(parents=True)
    for name, (shape, dtype) in arrays.items():
        _create(partial / f"{name}.npy", (count, *shape), np.dtype(dtype))
    _create(partial / _DONE, (-(-count // BLOCK),), np.dtype(bool))
    sign.write_text(made_from, encoding="utf-8")


def _create(path: Path, shape: tuple[int, ...], dtype: np.dtype) -> None:
    """A .npy file of zeros; the disk gives its room when rows are written."""
    with path.open("wb") as file:
        header = {"descr": np.lib.format.dtype_to_descr(dtype), "fortran_order": False, "shape": shape}
        np.lib.format.write_array_header_1_0(file, header)
        file.truncate(file.tell() + int(np.prod(shape, dtype=np.int64)) * dtype.itemsize)


def _store(path: Path, start: int, values: np.ndarray) -> None:
    """Rows from ``start`` on, on the disk when this returns. (Through a memory map a full disk would kill us.)"""
    whole = np.load(path, mmap_mode="r")
    with path.open("r+b") as file:
        file.seek(whole.offset + start * whole.strides[0])
        file.write(np.ascontiguousarray(values, dtype=whole.dtype).data)
        file.flush()
        os.fsync(file.fileno())
