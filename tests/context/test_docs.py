"""Questions to the project's own documents."""

from collections.abc import Callable, Mapping

import pytest

from andon.context.base import BaseFiles
from andon.context.docs import DocsIndex

MakeFiles = Callable[[Mapping[str, str | bytes]], BaseFiles]
GUIDE = """# Guide

Start here.

## Saving favourites

Favourites are saved in local storage.
They survive a refresh.
Third line.

```sh
# not a heading
```

## Prices

Prices come from the ticker service.
"""
RST = """Guide
=====

Deploying
---------

Deployments are frozen on Fridays.
"""


def test_the_nearest_section_comes_with_place_trail_and_full_text(base: MakeFiles) -> None:
    docs = DocsIndex.build(base({"docs/guide.md": GUIDE}))
    assert docs.lookup("How do I save a favourite?") == (
        "docs/guide.md:7  Guide > Saving favourites, in full:\n"
        "Favourites are saved in local storage.\n"
        "They survive a refresh.\n"
        "Third line.\n"
        "\n"
        "```sh\n"
        "# not a heading\n"
        "```"
    )


def test_rest_and_plain_text_are_read_too(base: MakeFiles) -> None:
    docs = DocsIndex.build(base({"a.rst": RST, "b.txt": "Money is held in cents.\r\n"}))
    assert docs.lookup("deployment friday").splitlines()[0] == "a.rst:7  Guide > Deploying, in full:"
    assert docs.lookup("cents").splitlines()[0] == "b.txt:1, in full:"


def test_at_most_five_sections_are_listed_in_a_stable_order(base: MakeFiles) -> None:
    files = base({f"{name}.md": "# Same\n\nSame words.\n" for name in "gfedcba"})
    places = [line for line in DocsIndex.build(files).lookup("same").splitlines() if ".md:" in line]
    assert places == ["a.md:3  Same, in full:", *(f"{name}.md:3  Same" for name in "bcde")]


def test_the_best_section_is_cut_at_two_kilobytes_and_says_so(base: MakeFiles) -> None:
    docs = DocsIndex.build(base({"a.md": "# Long\n\n" + "word é\n" * 50 + "x" * 3000}))
    answer = docs.lookup("word")
    assert answer.endswith("\n[1400 more bytes; read_file a.md shows them]")
    assert len(answer.partition("in full:\n")[2].rpartition("\n")[0].encode()) == 2000


def test_only_the_context_of_the_factory_folder_is_read(base: MakeFiles) -> None:
    names = ["runs/task-001/memory.md", "context/lessons/a.md", "tasks/notes.txt"]
    docs = DocsIndex.build(base({f"factory/{name}": "zebra" for name in names}))
    said = (
        "nothing found for: zebra. Searched: 0 documents (*.md, *.rst, *.txt) of the repository and factory/context/."
    )
    assert docs.lookup("zebra") == said
    specs = base({"factory/context/specs/a.md": "zebra", "factory/context/project-context.json": '{"goal": "quagga"}'})
    assert DocsIndex.build(specs).lookup("zebra").startswith("factory/context/specs/a.md:1")
    assert DocsIndex.build(specs).lookup("quagga").startswith("factory/context/project-context.json:1")


def test_what_cannot_be_read_is_counted(base: MakeFiles) -> None:
    docs = DocsIndex.build(base({"big.md": "x" * 400_001, "binary.txt": b"\0\1", "ok.md": "fine"}))
    assert docs.lookup("zebra") == (
        "nothing found for: zebra. Searched: 1 document (*.md, *.rst, *.txt) of the repository and factory/context/; "
        "2 too large or unreadable were left out."
    )


@pytest.mark.parametrize("query", ['"', 'NEAR("a" b', "a-b:c*", "path:guide", "'; DROP TABLE docs; --", "favourites)"])
def test_the_syntax_of_the_search_engine_means_nothing(base: MakeFiles, query: str) -> None:
    answer = DocsIndex.build(base({"docs/guide.md": GUIDE})).lookup(query)
    assert answer.startswith(("docs/guide.md:", "nothing found for: ", "refused: the question holds no word"))


def test_a_question_of_stop_words_alone_is_still_asked(base: MakeFiles) -> None:
    assert DocsIndex.build(base({"a.md": "To be or not to be"})).lookup("to be").startswith("a.md:1")


@pytest.mark.parametrize(
    ("query", "said"),
    [
        ("", "refused: the question holds no word. Ask with a few words from the documents."),
        (" ?!\n", "refused: the question holds no word. Ask with a few words from the documents."),
        ("a" * 401, "refused: the question has 401 characters; at most 400. Ask with a few words."),
        (
            "read https://example.org/x",
            "refused: the question holds an address, and this searches only files. Ask with a few words instead.",
        ),
    ],
)
def test_a_bad_question_is_refused_in_a_sentence(base: MakeFiles, query: str, said: str) -> None:
    assert DocsIndex.build(base({"docs/guide.md": GUIDE})).lookup(query) == said
