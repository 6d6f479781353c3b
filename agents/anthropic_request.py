"""Requests of Anthropic's Messages interface, built from what the Agents SDK asks a model."""

import json
import re
from collections.abc import Iterable, Mapping
from typing import Any

from agents import AgentOutputSchemaBase, FunctionTool, Handoff, ModelSettings, Tool, TResponseInputItem, UserError
from pydantic import RootModel

from andon.agents.answers import THOUGHT

MOST_TOKENS = 32_000
"""Tokens of one answer, thinking included, where the settings say none: every model since Claude 4 may give as many."""

# Newer models think without being asked to, and answer a forced choice of tools with HTTP 400.
_CAN_BE_FORCED = re.compile(r"claude-(3|(opus|sonnet|haiku)-4)(?!\d)")
_MARK = {"type": "ephemeral"}
_MARKED_TURNS = 2
"""The last user turns that are marked: what the request before had marked is found, however long an answer was."""


def request_of(
    model: str,
    system: str | None,
    given: str | list[TResponseInputItem],
    settings: ModelSettings,
    tools: Iterable[Tool],
    output_schema: AgentOutputSchemaBase | None,
    handoffs: Iterable[Handoff[Any, Any]],
) -> dict[str, Any]:
    """Return the arguments of `messages.create` for these arguments of `Model.get_response`.

    What stays the same in the next request is marked to be cached: tools and system, and all up to the last user turn.
    `settings.extra_args` go on top of what is made here; with `thinking` in them no choice of tools is forced.

    Raises:
        UserError: of the SDK, for a tool, an item or a choice that this interface has no counterpart of.
    """
    request: dict[str, Any] = {
        "model": model,
        "max_tokens": settings.max_tokens or MOST_TOKENS,
        "messages": _Plain(_with_marks(_turns_of(given))),
        "system": [{"type": "text", "text": system, "cache_control": _MARK}] if system else None,
        "output_config": _output_config(settings, output_schema),
        "extra_headers": settings.extra_headers,
        "extra_query": settings.extra_query,
        "extra_body": settings.extra_body,
    }
    extra = settings.extra_args or {}
    offered = [*map(_tool, tools), *map(_handoff, handoffs)]
    if offered:
        request["tools"] = offered
        request["tool_choice"] = _choice(settings, forced=bool(_CAN_BE_FORCED.match(model)) and "thinking" not in extra)
    return {name: value for name, value in (request | extra).items() if value is not None}


def continued(request: Mapping[str, Any], content: list[dict[str, Any]]) -> dict[str, Any]:
    """Return `request` with what the model has said so far behind it, for a turn that the provider paused."""
    return {**request, "messages": _Plain([*request["messages"].root, {"role": "assistant", "content": content}])}


class _Plain(RootModel[list[Any]]):
    """Messages that are JSON already: in a long run the client would walk over them for longer than all else takes."""

    def model_dump(self, **_: Any) -> list[Any]:  # type: ignore[override]
        """Return them as they are; it is what the client sends of a model."""
        return self.root


def _tool(tool: Tool) -> dict[str, Any]:
    if not isinstance(tool, FunctionTool):
        raise UserError(f"a tool of the kind {type(tool).__name__} cannot be offered over Anthropic's interface")
    return {"name": tool.name, "description": tool.description, "input_schema": tool.params_json_schema}


def _handoff(handoff: Handoff[Any, Any]) -> dict[str, Any]:
    # A handoff without a payload has an empty schema, which the interface refuses.
    schema = handoff.input_json_schema or {"type": "object", "properties": {}}
    return {"name": handoff.tool_name, "description": handoff.tool_description, "input_schema": schema}


def _choice(settings: ModelSettings, *, forced: bool) -> dict[str, Any] | None:
    wanted = settings.tool_choice
    if wanted is not None and not isinstance(wanted, str):
        raise UserError("a tool of an MCP server at the provider cannot be chosen over Anthropic's interface")
    if wanted == "none":
        return {"type": "none"}
    if wanted in (None, "auto") or not forced:
        choice: dict[str, Any] = {"type": "auto"}
    else:
        choice = {"type": "any"} if wanted == "required" else {"type": "tool", "name": wanted}
    if settings.parallel_tool_calls is False:
        choice["disable_parallel_tool_use"] = True
    return choice


def _output_config(settings: ModelSettings, schema: AgentOutputSchemaBase | None) -> dict[str, Any] | None:
    config: dict[str, Any] = {}
    if settings.reasoning and settings.reasoning.effort:
        config["effort"] = settings.reasoning.effort
    if schema and not schema.is_plain_text():
        config["format"] = {"type": "json_schema", "schema": schema.json_schema()}
    return config or None


def _turns_of(given: str | list[TResponseInputItem]) -> list[dict[str, Any]]:
    """Return the conversation in turns: what one side says in a row is one turn, in the order of its items."""
    if isinstance(given, str):
        return [{"role": "user", "content": [{"type": "text", "text": given}]}]
    turns: list[dict[str, Any]] = []
    for item in given:
        role, blocks = _blocks_of(item)
        if not blocks:
            continue
        if not turns or turns[-1]["role"] != role:
            turns.append({"role": role, "content": []})
        turns[-1]["content"] += blocks
    for turn in turns:
        # The answers to a turn's calls have to stand before everything else.
        turn["content"].sort(key=lambda block: block["type"] != "tool_result" if turn["role"] == "user" else 0)
    return turns


def _blocks_of(item: Any) -> tuple[str, list[dict[str, Any]]]:
    kind = item.get("type", "message")
    if kind == "message":
        return ("assistant" if item["role"] == "assistant" else "user"), _texts(item["content"])
    if kind == "function_call":
        call = {"type": "tool_use", "id": item["call_id"], "name": item["name"], "input": _object(item["arguments"])}
        return "assistant", [call]
    if kind == "function_call_output":
        said = item["output"]
        content = said if isinstance(said, str) else _texts(said)
        return "user", [{"type": "tool_result", "tool_use_id": item["call_id"], "content": content}]
    if kind == "reasoning":
        # Thoughts of another provider mean nothing here.
        block = (item.get("provider_data") or {}).get(THOUGHT)
        return "assistant", [block] if block else []
    raise UserError(f"an item of the type {kind!r} cannot be sent over Anthropic's interface")


def _texts(content: Any) -> list[dict[str, Any]]:
    """Return text as blocks; empty ones are left out, the interface refuses them."""
    parts = [{"type": "input_text", "text": content}] if isinstance(content, str) else content
    found = []
    for part in parts:
        if part["type"] not in ("input_text", "output_text", "refusal"):
            raise UserError(f"content of the type {part['type']!r} cannot be sent over Anthropic's interface")
        text = part["refusal"] if part["type"] == "refusal" else part["text"]
        found += [{"type": "text", "text": text}] if text else []
    return found


def _object(arguments: str) -> dict[str, Any]:
    """Return the arguments of a call; what is no JSON object is wrapped in one: only objects can be sent."""
    try:
        value = json.loads(arguments or "{}")
    except (ValueError, RecursionError):
        value = None
    return value if isinstance(value, dict) else {"arguments": arguments}


def _with_marks(turns: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return `turns` with a cache mark on the last block of the last user turns; at most four marks are allowed."""
    asked = [index for index, turn in enumerate(turns) if turn["role"] == "user"]
    for index in asked[-_MARKED_TURNS:]:
        content = turns[index]["content"]
        turns[index]["content"] = [*content[:-1], {**content[-1], "cache_control": _MARK}]
    return turns
