"""andon: an AI-native software factory. Import from the rooms: `andon.line.run`, `andon.records.task`, …"""

from pathlib import Path as _Path

# Checkouts whose links were dropped (Windows, zip files, unpacked sdists) still run: the rooms stand two levels up.
if not (_Path(__file__).parent / "agents").is_dir() and (_Path(__file__).parents[2] / "agents").is_dir():
    __path__.append(str(_Path(__file__).parents[2]))
