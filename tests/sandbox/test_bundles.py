"""Objects that travel between repositories: what arrives is what left, and what was made to do harm is refused."""

import hashlib
import os
import subprocess
import zlib
from collections.abc import Callable
from pathlib import Path

import pytest

from andon.records.errors import UserError
from andon.sandbox.bundles import Header, Packed, has_commit, pack_commit, pack_range, pack_trees, unpack
from andon.sandbox.protocol import LINK, REGULAR
from andon.sandbox.repository import Repository
from andon.sandbox.store import Change, TreeStore

Git = Callable[..., str]


@pytest.fixture
def other(tmp_path: Path, git: Git) -> Path:
    """An empty bare repository."""
    path = tmp_path / "other"
    git(tmp_path, "init", "-q", "--bare", str(path))
    return path


def arrive(packed: Packed, other: Path) -> None:
    """Take a whole pack into an empty repository, as the bytes that travel."""
    if packed.header.shallow:
        (other / "shallow").write_text("".join(f"{one}\n" for one in packed.header.shallow))
    unpack(other, Packed.read(packed.content()))


def objects(path: Path, git: Git) -> set[str]:
    """Return the objects of a repository itself, without what it borrows or is still being brought in."""
    listed = git(path, "cat-file", "--batch-all-objects", "--batch-check=%(objectname)").split()
    assert not list((path / "objects").glob("tmp_objdir*"))
    return set(listed)


def pack_of(*contents: tuple[int, bytes, int]) -> bytes:
    """Return a pack of objects, each with its type, its content and the length it says it has."""
    body = b"PACK" + (2).to_bytes(4, "big") + len(contents).to_bytes(4, "big")
    for kind, content, size in contents:
        first, rest = size & 15, size >> 4
        head = bytearray([kind << 4 | first | (128 if rest else 0)])
        while rest:
            head.append(rest & 127 | (128 if rest >> 7 else 0))
            rest >>= 7
        body += bytes(head) + zlib.compress(content)
    return body + hashlib.sha1(body, usedforsecurity=False).digest()


def sha(kind: str, content: bytes) -> str:
    return hashlib.sha1(f"{kind} {len(content)}\0".encode() + content, usedforsecurity=False).hexdigest()


COMMIT, TREE, BLOB = 1, 2, 3


def commit_of(tree: bytes) -> tuple[Packed, str]:
    """Return a pack of a commit on a tree of those bytes and one blob `x`, and the commit's id."""
    who = b"a <a@b> 1700000000 +0000"
    commit = b"tree %s\nauthor %s\ncommitter %s\n\nx\n" % (sha("tree", tree).encode(), who, who)
    pack = pack_of((COMMIT, commit, len(commit)), (TREE, tree, len(tree)), (BLOB, b"x", 1))
    return Packed(Header(kind="commit", tips=[sha("commit", commit)]), pack), sha("commit", commit)


def entry(mode: bytes, name: bytes) -> bytes:
    return mode + b" " + name + b"\0" + bytes.fromhex(sha("blob", b"x"))


def test_a_commit_arrives_with_its_tree_and_history(repo: Path, other: Path, git: Git) -> None:
    head = git(repo, "rev-parse", "HEAD")
    packed = pack_commit(repo / ".git", head)
    arrive(packed, other)
    assert packed.header == Header(kind="commit", tips=[head])
    assert git(other, "log", "--format=%s", head) == "second\nfirst"
    assert git(other, "ls-tree", "-r", head) == git(repo, "ls-tree", "-r", head)
    git(other, "fsck", "--strict")
    assert git(other, "for-each-ref") == ""


def test_the_same_commit_gives_the_same_bytes_from_a_clone(repo: Path, tmp_path: Path, git: Git) -> None:
    head = git(repo, "rev-parse", "HEAD")
    git(tmp_path, "clone", "-q", str(repo), str(tmp_path / "clone"))
    assert pack_commit(repo / ".git", head).content() == pack_commit(tmp_path / "clone" / ".git", head).content()


def merged(repo: Path, git: Git) -> str:
    """Make a history that is deeper than what travels, with a merge in it."""
    for number in range(8):
        git(repo, "commit", "-q", "--allow-empty", "-m", f"main {number}")
    git(repo, "checkout", "-q", "-b", "side", "HEAD~6")
    for number in range(6):
        git(repo, "commit", "-q", "--allow-empty", "-m", f"side {number}")
    git(repo, "checkout", "-q", "main")
    git(repo, "merge", "-q", "--no-ff", "-m", "merge", "side")
    for number in range(3):
        git(repo, "commit", "-q", "--allow-empty", "-m", f"late {number}")
    return git(repo, "rev-parse", "HEAD")


def test_history_is_cut_where_a_sandbox_cuts_it(repo: Path, other: Path, tmp_path: Path, git: Git) -> None:
    head = merged(repo, git)
    git(tmp_path, "clone", "-q", "--depth=10", f"file://{repo}", str(tmp_path / "shallow"))
    packed = pack_commit(repo / ".git", head)
    arrive(packed, other)
    assert packed.header.shallow == sorted((tmp_path / "shallow" / ".git" / "shallow").read_text().split())
    assert git(other, "log", "--format=%s", head) == git(tmp_path / "shallow", "log", "--format=%s", head)
    assert "first" not in git(other, "log", "--format=%s", head)
    git(other, "fsck", "--strict")


def test_a_shallow_clone_sends_what_it_has(repo: Path, other: Path, tmp_path: Path, git: Git) -> None:
    git(tmp_path, "clone", "-q", "--depth=1", f"file://{repo}", str(tmp_path / "shallow"))
    head = git(repo, "rev-parse", "HEAD")
    packed = pack_commit(tmp_path / "shallow" / ".git", head)
    arrive(packed, other)
    assert packed.header.shallow == [head]
    assert git(other, "log", "--format=%s", head) == "second"


def test_links_submodules_and_pointers_travel_as_entries(repo: Path, other: Path, git: Git) -> None:
    pointer = "version https://git-lfs.github.com/spec/v1\noid sha256:" + "0" * 64 + "\nsize 5\n"
    (repo / "big.bin").write_text(pointer)
    (repo / ".gitattributes").write_text("big.bin filter=lfs\n")
    (repo / ".gitmodules").write_text('[submodule "lib"]\n\tpath = lib\n\turl = ../lib\n')
    git(repo, "-c", "filter.lfs.clean=false", "-c", "filter.lfs.required=false", "add", ".gitattributes", ".gitmodules")
    blob = git(repo, "hash-object", "-w", "--no-filters", "big.bin")
    git(repo, "update-index", "--add", "--cacheinfo", f"100644,{blob},big.bin")
    git(repo, "update-index", "--add", "--cacheinfo", f"160000,{'1' * 40},lib")
    git(repo, "commit", "-qm", "third")
    head = git(repo, "rev-parse", "HEAD")
    arrive(pack_commit(repo / ".git", head), other)
    assert git(other, "cat-file", "blob", f"{head}:big.bin") == pointer.strip()
    assert f"160000 commit {'1' * 40}\tlib" in git(other, "ls-tree", head)
    assert git(other, "cat-file", "blob", f"{head}:link") == "src/app.py"


def test_a_partial_clone_is_refused_and_nothing_is_fetched(repo: Path, tmp_path: Path, git: Git) -> None:
    git(repo, "config", "uploadpack.allowFilter", "true")
    git(tmp_path, "clone", "-q", "--no-checkout", "--filter=blob:none", f"file://{repo}", str(tmp_path / "partial"))
    git(tmp_path / "partial", "config", "remote.origin.url", "https://127.0.0.1:9/x.git")
    with pytest.raises(UserError, match=r"partial clone; fetch everything"):
        pack_commit(tmp_path / "partial" / ".git", git(repo, "rev-parse", "HEAD"))


def test_a_range_brings_only_what_the_base_has_not(repository: Repository, store: TreeStore, git: Git) -> None:
    base = repository.head()
    tree = store.build(store.tree_of(base), [Change(b"new.txt", REGULAR, b"new\n")])
    tip = store.commit(tree, base, "add", when=1_700_000_000)
    packed = pack_range(store.path, base, tip)
    taking = TreeStore.create(store.path.parent / "taking", repository)
    unpack(taking.path, Packed.read(packed.content()))
    assert packed.header == Header(kind="commit", tips=[tip], needs=base)
    assert objects(taking.path, git) - objects(repository.git_dir, git) == {tip, tree, sha("blob", b"new\n")}
    assert taking.read(tree, "new.txt") == b"new\n"


def test_trees_bring_only_what_the_base_has_not(repository: Repository, store: TreeStore, git: Git) -> None:
    base = repository.head()
    first = store.build(store.tree_of(base), [Change(b"a/b", REGULAR, b"one")])
    second = store.build(first, [Change(b"a/c", LINK, b"../../outside")])
    taking = TreeStore.create(store.path.parent / "taking", repository)
    packed = pack_trees(store.path, base, [second, first, second])
    unpack(taking.path, Packed.read(packed.content()))
    assert packed.header == Header(kind="trees", tips=sorted({first, second}), needs=base)
    assert taking.files(second) == store.files(second)
    assert taking.files(first) == store.files(first)
    brought = objects(taking.path, git) - objects(repository.git_dir, git)
    assert brought == objects(store.path, git) - objects(repository.git_dir, git)


def test_the_bases_own_tree_travels_as_nothing(repository: Repository, store: TreeStore, git: Git) -> None:
    base = repository.head()
    taking = TreeStore.create(store.path.parent / "taking", repository)
    unpack(taking.path, pack_trees(store.path, base, [store.tree_of(base)]))
    assert objects(taking.path, git) == objects(repository.git_dir, git)


def test_taking_twice_is_fine(repo: Path, other: Path, git: Git) -> None:
    packed = pack_commit(repo / ".git", git(repo, "rev-parse", "HEAD"))
    arrive(packed, other)
    before = objects(other, git)
    arrive(packed, other)
    assert objects(other, git) == before


def test_a_missing_base_is_named(repository: Repository, store: TreeStore, other: Path, git: Git) -> None:
    base = repository.head()
    tree = store.build(store.tree_of(base), [Change(b"new.txt", REGULAR, b"new\n")])
    packed = pack_trees(store.path, base, [tree])
    with pytest.raises(UserError, match=rf"the commit {base} is not in .*git fetch"):
        unpack(other, packed)
    assert objects(other, git) == set()


@pytest.mark.parametrize("where", [0.1, 0.5, 0.9])
def test_a_changed_byte_is_refused_and_leaves_nothing(repo: Path, other: Path, git: Git, where: float) -> None:
    packed = pack_commit(repo / ".git", git(repo, "rev-parse", "HEAD"))
    position = int(len(packed.pack) * where)
    wrong = packed.pack[:position] + bytes([packed.pack[position] ^ 1]) + packed.pack[position + 1 :]
    with pytest.raises(UserError, match="damaged or not safe"):
        unpack(other, Packed(packed.header, wrong))
    assert objects(other, git) == set()


@pytest.mark.parametrize("length", [12, 100, -1])
def test_a_cut_pack_is_refused(repo: Path, other: Path, git: Git, length: int) -> None:
    packed = pack_commit(repo / ".git", git(repo, "rev-parse", "HEAD"))
    with pytest.raises(UserError, match="damaged or not safe"):
        unpack(other, Packed(packed.header, packed.pack[:length]))
    assert objects(other, git) == set()


def test_a_history_that_is_not_all_there_is_refused(repo: Path, other: Path, git: Git) -> None:
    packed = pack_commit(repo / ".git", merged(repo, git))
    with pytest.raises(UserError, match="damaged or not safe"):
        unpack(other, packed)
    assert objects(other, git) == set()


def test_another_object_than_announced_is_refused(repo: Path, other: Path, git: Git) -> None:
    packed = pack_commit(repo / ".git", git(repo, "rev-parse", "HEAD"))
    for kind, tip in (("commit", "1" * 40), ("trees", packed.header.tips[0])):
        header = packed.header.model_copy(update={"kind": kind, "tips": [tip]})
        with pytest.raises(UserError, match="do not hold what they say"):
            unpack(other, Packed(header, packed.pack))
    assert objects(other, git) == set()


@pytest.mark.parametrize(
    "tree",
    [
        entry(b"40000", b".git"),
        entry(b"100644", b".git"),
        entry(b"100644", b".GIT"),
        entry(b"100644", b"git~1"),
        entry(b"100644", b".."),
        entry(b"100644", b"../../x"),
        entry(b"100644", b".git/config"),
        entry(b"100644", b""),
        entry(b"120000", b".gitmodules"),
        entry(b"100644", b"x") + entry(b"120000", b"x"),
        b"100644 x",
    ],
)
def test_a_tree_that_fools_its_reader_is_refused(other: Path, git: Git, tree: bytes) -> None:
    packed, _ = commit_of(tree)
    with pytest.raises(UserError, match="damaged or not safe"):
        unpack(other, packed)
    assert objects(other, git) == set()


@pytest.mark.parametrize("tree", [entry(b"100644", b"x"), entry(b"120000", b"x"), entry(b"0100644", b"x")])
def test_an_odd_but_harmless_tree_is_taken(other: Path, git: Git, tree: bytes) -> None:
    packed, commit = commit_of(tree)
    unpack(other, packed)
    assert has_commit(other, commit)


@pytest.mark.parametrize("kind", [COMMIT, TREE, BLOB])
def test_a_huge_declared_size_is_refused(other: Path, git: Git, kind: int) -> None:
    pack = pack_of((kind, b"x" * 100, 1 << 36))
    with pytest.raises(UserError, match="damaged or not safe"):
        unpack(other, Packed(Header(kind="trees", tips=["1" * 40]), pack))
    assert objects(other, git) == set()


def test_a_pack_that_declares_four_billion_objects_is_refused(other: Path, git: Git) -> None:
    body = b"PACK" + (2).to_bytes(4, "big") + b"\xff\xff\xff\xff"
    with pytest.raises(UserError, match="damaged or not safe"):
        unpack(other, Packed(Header(kind="trees", tips=["1" * 40]), body))
    assert objects(other, git) == set()


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"PACK",
        b"# v2 git bundle\n" + b"1" * 40 + b" refs/heads/../../x\n\nPACK",
        b'{"schema_version":1,"kind":"commit","tips":["../../x"],"needs":null,"shallow":[]}\nPACK',
        b'{"schema_version":1,"kind":"commit","tips":["--output=x"],"needs":null,"shallow":[]}\nPACK',
        b'{"schema_version":1,"kind":"commit","tips":[],"needs":null,"shallow":[]}\nPACK',
        b'{"schema_version":1,"kind":"trees","tips":["' + b"1" * 40 + b'\\n"],"needs":null,"shallow":[]}\nPACK',
        b'{"schema_version":2,"kind":"commit","tips":["' + b"1" * 40 + b'"],"needs":null,"shallow":[]}\nPACK',
        b'{"schema_version":1,"kind":"commit","tips":["' + b"1" * 40 + b'"],"path":"/etc"}\nPACK',
        b'{"schema_version":1,"kind":"commit","tips":["' + b"1" * 40 + b'"]}\nPAC',
        b'{"schema_version":1,"kind":"commit","tips":["' + b"1" * 40 + b'"]}',
    ],
)
def test_what_is_no_packed_objects_is_refused(content: bytes) -> None:
    with pytest.raises(UserError, match=r"from (its|their) run again"):
        Packed.read(content)


def test_a_path_git_would_split_is_quoted(tmp_path: Path, repo: Path, git: Git) -> None:
    odd = tmp_path / 'a:b "c\\d'
    subprocess.run(["git", "init", "-q", "--bare", os.fspath(odd)], check=True)
    repository = Repository.open(repo)
    head = repository.head()
    arrive(pack_commit(repository.git_dir, head), odd)
    tree = git(repo, "rev-parse", "HEAD^{tree}")
    unpack(odd, pack_trees(repository.git_dir, head, [tree]))
    assert has_commit(odd, head)
