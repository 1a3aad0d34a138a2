"""One thread for small matrices: several only wait for each other there, and for those of torch."""

from collections.abc import Generator
from contextlib import contextmanager
from functools import cache
from importlib import import_module

from threadpoolctl import ThreadpoolController


@contextmanager
def one_blas_thread() -> Generator[None]:
    """Inside, NumPy's and SciPy's linear algebra uses one thread; torch keeps its own.

    A belief over 100-300 features is made of matrices so small that a second thread gains nothing, while on a machine
    whose cores are busy (training, another library's idle threads that spin) it costs much: a refit took 0.6 s with
    two threads and 0.07 s with one, on two cores after training in the same process. Entering costs 20 µs. The limit
    holds for the whole process: of two Python threads that overlap in here, the last to leave decides what is restored.
    """
    with _controller().limit(limits=1, user_api="blas"):
        yield


@cache
def _controller() -> ThreadpoolController:
    import_module("scipy.linalg")  # brings a BLAS of its own, which must be loaded to be found
    import_module("numpy.linalg")
    return ThreadpoolController()
