"""What worker processes of packing and streaming have in common: how many, how they start, and when they end."""

import multiprocessing
import multiprocessing.connection
import os
import signal
import threading

import torch

from handbench import devices


def cores() -> int:
    """Cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def settle_worker() -> None:
    """Set a fresh process up: one thread (two on a busy machine cost 20 times), no Ctrl-C, and no life after its parent's."""
    torch.set_num_threads(1)
    devices.keep_memory()
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    """Leave when the parent is killed: a worker of ProcessPoolExecutor would wait for its next task for ever."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        multiprocessing.connection.wait([parent.sentinel])
        os._exit(1)
