"""Live models: who plays which role at which server, and whole runs of `andon run` against a provider on loopback."""

import itertools
import json
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from agents import ModelSettings, ModelTracing
from agents.models import get_default_model
from lane_kit import FILES, SUB, SUB_TEST, git, make_repository
from wire_kit import Asked, Fault, Turn, calls, serving

from andon.agents.model_names import ANTHROPIC
from andon.context.settings import Models, Provider, Settings
from andon.guardrails.trust import Claim
from andon.line.answerer import ROLES
from andon.line.live import ModelFlags, ModelServer, choose_models, endpoint, live_answerer, model_names
from andon.line.trust import TrustFile, claims_of
from andon.records.errors import UserError

KEY = "sk-live-0123456789abcdefghijkl"
PLAN = {
    "summary": "add sub beside add",
    "acceptance_criteria": ["sub(3, 1) is 2"],
    "steps": ["test it", "write it"],
    "files": ["calc.py", "tests/test_calc.py"],
    "tests": ["tests/test_calc.py::test_sub"],
    "risks": [],
}
REVIEW = {
    "verdict": "pass",
    "summary": "it does",
    "criteria": [{"number": 1, "status": "met", "evidence": "tests/test_calc.py::test_sub"}],
    "findings": [],
}


def story(early: Fault = "early") -> tuple[Turn, ...]:
    """The task of lane_kit done well, at a provider that is busy, drops an answer, and ends one early."""
    return (
        calls("transfer_to_executor", PLAN, "busy"),
        calls("write_file", {"path": "tests/test_calc.py", "content": SUB_TEST}, "drop"),
        Turn(text="Now the code.", calls=(("write_file", {"path": "calc.py", "content": SUB}),), faults=(early,)),
        calls("transfer_to_reviewer", {"summary": "added sub", "not_done": []}),
        calls("finish_review", REVIEW),
    )


def andon_run(root: Path, *words: str, **environment: str) -> subprocess.CompletedProcess[str]:
    env = {k: v for k, v in os.environ.items() if not k.startswith(("OPENAI_", "ANTHROPIC_", "ANDON_"))}
    command = [sys.executable, "-m", "andon", "run", "--headless", "--json", *words]
    return subprocess.run(
        command,
        cwd=root,
        env=env | {"OPENAI_API_KEY": KEY} | environment,
        capture_output=True,
        text=True,
        stdin=subprocess.DEVNULL,
        check=False,
    )


@pytest.mark.parametrize(("model", "stream"), list(itertools.product(["m", "chat/m"], ["--stream", "--no-stream"])))
def test_a_whole_run_delivers_although_the_provider_stumbles(repo: Path, model: str, stream: str) -> None:
    with serving(*story()) as wire:
        done = andon_run(repo, "--model", model, stream, OPENAI_BASE_URL=wire.url)

    assert done.returncode == 0, done.stderr
    result = json.loads(done.stdout)
    assert (result["stop_code"], result["answered_by"], result["checks"]["outcome"]) == ("delivered", model, "green")
    tokens = {"input_tokens": 55, "output_tokens": 35, "cached_tokens": 15, "cache_write_tokens": 0}
    usage = {"requests": 5, **tokens, "estimated": 0, "cost": None}
    assert result["usage"] == usage
    assert git(repo, "show", f"{result['branch']}:calc.py") + "\n" == SUB
    assert len(wire.requests) == 8
    events = [json.loads(line) for line in (repo / "factory/runs/task-001/audit.jsonl").read_text().splitlines()]
    kinds = [event["kind"] for event in events]
    assert (kinds.count("model.retried"), kinds.count("model.answered"), kinds.count("model.delta")) == (3, 5, 0)
    assert [event["seq"] for event in events] == list(range(1, len(events) + 1))
    assert "Now the code" not in done.stderr  # text is shown on terminals only
    assert "rror streaming" not in done.stderr
    assert_nothing_but_the_task_was_sent(wire.requests, streamed=stream == "--stream")


def assert_nothing_but_the_task_was_sent(requests: list[Asked], *, streamed: bool) -> None:
    """The provider is told to store nothing, and nothing of the person's machine reaches it."""
    home = str(Path.home())
    for asked in requests:
        assert (asked.body["store"], asked.body.get("stream", False), asked.body["model"]) == (False, streamed, "m")
        text = json.dumps(asked.body)
        assert not [word for word in (KEY, str(Path.cwd()), sys.prefix) if word in text]
        assert home == "/" or f"{home}/" not in text


def test_a_provider_that_always_ends_early_ends_the_run_with_60(repo: Path) -> None:
    with serving(calls("transfer_to_executor", PLAN, "early", "early", "early", "early")) as wire:
        done = andon_run(repo, "--model", "chat/m", OPENAI_BASE_URL=wire.url)

    result = json.loads(done.stdout)
    assert (done.returncode, result["stop_code"], len(wire.requests)) == (60, "provider-failed", 4)
    assert "ended without a finish_reason" in result["message"]


def test_each_role_can_have_a_model_and_an_interface_of_its_own(tmp_path: Path) -> None:
    settings = '[models]\ndefault = "all"\nreviewer = "chat/critic"\nstream = false\n'
    root = make_repository(tmp_path / "roles", FILES | {"factory/andon.toml": settings})
    with serving(*[Turn(turn.calls) for turn in story()]) as wire:
        done = andon_run(root, "--planner-model", "thinker", OPENAI_BASE_URL=wire.url)

    assert done.returncode == 0, done.stderr
    asked = [(one.path.removeprefix("/v1/"), one.body["model"], one.body.get("stream")) for one in wire.requests]
    assert asked == [
        ("responses", "thinker", None),
        *[("responses", "all", None)] * 3,
        ("chat/completions", "critic", None),
    ]


def test_a_role_can_be_played_by_claude_beside_others(repo: Path) -> None:
    with serving(*[Turn(turn.calls) for turn in story()]) as wire:
        servers = {"OPENAI_BASE_URL": wire.url, "ANTHROPIC_BASE_URL": wire.url_of(CLAUDE), "ANTHROPIC_API_KEY": KEY}
        done = andon_run(repo, "--model", "m", "--reviewer-model", CLAUDE, **servers)

    assert done.returncode == 0, done.stderr
    assert [asked.path for asked in wire.requests] == [*["/v1/responses"] * 4, "/v1/messages"]


def test_a_server_that_only_the_repository_names_is_not_asked(tmp_path: Path) -> None:
    with serving(*story()) as wire:
        settings = f'[provider]\nbase_url = "{wire.url}"\n'
        root = make_repository(tmp_path / "lured", FILES | {"factory/andon.toml": settings})
        done = andon_run(root, "--model", "m", XDG_CONFIG_HOME=str(tmp_path / "config"))

    assert (done.returncode, wire.requests) == (2, [])
    message = json.loads(done.stdout)["message"]
    assert message == (
        f"factory/andon.toml sets provider.base_url to '{wire.url}'; a repository may not decide that alone: read it "
        "and run `andon trust`, or set OPENAI_BASE_URL"
    )
    assert not (root / "factory/runs").exists()


def test_a_server_a_person_accepted_is_asked(tmp_path: Path) -> None:
    config = {"XDG_CONFIG_HOME": str(tmp_path / "config")}
    with serving(*story()) as wire:
        settings = Settings(provider=Provider(base_url=wire.url))
        root = make_repository(
            tmp_path / "known", FILES | {"factory/andon.toml": f'[provider]\nbase_url = "{wire.url}"\n'}
        )
        TrustFile.of(config).accept(root, claims_of(settings)[0])
        done = andon_run(root, "--model", "m", **config)

    assert (done.returncode, len(wire.requests)) == (0, 8), done.stderr


def refusal(settings: Settings, flags: ModelFlags, environment: Mapping[str, str]) -> str:
    with pytest.raises(UserError) as caught:
        model_names(settings, flags, environment)
    return str(caught.value)


MODELS = Settings(models=Models(default="file", planner="file-planner"))
EVERYWHERE = {"ANDON_MODEL": "env", "ANDON_EXECUTOR_MODEL": "env-executor"}


@pytest.mark.parametrize(
    ("settings", "flags", "environment", "found"),
    [
        (Settings(), ModelFlags(), {"ANDON_MODEL": "env"}, ("env", "env", "env")),
        (MODELS, ModelFlags(), {}, ("file-planner", "file", "file")),
        (MODELS, ModelFlags(), EVERYWHERE, ("env", "env-executor", "env")),
        (MODELS, ModelFlags(), {"ANDON_MODEL": ""}, ("file-planner", "file", "file")),
        (MODELS, ModelFlags(reviewer="chat/flag"), EVERYWHERE, ("env", "env-executor", "chat/flag")),
        (MODELS, ModelFlags(model="flag"), EVERYWHERE, ("flag", "flag", "flag")),
        (MODELS, ModelFlags(model="flag", planner="mine"), EVERYWHERE, ("mine", "flag", "flag")),
    ],
)
def test_flags_go_before_the_environment_and_that_before_the_file(
    settings: Settings, flags: ModelFlags, environment: dict[str, str], found: tuple[str, ...]
) -> None:
    assert model_names(settings, flags, environment) == dict(zip(ROLES, found, strict=True))


def test_without_a_word_the_sdk_says_which_model(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OPENAI_DEFAULT_MODEL", raising=False)
    assert set(model_names(Settings(), ModelFlags(), {}).values()) == {get_default_model()}
    environment = {"OPENAI_DEFAULT_MODEL": "The-Default"}
    monkeypatch.setenv("OPENAI_DEFAULT_MODEL", "The-Default")
    assert set(model_names(Settings(), ModelFlags(), environment).values()) == {get_default_model()} == {"the-default"}


def test_a_run_that_cannot_begin_loads_no_agent_sdk(repo: Path) -> None:
    script = (
        "import sys; from andon.cli.main import main; code = main(['run', '--headless', *sys.argv[1:]])\n"
        "sys.exit(' '.join({'agents', 'openai', 'mcp', 'docker'} & set(sys.modules)) or code)\n"
    )
    env = {k: v for k, v in os.environ.items() if not k.startswith(("OPENAI_", "ANDON_"))} | {"OPENAI_API_KEY": KEY}
    command = [sys.executable, "-c", script, "--model", "gemini/x"]
    done = subprocess.run(command, cwd=repo, env=env, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr.startswith("andon: --model: 'gemini/x'")) == (2, True), done.stderr


@pytest.mark.parametrize(
    ("settings", "flags", "environment", "origin"),
    [
        (Settings(), ModelFlags(model="gemini/x"), {}, "--model"),
        (Settings(), ModelFlags(executor="gemini/x"), {}, "--executor-model"),
        (Settings(), ModelFlags(), {"ANDON_MODEL": "gemini/x"}, "ANDON_MODEL"),
        (Settings(), ModelFlags(), {"ANDON_REVIEWER_MODEL": "gemini/x"}, "ANDON_REVIEWER_MODEL"),
        (Settings(models=Models(planner="gemini/x")), ModelFlags(), {}, "factory/andon.toml, models.planner"),
        (Settings(models=Models(default="gemini/x")), ModelFlags(), {}, "factory/andon.toml, models.default"),
    ],
)
def test_an_unknown_prefix_is_refused_where_it_stands(
    settings: Settings, flags: ModelFlags, environment: dict[str, str], origin: str
) -> None:
    assert refusal(settings, flags, environment) == (
        f"{origin}: 'gemini/x' begins with 'gemini/', which andon does not know: write openai/NAME or just NAME "
        "for OpenAI Responses, anthropic/NAME for Anthropic, chat/NAME for a Chat Completions server"
    )


CLAUDE = "anthropic/claude-opus-4-8"
MIXED = {"models": Models(default="m", reviewer=CLAUDE)}


def test_claude_is_asked_with_its_own_key_at_its_own_address(repo: Path) -> None:
    with serving(*story()) as wire:
        done = andon_run(
            repo, "--model", CLAUDE, OPENAI_API_KEY="", ANTHROPIC_API_KEY=KEY, ANTHROPIC_BASE_URL=wire.url_of(CLAUDE)
        )

    assert done.returncode == 0, done.stderr
    result = json.loads(done.stdout)
    assert (result["stop_code"], result["answered_by"], result["checks"]["outcome"]) == ("delivered", CLAUDE, "green")
    used = result["usage"]
    assert (used["requests"], used["input_tokens"], used["cached_tokens"]) == (5, 55, 15)
    # 6 tokens at 5, 2 that the cache took at 6.25, 3 that it had at 0.50 and 7 at 25 dollars a million, five times.
    assert used["cost"] == "0.001095"
    assert {asked.path for asked in wire.requests} == {"/v1/messages"}
    assert len(wire.requests) == 8


@pytest.mark.parametrize(
    ("settings", "environment", "missing"),
    [
        (MIXED, {"OPENAI_API_KEY": KEY}, f"{CLAUDE} cannot be asked: set ANTHROPIC_API_KEY, or name other models"),
        (
            MIXED,
            {"ANTHROPIC_API_KEY": KEY},
            "no model to ask: set OPENAI_API_KEY (and OPENAI_BASE_URL for another server), or try `andon demo`",
        ),
        (
            MIXED,
            {},
            f"{CLAUDE}, m cannot be asked: set ANTHROPIC_API_KEY and OPENAI_API_KEY, or name other models",
        ),
    ],
)
def test_a_model_without_its_key_is_named(
    settings: dict[str, Any], environment: dict[str, str], missing: str, tmp_path: Path
) -> None:
    with pytest.raises(UserError) as caught:
        choose_models(Settings(**settings), ModelFlags(), environment, where=tmp_path)
    assert str(caught.value) == missing


def test_every_maker_has_a_server_of_its_own(tmp_path: Path) -> None:
    environment = {"OPENAI_API_KEY": "o", "ANTHROPIC_API_KEY": "a", "ANTHROPIC_BASE_URL": "http://127.0.0.1:9"}
    chosen = choose_models(Settings(**MIXED), ModelFlags(), environment, where=tmp_path)

    assert chosen.server_of("chat/m") == ModelServer(None, "o")
    assert chosen.server_of(CLAUDE) == ModelServer("http://127.0.0.1:9", "a")
    assert "'a'" not in repr(chosen)


def test_a_repository_names_no_server_for_claude_and_needs_no_trust_where_only_claude_is_asked(tmp_path: Path) -> None:
    environment = {"ANTHROPIC_API_KEY": "a", "XDG_CONFIG_HOME": str(tmp_path / "config")}
    chosen = choose_models(CLAIMING, ModelFlags(model=CLAUDE), environment, where=tmp_path / "repo")

    assert dict(chosen.servers) == {ANTHROPIC: ModelServer(None, "a")}


def test_an_address_for_claude_that_is_none_is_refused(tmp_path: Path) -> None:
    environment = {"ANTHROPIC_API_KEY": "a", "ANTHROPIC_BASE_URL": "localhost"}
    with pytest.raises(
        UserError, match=r"^ANTHROPIC_BASE_URL is no address: set it to one like https://models\.example\.org$"
    ):
        choose_models(Settings(), ModelFlags(model=CLAUDE), environment, where=tmp_path)


CLAIMING = Settings(provider=Provider(base_url="https://models.example.org/v1"))


def test_the_environments_server_needs_no_trust_and_goes_first(tmp_path: Path) -> None:
    environment = {"OPENAI_BASE_URL": "http://127.0.0.1:9/v1", "XDG_CONFIG_HOME": str(tmp_path)}
    assert endpoint(CLAIMING, environment, tmp_path / "repo") == "http://127.0.0.1:9/v1"


def test_nothing_said_is_openai_itself(tmp_path: Path) -> None:
    assert endpoint(Settings(), {}, tmp_path) is None


@pytest.mark.parametrize("said", ["localhost:8080", "ftp://x/v1", "http://", "http://[x", "models.example.org/v1"])
def test_an_address_that_is_none_is_refused(tmp_path: Path, said: str) -> None:
    with pytest.raises(UserError, match=r"^OPENAI_BASE_URL is no address"):
        endpoint(Settings(), {"OPENAI_BASE_URL": said}, tmp_path)


def test_an_accepted_value_that_changed_is_refused_again(tmp_path: Path) -> None:
    environment = {"XDG_CONFIG_HOME": str(tmp_path / "config")}
    root = tmp_path / "repo"
    (claim,) = claims_of(CLAIMING)
    TrustFile.of(environment).accept(root, claim)
    assert endpoint(CLAIMING, environment, root) == "https://models.example.org/v1"
    changed = Settings(provider=Provider(base_url="https://models.example.org/v2"))
    with pytest.raises(UserError, match="has changed since a person accepted it"):
        endpoint(changed, environment, root)


async def test_the_models_are_closed_when_the_run_is_over(tmp_path: Path) -> None:
    with serving(Turn(text="hello")) as wire:
        environment = {"OPENAI_API_KEY": KEY, "OPENAI_BASE_URL": wire.url}
        async with live_answerer(Settings(), ModelFlags(model="chat/m"), environment, where=tmp_path) as answerer:
            models = set(answerer.models().values())
            assert (len(models), answerer.label) == (1, "chat/m")
            await _ask(models.copy().pop())
        with pytest.raises(RuntimeError, match="closed"):
            await _ask(models.pop())


async def _ask(model: Any) -> None:
    await model.get_response(
        None, "Go.", ModelSettings(), [], None, [], ModelTracing.DISABLED,
        previous_response_id=None, conversation_id=None, prompt=None,
    )  # fmt: skip


def test_a_claim_says_what_accepting_it_means() -> None:
    assert claims_of(Settings()) == ()
    assert claims_of(CLAIMING) == (
        Claim(
            file="factory/andon.toml",
            key="provider.base_url",
            value="https://models.example.org/v1",
            meaning="your OPENAI_API_KEY, the task and whatever agents read in this repository are sent to this server",
            otherwise="set OPENAI_BASE_URL",
        ),
    )
