"""What stands beside the files of a plan."""

from collections.abc import Callable, Mapping

from andon.context.neighbours import NEIGHBOUR_BYTES, neighbours
from andon.context.reader import Reader

MakeReader = Callable[[Mapping[str, str | bytes]], Reader]
STORE = "def read(path):\n    return 1\n\n\ndef _hidden():\n    pass\n"
CLIENT = "import pytest\n\n\n@pytest.fixture\ndef client(tmp_path):\n    return 1\n"


def test_what_a_planned_python_file_imports_is_outlined(reader: MakeReader) -> None:
    files = {
        "src/app/page.py": "from app import store, nothing\nfrom .web.links import link as l\nimport app.deep.x, os\n",
        "src/app/store.py": STORE,
        "src/app/web/links.py": "def link(path: str) -> str:\n    return path\n",
        "src/app/deep/x.py": "class X:\n    def go(self): ...\n",
        "src/app/unused.py": STORE,
    }
    assert neighbours(reader(files), ["src/app/page.py"], []) == [
        "src/app/store.py",
        "  1 def read(path):",
        "src/app/web/links.py",
        "  1 def link(path: str) -> str:",
        "src/app/deep/x.py",
        "  1 class X:",
    ]


def test_what_a_planned_script_imports_is_outlined(reader: MakeReader) -> None:
    files = {
        "web/page.ts": "import { a } from './store'\nimport '../lib'\nimport x from 'react'\nimport '../../up'\n",
        "web/store.ts": "export function load(id: string) {\n}\n",
        "lib/index.js": "export class Lib {\n}\n",
    }
    assert neighbours(reader(files), ["web/page.ts"], []) == [
        "web/store.ts",
        "  1 export function load(id: string) {",
        "lib/index.js",
        "  1 export class Lib {",
    ]


def test_the_tests_of_a_planned_file_and_what_planned_tests_share_are_outlined(reader: MakeReader) -> None:
    files = {
        "app/store.py": STORE,
        "tests/test_store.py": "def test_reads():\n    pass\n",
        "tests/test_other.py": "def test_other():\n    pass\n",
        "tests/conftest.py": CLIENT,
    }
    assert neighbours(reader(files), ["app/store.py", "tests/web/test_page.py"], []) == [
        "tests/test_store.py",
        "  1 def test_reads():",
        "tests/conftest.py",
        "  5 def client(tmp_path):",
    ]


def test_a_new_file_is_shown_those_it_will_stand_among(reader: MakeReader) -> None:
    files = {"app/a.py": STORE, "app/__init__.py": STORE, "app/test_a.py": STORE, "other/b.py": STORE}
    assert neighbours(reader(files), ["app/new.py"], []) == ["app/a.py", "  1 def read(path):"]
    assert neighbours(reader({"a.py": STORE}), ["the whole suite stays green"], []) == []


def test_what_the_packet_shows_whole_or_agents_may_not_see_is_left_out(reader: MakeReader) -> None:
    files = {"app/page.py": "import app.store, factory.x, app.page\n", "app/store.py": STORE, "factory/x.py": STORE}
    assert neighbours(reader(files), ["app/page.py"], ["app/store.py"]) == []
    assert neighbours(reader(files), ["../app/page.py", "/etc/passwd", "", "."], []) == []


def test_outlines_keep_to_their_budget(reader: MakeReader) -> None:
    source = "".join(f"def function_{'x' * 60}_{n}(a):\n    pass\n" for n in range(20))
    files = {f"app/m{n}.py": source for n in range(20)} | {
        "app/page.py": "".join(f"import app.m{n}\n" for n in range(20))
    }
    lines = neighbours(reader(files), ["app/page.py"], [])
    assert lines and sum(len(line) + 1 for line in lines) <= NEIGHBOUR_BYTES


def test_what_the_plan_names_comes_first_by_its_path_or_an_end_that_no_other_file_has(reader: MakeReader) -> None:
    files = {
        "app/page.py": "import app.store\n",
        "app/store.py": STORE,
        "app/rows.py": STORE,
        "app/web/links.py": STORE,
        "a/same.py": STORE,
        "b/same.py": STORE,
        "a/data.txt": "x",
    }
    told = "Use read of ./app/rows.py, as web/links.py does; leave same.py, data.txt and nowhere.py. See app/page.py."
    found = neighbours(reader(files), ["app/page.py"], [], told=told)
    assert found[::2] == ["app/rows.py", "app/web/links.py", "app/store.py"]


def test_what_a_change_imports_is_outlined_for_who_judges_it(reader: MakeReader) -> None:
    files = {"app/page.py": "import app.store\n", "app/store.py": STORE, "app/rows.py": STORE, "app/gone.py": STORE}
    diff = (
        "diff --git a/app/new.py b/app/new.py\nnew file mode 100644\n--- /dev/null\n+++ b/app/new.py\n"
        "@@ -0,0 +1,1 @@\n+from app.rows import read\n"
        "diff --git a/app/page.py b/app/page.py\n--- a/app/page.py\n+++ b/app/page.py\n"
        "@@ -1,2 +1,1 @@\n import app.store\n-import app.gone\n"
    )
    found = neighbours(reader(files), ["app/page.py", "other/new.py"], [], diff=diff)
    assert found[::2] == ["app/rows.py", "app/store.py"]


def test_tests_of_a_new_file_are_shown_those_of_the_file_beside_it_to_copy(reader: MakeReader) -> None:
    files = {
        "app/commands/show.py": STORE,
        "app/commands/take.py": STORE,
        "tests/test_add.py": "def test_adds():\n    pass\n",
        "tests/test_show.py": "def test_shows():\n    pass\n",
        "tests/test_take.py": "def test_takes():\n    pass\n",
    }
    planned = ["app/commands/shop.py", "tests/test_shop.py"]
    assert neighbours(reader(files), planned, [])[::2] == [
        "tests/test_show.py", "app/commands/show.py", "app/commands/take.py",
    ]  # fmt: skip
    told = neighbours(reader(files), planned, [], told="Write it like commands/take.py.")
    assert told[::2] == ["app/commands/take.py", "tests/test_take.py", "app/commands/show.py"]
    bare = {path: text for path, text in files.items() if path == "tests/test_add.py"}
    assert neighbours(reader(bare), planned, [])[::2] == ["tests/test_add.py"]
