"""Loading large libraries in a thread while the rest of the process works."""

import gc
import sys
import threading
from importlib import import_module

_USUAL = sys.getswitchinterval()
_WHILE_LOADING = 0.0005
"""Seconds a thread keeps the interpreter at a time. With the usual 0.005 each of the hundreds of answers that a sandbox
gives while it starts would wait that long for the thread that loads."""
_one_at_a_time = threading.Lock()


def load(*modules: str) -> None:
    """Import modules in this thread, once what was begun before is loaded; other threads get their turn sooner."""
    with _one_at_a_time:
        sys.setswitchinterval(_WHILE_LOADING)
        # What is loaded stays: looking through it again and again for garbage is a sixth of the time.
        gc.disable()
        try:
            for module in modules:
                import_module(module)
        finally:
            gc.enable()
            sys.setswitchinterval(_USUAL)
