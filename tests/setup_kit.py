"""A package index on loopback with one tiny wheel, and projects that lock it."""

import base64
import gzip
import hashlib
import io
import json
import tarfile
import zipfile

NAME, VERSION = "tinydep", "1.0"
WHEEL = f"{NAME}-{VERSION}-py3-none-any.whl"


def wheel(code: str = "ANSWER = 42\n") -> bytes:
    """Return a wheel of one module; the same bytes every time."""
    info = f"{NAME}-{VERSION}.dist-info"
    files = {
        f"{NAME}.py": code,
        f"{info}/METADATA": f"Metadata-Version: 2.1\nName: {NAME}\nVersion: {VERSION}\n",
        f"{info}/WHEEL": "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    files[f"{info}/RECORD"] = "".join(f"{path},,\n" for path in files)
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as made:
        for path, text in files.items():
            made.writestr(zipfile.ZipInfo(path), text)
    return archive.getvalue()


PIN = f"{NAME}=={VERSION} --hash=sha256:{hashlib.sha256(wheel()).hexdigest()}\n"
"""What requirements.txt holds."""


def index(at: str = "") -> dict[str, bytes]:
    """Return the pages of an index whose files lie at `at`, by default beside it."""
    link = f'<a href="{at}/files/{WHEEL}">{WHEEL}</a>'
    return {f"/simple/{NAME}/": link.encode(), f"/files/{WHEEL}": wheel()}


def node_package() -> bytes:
    """Return a package of npm's of one file; the same bytes every time."""
    files = {"package.json": json.dumps({"name": NAME, "version": "1.0.0"}), "index.js": "x"}
    archive = io.BytesIO()
    with tarfile.open(fileobj=archive, mode="w") as made:
        for path, text in files.items():
            member = tarfile.TarInfo(f"package/{path}")
            member.size = len(text)
            made.addfile(member, io.BytesIO(text.encode()))
    # The header of a compressed file holds a time.
    return gzip.compress(archive.getvalue(), mtime=0)


def node_lock(address: str) -> str:
    """Return a package-lock.json that takes that package from `address`."""
    integrity = "sha512-" + base64.b64encode(hashlib.sha512(node_package()).digest()).decode()
    packages = {
        "": {"name": "p", "version": "1.0.0", "dependencies": {NAME: "1.0.0"}},
        f"node_modules/{NAME}": {"version": "1.0.0", "resolved": address, "integrity": integrity},
    }
    return json.dumps({"name": "p", "version": "1.0.0", "lockfileVersion": 3, "requires": True, "packages": packages})
