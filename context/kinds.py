"""What kind of file a path names, by its name alone."""

import re

from andon.context.detect import LOCK_FILES
from andon.context.symbols import suffix_of

_CODE_SUFFIXES = """
    bash c cc cjs clj cpp cs css cxx dart erl ex exs fs go groovy h hpp hs html java jinja js jsx kt lua m mjs ml mts
    php pl proto ps1 py pyi r rb rs scala sh sol sql svelte swift tf ts tsx vue zig
"""
_CODE = frozenset(_CODE_SUFFIXES.split())
_DOCUMENT = frozenset({"md", "rst", "txt", "adoc"})
_TEST_FOLDERS = frozenset({"test", "tests", "__tests__", "spec", "specs", "testing"})
_TEST_NAME = re.compile(r"^(test_.*|conftest|.*[_.-](test|spec)s?|.*Tests?)$")
_VENDORED = frozenset({"node_modules", "vendor", "third_party", "dist", ".venv", "site-packages"})
_GENERATED = re.compile(r"\.min\.(js|css)$|_pb2(_grpc)?\.pyi?$|\.(pb|generated|gen)\.[a-z]+$")


def is_code(path: str) -> bool:
    """Say whether a path names source that people wrote here."""
    if suffix_of(path) not in _CODE or _GENERATED.search(path):
        return False
    return not _VENDORED.intersection(path.split("/")[:-1])


def is_document(path: str) -> bool:
    """Say whether a path names prose."""
    return suffix_of(path) in _DOCUMENT and path.rsplit("/", 1)[-1] not in LOCK_FILES


def is_test(path: str) -> bool:
    """Say whether a path names a test, or what only tests use."""
    folders, _, name = path.rpartition("/")
    names = (name.partition(".")[0], name.rpartition(".")[0])
    return bool(_TEST_FOLDERS.intersection(folders.split("/"))) or any(_TEST_NAME.match(each) for each in names)
