"""What people wrote about working in a repository, chosen for one task."""

from collections.abc import Callable, Mapping

from andon.context.conventions import Papers, conventions, named_files, papers
from andon.context.reader import Reader
from andon.records.task import Task

MakeReader = Callable[[Mapping[str, str | bytes]], Reader]


def task(*paths: str, title: str = "Mend prices") -> Task:
    return Task(id="t", title=title, context_paths=list(paths))


def test_conventions_are_those_of_the_root_and_of_the_folders_the_paths_lie_in(reader: MakeReader) -> None:
    files = {
        "AGENTS.md": "Root rules.\n",
        "app/AGENTS.md": "App rules.\n",
        "app/web/CLAUDE.md": "Web rules.\n",
        "docs/AGENTS.md": "Docs rules.\n",
    }
    assert conventions(reader(files), ["`app/web/page.py`", "../app/x.py", "/etc/x"]) == {
        "AGENTS.md": "Root rules.",
        "app/AGENTS.md": "App rules.",
        "app/web/CLAUDE.md": "Web rules.",
    }
    assert list(conventions(reader(files), [])) == ["AGENTS.md"]


def test_a_file_that_repeats_or_only_points_to_another_is_left_out(reader: MakeReader) -> None:
    files = {"AGENTS.md": "Rules.\n", "CLAUDE.md": "@AGENTS.md\n\n", "app/AGENTS.md": "Rules.\n"}
    assert conventions(reader(files), ["app/x.py"]) == {"AGENTS.md": "Rules."}


def test_long_conventions_are_cut_in_the_middle_with_the_call_for_the_rest(reader: MakeReader) -> None:
    text = "".join(f"rule {n:03}\n" for n in range(300))
    shown = conventions(reader({"AGENTS.md": text}), [])["AGENTS.md"]
    assert shown.startswith("rule 000\n") and shown.endswith("\nrule 299")
    assert "\n[1512 bytes left out here; read_file AGENTS.md shows them]\n" in shown
    assert len(shown.encode()) < 1300


def test_files_the_task_names_are_read_and_of_a_folder_its_first_documents(reader: MakeReader) -> None:
    files: dict[str, str | bytes] = {
        "docs/a.md": "A",
        "docs/b.md": "B",
        "docs/c.md": "C",
        "docs/d.md": "D",
        "docs/x.png": b"\x89PNG\0",
        "app/prices.py": "x = 1\n",
        "app/big.py": "x = 1\n" * 1000,
        ".env": "KEY=1",
        "factory/context/specs/s.md": "spec",
    }
    wanted = task("docs", "app/prices.py", "app/big.py", ".env", "factory/context/specs/s.md", "nowhere.md", "../x.md")
    documents = {"docs/a.md": "A", "docs/b.md": "B", "docs/c.md": "C"}
    assert named_files(reader(files), wanted, code=True) == {**documents, "app/prices.py": "x = 1"}
    assert named_files(reader(files), wanted, code=False) == documents


def test_hidden_characters_of_a_document_are_shown_as_what_they_are(reader: MakeReader) -> None:
    assert named_files(reader({"a.md": "a\u202eb\x1b[31mc"}), task("a.md"), code=False) == {"a.md": "a<U+202E>bc"}


def test_documents_keep_to_their_budget(reader: MakeReader) -> None:
    files = {f"{n}.md": "word " * 2000 for n in range(5)}
    shown = named_files(reader(files), task(*files), code=False)
    assert list(shown) == ["0.md"]
    assert sum(len(text) for text in shown.values()) <= 6_000


def test_specs_and_decisions_that_speak_of_the_task_are_shown_and_others_named(reader: MakeReader) -> None:
    files = {
        "factory/context/specs/prices.md": "# Prices\n\nTwo digits.\n",
        "factory/context/decisions/0001-storage.md": "# JSON files, no database\n\nSmall.\n",
        "factory/context/decisions/0002-money.md": "# Money is whole cents\n\nA price is an int.\n",
        "factory/context/lessons/price.md": "# Prices\n\nUnread.\n",
        "specs/price.md": "# Not ours\n",
    }
    assert papers(reader(files), task()) == Papers(
        {
            "factory/context/specs/prices.md": "# Prices\n\nTwo digits.",
            "factory/context/decisions/0002-money.md": "# Money is whole cents\n\nA price is an int.",
        },
        ["factory/context/decisions/0001-storage.md: JSON files, no database"],
    )
    assert papers(reader({}), task()) == Papers({}, [])
