"""A question as a form that a client shows, in both eras of the protocol, and what its answer says."""

import asyncio
from collections.abc import Mapping
from typing import Any

from mcp.server.context import ServerRequestContext
from mcp.shared.exceptions import MCPError
from mcp_types import ElicitRequest, ElicitRequestFormParams, ElicitResult, InputRequiredResult
from mcp_types.version import is_version_at_least
from pydantic import ValidationError

from andon.mcp_servers.showing import message_of
from andon.records.approvals import Approval, ApprovalAnswer

_MODERN = "2026-07-28"
"""From this protocol version on a question travels in the answer to the call, and the call is made again."""
_SECONDS = 1800.0
_SCHEMA: dict[str, Any] = {
    "type": "object",
    "properties": {
        "answer": {
            "type": "string",
            "title": "Allow it?",
            "description": "once: exactly this; kind: what this rule asks about, for this session; deny: no",
            "enum": ["once", "kind", "deny"],
        },
        "reason": {"type": "string", "title": "Why not?", "description": "The model is told.", "maxLength": 1000},
    },
    "required": ["answer"],
}
_ANSWERS: dict[object, ApprovalAnswer] = {"once": "once", "kind": "kind", "deny": "deny"}


def shows_forms(ctx: ServerRequestContext[Any, Any]) -> bool:
    """Return whether the client declared that it shows forms."""
    declared = ctx.session.client_capabilities
    elicitation = declared.elicitation if declared else None
    # A bare declaration is older than the kinds of it, and means forms.
    return elicitation is not None and (elicitation.form is not None or elicitation.url is None)


async def asked_by_form(
    approval: Approval, ctx: ServerRequestContext[Any, Any]
) -> ElicitResult | InputRequiredResult | None:
    """Return what was filled in, the question that is to be sent to the client first, or None if nothing came."""
    if not is_version_at_least(ctx.protocol_version, _MODERN):
        return await _asked_now(approval, ctx)
    key = f"approval-{approval.id}"
    responses = (ctx.params or {}).get("inputResponses")
    given = responses.get(key) if isinstance(responses, Mapping) else None
    if given is None:
        return InputRequiredResult(input_requests={key: ElicitRequest(params=_form(approval))})
    try:
        return ElicitResult.model_validate(given)
    except ValidationError:
        return None


def answer_in(result: ElicitResult | None) -> tuple[ApprovalAnswer | None, str]:
    """Return what a filled-in form says, and the reason in it; a closed or strange one says nothing."""
    if result is None or result.action == "cancel":
        return None, ""
    content = result.content or {}
    reason = content.get("reason")
    reason = reason if isinstance(reason, str) else ""
    if result.action == "decline":
        return "deny", reason
    answer = content.get("answer")
    return (_ANSWERS.get(answer) if isinstance(answer, str) else None), reason


def _form(approval: Approval) -> ElicitRequestFormParams:
    message = message_of(approval.question, approval.shown, approval.id)
    return ElicitRequestFormParams(message=message, requested_schema=_SCHEMA)


async def _asked_now(approval: Approval, ctx: ServerRequestContext[Any, Any]) -> ElicitResult | None:
    form = _form(approval)
    try:
        async with asyncio.timeout(_SECONDS):
            return await ctx.session.elicit_form(form.message, form.requested_schema, related_request_id=ctx.request_id)
    except (MCPError, TimeoutError, ValidationError):
        return None
