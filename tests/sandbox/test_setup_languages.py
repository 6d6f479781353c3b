"""Set-ups from go.sum and Cargo.lock with the real go and cargo, and what an ordinary sandbox makes of them offline."""

import base64
import hashlib
import io
import json
import shutil
import subprocess
import tarfile
import zipfile
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

import pytest
from egress_kit import site
from sandbox_kit import sh

from andon.context.registries import Registries, Registry
from andon.context.settings import Settings
from andon.context.setup_plan import plan_setup
from andon.sandbox.repository import Repository
from andon.sandbox.setup_base import find_base
from andon.sandbox.setup_cache import SetupCache
from andon.sandbox.setup_phase import set_up
from andon.sandbox.start import start_sandbox
from andon.sandbox.store import TreeStore
from andon.sandbox.toolchain import Mount, Toolchain

Git = Callable[..., str]


class Project:
    """A repository with one commit, as its base."""

    submodules: tuple[str, ...] = ()
    unreadable: tuple[str, ...] = ()

    def __init__(self, root: Path, git: Git, files: Mapping[str, str]) -> None:
        self.files = {path: text.encode() for path, text in files.items()}
        self.paths = tuple(sorted(files))
        for path, content in self.files.items():
            (root / path).parent.mkdir(parents=True, exist_ok=True)
            (root / path).write_bytes(content)
        git(root, "init", "-q", "-b", "main")
        git(root, "add", "-A")
        git(root, "commit", "-qm", "first")
        self.repository = Repository.open(root)
        self.store = TreeStore.create(root.with_name("a-store"), self.repository)

    def read(self, path: str) -> bytes | None:
        return self.files.get(path)

    def read_many(self, paths: Iterable[str], *, limit: int) -> dict[str, bytes]:
        return {path: self.files[path] for path in paths if path in self.files}

    async def tested(self, registries: Registries, toolchain: Toolchain, command: str) -> tuple[int, str]:
        """Set up, then run `command` where there is no network."""
        plan, _ = plan_setup(self, Settings(), registries)
        assert plan is not None
        cache = SetupCache.of({"XDG_CACHE_HOME": str(self.repository.root.with_name("cache"))})
        base = find_base("bubblewrap", toolchain)
        ready, _ = await set_up(plan, store=self.store, cache=cache, base=base, toolchain=toolchain, time_limit=60)
        head = self.repository.head()
        sandbox = await start_sandbox(
            self.store, tree=self.store.tree_of(head), commit=head, toolchain=ready, tier="bubblewrap"
        )
        try:
            return await sh(sandbox, command, time_limit=60)
        finally:
            await sandbox.close()


def zipped(files: Mapping[str, str]) -> bytes:
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w") as archive:
        for path, text in files.items():
            archive.writestr(path, text)
    return made.getvalue()


def h1(files: Mapping[str, str]) -> str:
    """The hash go.sum holds, by golang.org/x/mod/sumdb/dirhash."""
    lines = "".join(f"{hashlib.sha256(files[path].encode()).hexdigest()}  {path}\n" for path in sorted(files))
    return "h1:" + base64.b64encode(hashlib.sha256(lines.encode()).digest()).decode()


async def test_modules_of_go_sum_are_there_for_an_offline_go_test(tmp_path: Path, git: Git) -> None:
    if shutil.which("go", path="/usr/bin") is None:
        pytest.skip("needs go in /usr/bin")
    mod = "module example.com/dep\n\ngo 1.19\n"
    held = {"example.com/dep@v1.0.0/go.mod": mod, "example.com/dep@v1.0.0/dep.go": "package dep\n\nconst Answer = 42\n"}
    at = "/example.com/dep/@v/"
    pages = {f"{at}list": b"v1.0.0\n", f"{at}v1.0.0.mod": mod.encode(), f"{at}v1.0.0.zip": zipped(held),
             f"{at}v1.0.0.info": b'{"Version": "v1.0.0"}'}  # fmt: skip
    sums = f"example.com/dep v1.0.0 {h1(held)}\nexample.com/dep v1.0.0/go.mod {h1({'go.mod': mod})}\n"
    test = (
        'package mine\n\nimport (\n\t"testing"\n\n\t"example.com/dep"\n)\n\n'
        "func TestDep(t *testing.T) {\n\tif dep.Answer != 42 {\n\t\tt.Fatal(dep.Answer)\n\t}\n}\n"
    )
    project = Project(
        tmp_path / "mine",
        git,
        {
            "go.mod": "module example.com/mine\n\ngo 1.19\n\nrequire example.com/dep v1.0.0\n",
            "go.sum": sums,
            "mine_test.go": test,
        },
    )
    with site(pages) as there:
        # Go asks loopback addresses without any proxy; this one, which is the same machine, it does not take for one.
        host = f"0.0.0.0:{there.port}"
        registries = Registries(go=Registry(f"http://{host}", (host,), own=True))
        code, said = await project.tested(registries, Toolchain.system(), "go test -run TestDep -v ./... 2>&1")
        assert (code, "--- PASS: TestDep" in said) == (0, True), said
        assert any("v1.0.0.zip" in asked for asked in there.requests)


def rust() -> Toolchain:
    """The Rust of this machine: one that knows sparse registries (cargo 1.68)."""
    cargo = shutil.which("cargo")
    if cargo is None or shutil.which("cc") is None:
        pytest.skip("needs cargo and a linker")
    root = subprocess.run(["rustc", "--print", "sysroot"], capture_output=True, text=True, check=True).stdout.strip()
    said = subprocess.run([cargo, "--version"], capture_output=True, text=True, check=True).stdout
    if tuple(map(int, said.split()[1].split("-")[0].split(".")[:2])) < (1, 68):
        pytest.skip("needs cargo 1.68")
    if Path(root).is_relative_to("/usr"):
        return Toolchain.system()
    return Toolchain(bin_dirs=("/opt/rust/bin",), mounts=(Mount(root, "/opt/rust"),))


def crate(files: Mapping[str, str]) -> bytes:
    made = io.BytesIO()
    with tarfile.open(fileobj=made, mode="w:gz") as archive:
        for path, text in files.items():
            entry = tarfile.TarInfo(f"tinydep-1.0.0/{path}")
            entry.size = len(text)
            archive.addfile(entry, io.BytesIO(text.encode()))
    return made.getvalue()


async def test_crates_of_cargo_lock_are_there_for_an_offline_cargo_test(tmp_path: Path, git: Git) -> None:
    toolchain = rust()
    manifest = '[package]\nname = "tinydep"\nversion = "1.0.0"\nedition = "2021"\n'
    packed = crate({"Cargo.toml": manifest, "src/lib.rs": "pub const ANSWER: u8 = 42;\n"})
    checksum = hashlib.sha256(packed).hexdigest()
    entry = {"name": "tinydep", "vers": "1.0.0", "deps": [], "cksum": checksum, "features": {}, "yanked": False}
    with site() as there:
        there.pages |= {
            "/index/config.json": json.dumps({"dl": f"http://{there.host}/dl"}).encode(),
            "/index/ti/ny/tinydep": json.dumps(entry).encode() + b"\n",
            "/dl/tinydep/1.0.0/download": packed,
        }
        project = Project(
            tmp_path / "mine",
            git,
            {
                ".cargo/config.toml": '[source.crates-io]\nreplace-with = "here"\n'
                f'[source.here]\nregistry = "sparse+http://{there.host}/index/"\n',
                "Cargo.toml": manifest.replace("tinydep", "mine") + '[dependencies]\ntinydep = "1"\n',
                "Cargo.lock": 'version = 3\n[[package]]\nname = "mine"\nversion = "1.0.0"\ndependencies = ["tinydep"]\n'
                '[[package]]\nname = "tinydep"\nversion = "1.0.0"\n'
                f'source = "registry+https://github.com/rust-lang/crates.io-index"\nchecksum = "{checksum}"\n',
                "src/lib.rs": "#[test]\nfn dep() {\n    assert_eq!(tinydep::ANSWER, 42);\n}\n",
            },
        )
        registries = Registries(cargo=Registry("", (there.host,), own=True))
        code, said = await project.tested(registries, toolchain, "cargo test --offline --lib 2>&1")
        assert (code, "test dep ... ok" in said) == (0, True), said
        assert any("/download" in asked for asked in there.requests)
