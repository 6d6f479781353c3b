"""Serve on the local machine: `python -m watchlist`."""

import os
import secrets
from pathlib import Path
from wsgiref.simple_server import make_server

from watchlist.app import create_app


def main() -> None:
    """Serve until interrupted."""
    data = Path(os.environ.get("WATCHLIST_DATA", "data"))
    key = os.environ.get("WATCHLIST_SESSION_KEY") or secrets.token_hex(16)
    with make_server("127.0.0.1", 8000, create_app(data, key)) as server:
        print("http://127.0.0.1:8000")
        server.serve_forever()


if __name__ == "__main__":
    main()
