from pathlib import Path
from typing import Any

import pytest
from doctor_kit import Find, Serve
from lane_kit import FILES, make_repository

_TOKEN = "ghp_a-token-that-nobody-may-ever-see"


async def test_a_token_is_sent_only_where_that_was_allowed(tmp_path: Path, find: Find, serve: Serve) -> None:
    with serve({}) as (address, asked):
        found = await find(tmp_path, "forge", GITHUB_TOKEN=_TOKEN, GITHUB_API_URL=address)
    assert ({one.severity for one in found.values()}, asked) == ({"skipped"}, [])
    assert "andon doctor forge --call" in found["forge.github"].found


async def test_without_tokens_nothing_is_asked(tmp_path: Path, find: Find) -> None:
    found = await find(tmp_path, "forge", call=True)
    assert {one.severity for one in found.values()} == {"skipped"}


@pytest.mark.parametrize(
    ("status", "headers", "severity", "outcome"),
    [
        (200, {"X-OAuth-Scopes": "repo, read:org"}, "ok", "taken"),
        (200, {"X-OAuth-Scopes": "public_repo"}, "ok", "taken"),
        (200, {"X-OAuth-Scopes": "read:org"}, "warning", "too-narrow"),
        (200, {"X-OAuth-Scopes": ""}, "warning", "too-narrow"),
        (200, {"X-OAuth-Scopes": "repo, delete_repo"}, "warning", "too-broad"),
        (200, {}, "note", "taken"),
        (401, {}, "warning", "wrong-token"),
        (403, {}, "warning", "refused"),
        (302, {"Location": "http://127.0.0.1:9/"}, "warning", "refused"),
    ],
)
async def test_github_says_what_its_token_may_do(
    tmp_path: Path, find: Find, serve: Serve, status: int, headers: dict[str, str], severity: str, outcome: str
) -> None:
    with serve({"/": (status, headers, {})}) as (address, asked):
        found = (await find(tmp_path, "forge", call=True, GITHUB_TOKEN=_TOKEN, GITHUB_API_URL=address))["forge.github"]
    assert (found.severity, found.outcome) == (severity, outcome)
    assert [(path, sent["authorization"]) for path, sent in asked] == [("/", f"Bearer {_TOKEN}")]
    assert _TOKEN not in found.model_dump_json()


@pytest.mark.parametrize(
    ("document", "severity", "outcome"),
    [
        ({"scopes": ["api", "write_repository"]}, "ok", "taken"),
        ({"scopes": ["read_api"]}, "warning", "too-narrow"),
        ({"scopes": ["api", "sudo"]}, "warning", "too-broad"),
        (["not", "gitlab"], "error", "refused"),
    ],
)
async def test_gitlab_says_what_its_token_may_do(
    tmp_path: Path, find: Find, serve: Serve, document: Any, severity: str, outcome: str
) -> None:
    with serve({"/api/v4/personal_access_tokens/self": (200, {}, document)}) as (address, asked):
        found = (await find(tmp_path, "forge", call=True, GITLAB_TOKEN=_TOKEN, CI_API_V4_URL=f"{address}/api/v4"))[
            "forge.gitlab"
        ]
    assert (found.severity, found.outcome) == (severity, outcome)
    assert [sent["private-token"] for _, sent in asked] == [_TOKEN]


@pytest.mark.parametrize("address", ["http://forge.example.org/api", "ftp://forge.example.org", "forge.example.org"])
async def test_no_token_travels_in_the_clear(tmp_path: Path, find: Find, address: str) -> None:
    found = await find(tmp_path, "forge.github", call=True, GITHUB_TOKEN=_TOKEN, GITHUB_API_URL=address)
    assert (found["forge.github"].severity, "no https address" in found["forge.github"].found) == ("error", True)


async def test_what_netrc_says_of_the_host_does_not_take_the_token_s_place(
    tmp_path: Path, find: Find, serve: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "netrc").write_text("machine 127.0.0.1 login other password other\n")
    (tmp_path / "netrc").chmod(0o600)
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    with serve({"/": (200, {}, {})}) as (address, asked):
        await find(tmp_path, "forge.github", call=True, GITHUB_TOKEN=_TOKEN, GITHUB_API_URL=address)
    assert [sent["authorization"] for _, sent in asked] == [f"Bearer {_TOKEN}"]


async def test_a_worker_s_token_is_tried_where_there_is_a_worker(tmp_path: Path, find: Find, serve: Serve) -> None:
    plain = make_repository(tmp_path / "plain", FILES)
    assert (await find(plain, "deploy", call=True))["deploy.cloudflare"].severity == "skipped"

    root = make_repository(tmp_path / "worker", FILES | {"wrangler.jsonc": "{}\n"})
    found = (await find(root, "deploy", call=True))["deploy.cloudflare"]
    assert (found.severity, "CLOUDFLARE_API_TOKEN and CLOUDFLARE_ACCOUNT_ID" in found.found) == ("note", True)

    token = {"CLOUDFLARE_API_TOKEN": _TOKEN, "CLOUDFLARE_ACCOUNT_ID": "a"}
    outcomes = []
    for status in (200, 401):
        with serve({"/user/tokens/verify": (status, {}, {})}) as (address, asked):
            unasked = await find(root, "deploy", CLOUDFLARE_API_BASE_URL=address, **token)
            assert (unasked["deploy.cloudflare"].severity, asked) == ("skipped", [])
            found = (await find(root, "deploy", call=True, CLOUDFLARE_API_BASE_URL=address, **token))[
                "deploy.cloudflare"
            ]
            outcomes.append((found.severity, found.outcome))
    assert outcomes == [("ok", "taken"), ("warning", "wrong-token")]
