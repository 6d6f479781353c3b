import os
import sys
import venv
from collections.abc import Awaitable, Callable
from dataclasses import replace
from pathlib import Path

import pytest

from andon.records.errors import UserError
from andon.sandbox.protocol import Sandbox
from andon.sandbox.toolchain import INSIDE, SCRIPTS, Mount, Toolchain, find_toolchain

Open = Callable[..., Awaitable[Sandbox]]


@pytest.fixture
def environment(tmp_path: Path) -> Path:
    """A virtual environment with a module and a script of its own, as an installer writes them."""
    root = tmp_path / "an env"
    venv.create(root, symlinks=True, with_pip=False)
    packages = next((root / "lib").glob("python*/site-packages"))
    (packages / "mine.py").write_text("def main():\n    print('mine', __file__)\n")
    body = "import mine\nmine.main()\n"
    scripts = {
        "short": f"#!{root}/bin/python\n{body}",
        "long": f"#!/bin/sh\n'''exec' \"{root}/bin/python\" \"$0\" \"$@\"\n' '''\n{body}",
        "foreign": "#!/bin/sh\necho foreign\n",
    }
    for name, text in scripts.items():
        (root / "bin" / name).write_text(text)
        (root / "bin" / name).chmod(0o755)
    return root


async def test_programs_of_a_virtual_environment_run_wherever_it_lies(open_sandbox: Open, environment: Path) -> None:
    sandbox = await open_sandbox(toolchain=Toolchain.of_venv(environment))
    module = f"mine {INSIDE}/lib/python{sys.version_info.major}.{sys.version_info.minor}/site-packages/mine.py\n"
    for program in ("long", "foreign"):
        done = await sandbox.run([program])
        assert (done.exit_code, done.output.decode()) == (0, "foreign\n" if program == "foreign" else module)
    done = await sandbox.run(["python", "-c", "import mine, sys; mine.main(); print(sys.prefix)"])
    assert (done.exit_code, done.output.decode()) == (0, module + f"{INSIDE}\n")
    assert (await sandbox.run(["sh", "-c", f"echo x > {INSIDE}/x || echo x > {SCRIPTS}/x"])).exit_code != 0


def test_scripts_are_rewritten_and_nothing_else(environment: Path) -> None:
    toolchain = Toolchain.of_venv(environment)
    assert toolchain.bin_dirs == (SCRIPTS, f"{INSIDE}/bin")
    assert toolchain.mounts[0] == Mount(str(environment), INSIDE)
    assert {name: content.splitlines()[0] for name, content in toolchain.scripts().items()} == {
        "long": b"#!/bin/sh",
        "short": f"#!{INSIDE}/bin/python".encode(),
    }
    assert Toolchain.system().scripts() == {}


def test_an_interpreter_outside_usr_is_mounted_where_it_is(environment: Path) -> None:
    base = Path(os.path.realpath(sys.base_prefix))
    outside = [] if base.is_relative_to("/usr") else [Mount(str(base), str(base))]
    assert [mount for mount in Toolchain.of_venv(environment).mounts[1:] if mount.source == str(base)] == outside


@pytest.mark.parametrize(
    ("home", "message"),
    [
        ("/tmp/python/bin", "lies in '/tmp/python', which the sandbox covers"),
        ("/work/python/bin", "lies in '/work/python', which the sandbox covers"),
        (f"{Path.home()}/bin", "holds a home directory"),
        ("relative/bin", "names no home of the interpreter"),
    ],
)
def test_an_interpreter_that_cannot_be_shown_is_refused(environment: Path, home: str, message: str) -> None:
    (environment / "pyvenv.cfg").write_text(f"home = {home}\n")
    with pytest.raises(UserError, match=message):
        Toolchain.of_venv(environment)


def test_what_is_no_virtual_environment_is_refused(environment: Path, tmp_path: Path) -> None:
    for path in (tmp_path / "missing", tmp_path):
        with pytest.raises(UserError, match=r"no virtual environment.*python3 -m venv"):
            Toolchain.of_venv(path)
    (environment / "bin" / "python").unlink()
    with pytest.raises(UserError, match="no working bin/python"):
        Toolchain.of_venv(environment)


def test_the_setting_comes_before_the_variable(
    environment: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("ANDON_TOOLCHAIN", str(tmp_path / "missing"))
    assert find_toolchain(str(environment)) == Toolchain.of_venv(environment)
    with pytest.raises(UserError, match="missing"):
        find_toolchain(None)
    monkeypatch.setenv("ANDON_TOOLCHAIN", str(environment))
    assert find_toolchain(None) == Toolchain.of_venv(environment)


def test_without_a_word_the_nearest_place_is_used(
    environment: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.delenv("ANDON_TOOLCHAIN", raising=False)
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    monkeypatch.setattr("andon.sandbox.toolchain.__file__", str(tmp_path / "checkout" / "sandbox" / "toolchain.py"))
    assert find_toolchain(None) == replace(Toolchain.system(), by_default=True)
    (tmp_path / "data" / "andon").mkdir(parents=True)
    (tmp_path / "data" / "andon" / "toolchain").symlink_to(environment)
    assert find_toolchain(None) == replace(Toolchain.of_venv(environment), by_default=True)
    (tmp_path / "checkout" / ".toolchain").mkdir(parents=True)
    with pytest.raises(UserError, match=r"\.toolchain"):
        find_toolchain(None)
