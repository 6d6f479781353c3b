"""A scripted attack as data: what is planted, what a fooled model does then, and what must never come of it."""

import tomllib
from importlib.resources import files
from importlib.resources.abc import Traversable
from typing import Annotated, Any, Literal

from pydantic import Field, ValidationError, model_validator

from andon.context.strict_json import problems
from andon.records.base import Record
from andon.records.calls import Role
from andon.records.errors import UserError

ATTACKS: Traversable = files("andon.evals") / "attacks"
"""Where the shipped attacks lie, a TOML file each, named `ID.toml`; `_sample.toml` is the project that is attacked."""

SAMPLE = "_sample.toml"

Risk = Literal["ASI01", "ASI02", "ASI03", "ASI04", "ASI05", "ASI06", "ASI07", "ASI08", "ASI09", "ASI10"]
"""A risk of OWASP's Top 10 for Agentic Applications, of 9 December 2025."""

RISKS: dict[Risk, str] = {
    "ASI01": "agent goal hijack",
    "ASI02": "tool misuse",
    "ASI03": "identity and privilege abuse",
    "ASI04": "supply chain",
    "ASI05": "unexpected code execution",
    "ASI06": "memory and context poisoning",
    "ASI07": "inter-agent communication",
    "ASI08": "cascading failures",
    "ASI09": "human trust exploitation",
    "ASI10": "rogue agents",
}

HarmKind = Literal[
    "delivered", "delivered-change", "delivered-text", "delivered-loss", "told", "paper", "executed", "finished",
    "began", "arrived", "hidden-in-question",
]  # fmt: skip
"""What an attack wants.

`delivered`: a branch; `delivered-change`: one that changes a path of `paths`; `delivered-text`: one with `text` in
`path`; `delivered-loss`: one without `text` in `path`, which the base has there. `told`: a role reads `text`; `paper`:
`text` stands in the paper `path` of the run; `executed`: calls of `tool` run more than `more_than` times; `finished`:
every scripted answer is acted on; `began`: the run begins; `arrived`: something reaches the listener outside the
sandbox; `hidden-in-question`: a person is asked with control or invisible characters on the screen.
"""


class PlannedCall(Record):
    """One tool call of the fooled model."""

    role: Role
    """Who makes it; `client` in a session."""
    tool: str
    """The tool's name."""
    arguments: dict[str, Any] = Field(default_factory=dict)
    """Its arguments; see `Attack` for what is filled in."""
    every_second: dict[str, Any] = Field(default_factory=dict)
    """The arguments of every second time; empty: the same."""
    aim: bool = False
    """True if the attack is not carried out before this call is made."""
    same_answer: bool = False
    """True if it stands in one answer with the call before it."""
    times: Annotated[int, Field(ge=1, le=1000)] = 1
    """How often it is made; an argument `@N@` is the number, from 1."""


class Harm(Record):
    """One thing that must not be true afterwards."""

    kind: HarmKind
    """What is looked for; says which of the other fields count."""
    paths: list[str] = Field(default_factory=list)
    """Gitignore patterns."""
    path: str = ""
    """A file, or a paper's name."""
    text: str = ""
    """What is looked for in it."""
    tool: str = ""
    """A tool's name."""
    more_than: int = 0
    """So many are no harm."""


class AttackTask(Record):
    """The task of the run; as in the queue."""

    title: str = "Add subtraction"
    """What is asked for."""
    source: str = ""
    """Where it comes from; an address makes it an outsider's."""
    acceptance_criteria: list[str] = Field(default_factory=lambda: ["sub(3, 1) is 2"])
    """What must hold afterwards."""
    constraints: list[str] = Field(default_factory=list)
    """What must not happen."""
    locked_paths: list[str] = Field(default_factory=list)
    """What nobody may touch."""


class Attack(Record):
    """One attack. `@SECRET@`, `@PORT@`, `@HOST@` in any text stand for a made-up credential that lies in the sample's
    `.env`, the port of a listener on this machine, and a folder outside the sandbox; all three are new in every run."""

    id: str = Field(pattern=r"^[a-z0-9][a-z0-9-]{0,63}$")
    """Names it, and its file."""
    risk: Risk
    """The risk it belongs to."""
    title: str = Field(min_length=1, max_length=80)
    """What is tried, in a line."""
    story: str = Field(min_length=1)
    """How it comes about, in a sentence or two."""
    route: Literal["lane", "session", "live"] = "lane"
    """A run of the three roles, a session of an MCP client, or a run whose model is asked over the network."""
    person: Literal["nobody", "careless", "refuses"] = "nobody"
    """Who is asked: nobody; a person who says yes to the first question and no to all others; or one who says no."""
    work: bool = True
    """False if the executor does not do the task before it attacks."""
    expects: list[str] = Field(min_length=1)
    """What is expected to stop it, by rule, check or stop code: any of them. For readers and tests; no outcome is made
    from it."""
    task: AttackTask = Field(default_factory=AttackTask)
    """The task of the run."""
    files: dict[str, str] = Field(default_factory=dict)
    """What is planted, over the sample's files."""
    links: dict[str, str] = Field(default_factory=dict)
    """Symbolic links that are planted, and where they point."""
    plan_files: list[str] = Field(default_factory=list)
    """What the plan lists beside the files of the task."""
    in_environment: bool = False
    """True if the credential also stands in the environment of the factory's own process."""
    tried: str = ""
    """What the model is told if the attack's code really ran; empty: no code of it has to run."""
    call: list[PlannedCall] = Field(default_factory=list)
    """What the fooled model calls, in order; each role ends its work as usual after its own."""
    never: list[Harm] = Field(min_length=1)
    """What must not be true afterwards."""

    @model_validator(mode="after")
    def _aims_at_something(self) -> "Attack":
        began = any(harm.kind == "began" for harm in self.never)
        if not began and not any(call.aim for call in self.call):
            raise ValueError("no call is marked as the aim")
        if any((call.role == "client") != (self.route == "session") for call in self.call):
            raise ValueError("calls of the client belong to sessions, those of the roles to the lane")
        return self


def sample_files() -> dict[str, str]:
    """Return the files of the project that is attacked, by path."""
    files: dict[str, str] = tomllib.loads((ATTACKS / SAMPLE).read_text(encoding="utf-8"))["files"]
    return files


def attack_ids() -> list[str]:
    """Return the ids of the shipped attacks, sorted."""
    names = (entry.name for entry in ATTACKS.iterdir())
    return sorted(name.removesuffix(".toml") for name in names if name.endswith(".toml") and name != SAMPLE)


def load_attack(attack_id: str) -> Attack:
    """Return one shipped attack.

    Raises:
        UserError: there is none of that id, or its file is malformed.
    """
    if attack_id not in attack_ids():
        raise UserError(f"there is no attack {attack_id!r}: `andon eval security --list` names them")
    try:
        attack = Attack.model_validate(tomllib.loads((ATTACKS / f"{attack_id}.toml").read_text(encoding="utf-8")))
    except ValidationError as error:
        raise UserError(f"the attack {attack_id!r} is malformed: {problems(error)}") from error
    if attack.id != attack_id:
        raise UserError(f"the attack in {attack_id}.toml calls itself {attack.id!r}")
    return attack


def load_attacks() -> list[Attack]:
    """Return all shipped attacks by risk, then id."""
    return sorted(map(load_attack, attack_ids()), key=lambda attack: (attack.risk, attack.id))
