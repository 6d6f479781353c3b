"""How the worker gets into a sandbox: as text over its own input, so that no file inside holds it."""

import json
from functools import cache
from pathlib import Path

_MODULES = (
    "protocol_names", "capped_output", "worker_wire", "worker_files", "worker_restore", "worker_tree",
    "worker_processes", "worker_main",
)  # fmt: skip

BOOT = """
import ctypes
if ctypes.CDLL(None).prctl(4, 0, 0, 0, 0): raise SystemExit('cannot be made non-dumpable')
import json, os, sys, types
def take(size):
    parts = b''
    while len(parts) < size:
        part = os.read(0, size - len(parts))
        if not part: raise SystemExit(0)
        parts += part
    return parts
nonce = take(16)
def package(name, path):
    module = sys.modules[name] = types.ModuleType(name)
    module.__path__ = path
    return module
package('andon', []).sandbox = sandbox = package('andon.sandbox', [])
for name, source in json.loads(take(int(take(8))).decode()):
    module = sys.modules['andon.sandbox.' + name] = types.ModuleType('andon.sandbox.' + name)
    setattr(sandbox, name, module)
    exec(compile(source, name, 'exec'), module.__dict__)
try: sandbox.worker_main.serve(nonce)
except EOFError: os._exit(0)
"""
"""What `python -c` is given: closed to others from its first line on, then the modules from its input."""

PYTHONS = ("/usr/bin/python3", "/usr/local/bin/python3")
"""Where an interpreter on the read-only root is looked for."""

# Isolated: no variable, no user directory and no workspace has a say in what is imported.
COMMAND = (
    "/bin/sh", "-c", f'for p in {" ".join(PYTHONS)}; do [ -x "$p" ] && exec "$p" -I -S -c "$1"; done; exit 127', "sh",
    BOOT,
)  # fmt: skip
"""Starts the worker; 127 where there is no interpreter."""

NO_PYTHON = 127


def feed(nonce: bytes) -> bytes:
    """Return what the worker is sent first; `nonce` is under which it says hello."""
    return nonce + b"%08d" % len(_source()) + _source()


@cache
def _source() -> bytes:
    here = Path(__file__).parent
    return json.dumps([[name, (here / f"{name}.py").read_text()] for name in _MODULES]).encode()
