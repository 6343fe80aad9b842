"""Keep BLAS to one thread where its products are small.

The products inside a recurrent loop take some ten microseconds each. Waking a second thread
for each of them costs more than it saves: several times the whole, if another process is using
the cores.
"""

import os
import threading
from functools import cached_property
from typing import Any, Optional

from threadpoolctl import ThreadpoolController


class OneBlasThread:
    """Context manager, to be entered from any number of threads at once.

    The setting belongs to the process. So the first to enter makes it, and the last to leave
    takes it back: were each to restore what it found, one could restore another's limit.
    """

    def __init__(self) -> None:
        self.reset()

    def reset(self) -> None:
        """Forget who is inside: after a fork the other threads are gone, but not their locks."""
        self._lock = threading.Lock()
        self._n_inside = 0
        self._limit: Optional[Any] = None

    @cached_property
    def _controller(self) -> ThreadpoolController:
        return ThreadpoolController().select(user_api="blas")

    def __enter__(self) -> None:
        with self._lock:
            if self._n_inside == 0:
                self._limit = self._controller.limit(limits=1)
                self._limit.__enter__()
            self._n_inside += 1

    def __exit__(self, *error: Any) -> None:
        with self._lock:
            self._n_inside = max(0, self._n_inside - 1)
            if self._n_inside == 0 and self._limit is not None:
                self._limit.__exit__(None, None, None)
                self._limit = None


one_blas_thread = OneBlasThread()
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=one_blas_thread.reset)
