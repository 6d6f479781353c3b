"""A run's events as one OpenTelemetry trace, in the JSON that OTLP file readers take: one document a line.

Names and attributes are those of the semantic conventions for generative AI: `invoke_workflow` for the run,
`invoke_agent` for each role at work, `chat` for each model call, `execute_tool` for each tool call
(opentelemetry.io/docs/specs/semconv/gen-ai, which calls all of them in development). What no convention names begins
with `andon.`. Nothing that a model or a person wrote is in it. Ids are made from the run's id and the numbers of its
events, so that the same run always gives the same trace.
"""

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from andon.agents.model_names import wire_and_name

Event = Mapping[str, Any]
Value = str | int | float | bool

_INTERNAL, _CLIENT = 1, 3
_ERROR = 2
_EPOCH = datetime.fromisoformat("1970-01-01T00:00:00Z")
_MICROSECOND = timedelta(microseconds=1)
_MARKS = {
    "handoff": ("source", "target"),
    "handoff.refused": ("tool",),
    "review.given": ("verdict", "who"),
    "check.ended": ("phase", "name", "outcome"),
    "gate.answered": ("gate", "answer"),
    "effect.undone": ("rule",),
    "effect.held": ("rule",),
    "model.retried": ("wait_seconds",),
    "budget.note": ("limit",),
    "role.nudged": (),
    "person.said": (),
}
"""Events that are marks on the span they fall into, and which of their facts go along."""


@dataclass
class _Span:
    id: str
    parent: str
    name: str
    kind: int
    begin: int
    attributes: dict[str, Value]
    end: int | None = None
    error: str = ""
    marks: list[dict[str, Any]] = field(default_factory=list)


def otlp_trace(run_id: str, events: Iterable[Event], version: str) -> dict[str, Any]:
    """Return the trace of a run as one OTLP `TracesData` document; `version` is andon's.

    `events` are those of its log, in order. What had not ended by the last of them ends with it and has the attribute
    `andon.open`. Empty for a log without a beginning.
    """
    trace = _Trace(run_id)
    for event in events:
        trace.take(event)
    spans = [_as_json(trace.id, span) for span in trace.whole()]
    resource: dict[str, Value] = {"service.name": "andon", "service.version": version}
    scope = {"name": "andon", "version": version}
    return {
        "resourceSpans": [
            {"resource": {"attributes": _attributes(resource)}, "scopeSpans": [{"scope": scope, "spans": spans}]}
        ]
    }


class _Trace:
    def __init__(self, run_id: str) -> None:
        self.id = _hash(run_id, 32)
        self._run_id = run_id
        self._spans: list[_Span] = []
        self._root: _Span | None = None
        self._phase: _Span | None = None
        self._agent: _Span | None = None
        self._steps: dict[tuple[str, str], _Span] = {}
        self._models: dict[str, str] = {}
        self._at = 0

    def take(self, event: Event) -> None:
        """Take the next event."""
        kind, data = str(event["kind"]), event["data"]
        self._at = max(self._at, _nanoseconds(event["at"]))
        if kind in ("run.started", "run.resumed"):
            self._begin(event, kind)
        elif self._root is None:
            return
        elif kind == "agent.started":
            self._work(event, str(data.get("role", "")), str(data.get("agent") or data.get("role", "")))
        elif kind == "step.started":
            self._step(event)
        elif kind == "step.ended":
            self._end(self._steps.pop(_key(data), None), "" if data.get("outcome") == "done" else "failed")
        elif kind == "model.answered":
            self._answered(data)
        elif kind in ("tool.called", "tool.refused"):
            self._called(kind, data)
        elif kind in ("run.parked", "run.ended"):
            self._stop(kind, data)
        elif kind in _MARKS:
            self._mark(kind, data)

    def whole(self) -> list[_Span]:
        """Return every span, the open ones ended."""
        for span in self._spans:
            if span.end is None:
                span.end, span.attributes["andon.open"] = self._at, True
        return self._spans

    def _begin(self, event: Event, kind: str) -> None:
        data = event["data"]
        if kind == "run.started" and self._root is None:
            named: dict[str, Value] = {
                "gen_ai.operation.name": "invoke_workflow",
                "gen_ai.workflow.name": "andon",
            }
            facts: dict[str, Value] = {
                "andon.task.id": str(data.get("task", "")),
                "andon.base_commit": str(data.get("base", "")),
            }
            ids: dict[str, Value] = {"gen_ai.conversation.id": self._run_id, "andon.run.id": self._run_id}
            self._root = self._open(event, "invoke_workflow andon", _INTERNAL, "", named | ids | facts)
            models = data.get("models")
            self._models = {str(role): str(name) for role, name in (models or {}).items()}
        if self._root is not None:
            self._lost()
            self._root.end = None
            number = data.get("phase", 0)
            self._phase = self._open(event, f"phase {number}", _INTERNAL, self._root.id, {"andon.phase": number})

    def _work(self, event: Event, role: str, name: str) -> None:
        self._end(self._agent)
        attributes = self._of(role, "invoke_agent") | {"gen_ai.agent.name": name}
        self._agent = self._open(event, f"invoke_agent {name}", _INTERNAL, self._parent(), attributes)

    def _step(self, event: Event) -> None:
        data = event["data"]
        name, key = _key(data)
        # A process that died said nothing of the end of its step.
        self._end(self._steps.pop((name, key), None), "lost")
        what, _, whose = name.partition(":")
        parent = (self._agent or self._phase or self._root or _NOBODY).id
        if what == "model":
            attributes = self._of(whose, "chat")
            model = attributes.get("gen_ai.request.model", "")
            span = self._open(event, f"chat {model}".rstrip(), _CLIENT, parent, attributes)
        elif what == "tool":
            named = {"gen_ai.operation.name": "execute_tool", "gen_ai.tool.name": whose, "gen_ai.tool.type": "function"}
            span = self._open(event, f"execute_tool {whose}", _INTERNAL, parent, dict(named))
        else:
            span = self._open(event, f"step {name}", _INTERNAL, parent, {"andon.step.key": key})
        self._steps[name, key] = span

    def _of(self, role: str, operation: str) -> dict[str, Value]:
        attributes: dict[str, Value] = {"gen_ai.operation.name": operation, "gen_ai.conversation.id": self._run_id}
        if model := self._models.get(role):
            wire, name = wire_and_name(model)
            provider = "anthropic" if wire == "anthropic" else "openai"
            attributes |= {"gen_ai.provider.name": provider, "gen_ai.request.model": name}
        return attributes

    def _answered(self, data: Mapping[str, Any]) -> None:
        span, usage = self._at_work(f"model:{data.get('role')}"), data.get("usage") or {}
        if span is None:
            return
        for name, attribute in (
            ("input_tokens", "gen_ai.usage.input_tokens"),
            ("output_tokens", "gen_ai.usage.output_tokens"),
            ("cached_tokens", "gen_ai.usage.cache_read.input_tokens"),
            ("cache_write_tokens", "gen_ai.usage.cache_creation.input_tokens"),
        ):
            if isinstance(usage.get(name), int):
                span.attributes[attribute] = usage[name]
        if usage.get("cost") is not None:
            span.attributes["andon.usage.cost"] = float(usage["cost"])

    def _called(self, kind: str, data: Mapping[str, Any]) -> None:
        span = self._at_work(f"tool:{data.get('tool')}")
        if span is None:
            return
        if kind == "tool.refused":
            span.attributes["andon.rule"] = str(data.get("rule", ""))
            span.error = "refused"
        elif data.get("outcome") != "done":
            span.error = "failed"

    def _stop(self, kind: str, data: Mapping[str, Any]) -> None:
        code, exit_code = str(data.get("stop_code", "")), data.get("exit_code")
        failed = code if kind == "run.ended" and exit_code not in (0, 10) else ""
        self._lost()
        if self._root is not None:
            self._root.attributes |= {"andon.stop_code": code} if code else {}
            self._end(self._root, failed)

    def _lost(self) -> None:
        for span in self._steps.values():
            self._end(span, "lost")
        self._steps.clear()
        for one in (self._agent, self._phase):
            self._end(one)
        self._agent = self._phase = None

    def _mark(self, kind: str, data: Mapping[str, Any]) -> None:
        span = self._agent or self._phase or self._root
        facts = {f"andon.{name}": data[name] for name in _MARKS[kind] if isinstance(data.get(name), Value)}
        if span is not None:
            span.marks.append({"timeUnixNano": str(self._at), "name": kind, "attributes": _attributes(facts)})

    def _at_work(self, name: str) -> _Span | None:
        return next((span for (step, _), span in reversed(self._steps.items()) if step == name), None)

    def _parent(self) -> str:
        return (self._phase or self._root or _NOBODY).id

    def _open(self, event: Event, name: str, kind: int, parent: str, attributes: dict[str, Value]) -> _Span:
        span_id = _hash(f"{self._run_id} {event['seq']} {name}", 16)
        self._spans.append(_Span(span_id, parent, name, kind, _nanoseconds(event["at"]), attributes))
        return self._spans[-1]

    def _end(self, span: _Span | None, error: str = "") -> None:
        if span is not None and span.end is None:
            span.end, span.error = self._at, span.error or error


_NOBODY = _Span("", "", "", _INTERNAL, 0, {})


def _as_json(trace_id: str, span: _Span) -> dict[str, Any]:
    attributes = span.attributes | ({"error.type": span.error} if span.error else {})
    return {
        "traceId": trace_id,
        "spanId": span.id,
        "parentSpanId": span.parent,
        "name": span.name,
        "kind": span.kind,
        "startTimeUnixNano": str(span.begin),
        "endTimeUnixNano": str(span.end),
        "attributes": _attributes(attributes),
        "events": span.marks,
        "status": {"code": _ERROR} if span.error else {},
    }


def _attributes(values: Mapping[str, Value]) -> list[dict[str, Any]]:
    return [{"key": key, "value": _value(value)} for key, value in values.items()]


def _value(value: Value) -> dict[str, Any]:
    if isinstance(value, bool):
        return {"boolValue": value}
    if isinstance(value, int):
        # 64 bits are text in this JSON.
        return {"intValue": str(value)}
    return {"doubleValue": value} if isinstance(value, float) else {"stringValue": value}


def _key(data: Mapping[str, Any]) -> tuple[str, str]:
    return str(data.get("name", "")), str(data.get("key", ""))


def _nanoseconds(at: str) -> int:
    return (datetime.fromisoformat(at) - _EPOCH) // _MICROSECOND * 1000


def _hash(text: str, length: int) -> str:
    return hashlib.sha256(f"andon-trace {text}".encode()).hexdigest()[:length]
