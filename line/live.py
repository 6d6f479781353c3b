"""Who answers a live run: the models the project or the caller names, at the endpoint the environment names."""

from collections.abc import Mapping

from agents.models import get_default_model

from andon.agents.models import openai_model
from andon.context.settings import Settings
from andon.line.run import ROLES, Answerer
from andon.records.errors import UserError


def live_answerer(settings: Settings, model: str | None, environment: Mapping[str, str]) -> Answerer:
    """Return models for every role. Repository files may name models; the endpoint comes from the environment only.

    Raises:
        UserError: no key is set.
    """
    key = environment.get("OPENAI_API_KEY", "")
    if not key:
        raise UserError(
            "no model to ask: set OPENAI_API_KEY (and OPENAI_BASE_URL for another server), or try `andon demo`"
        )
    base_url = environment.get("OPENAI_BASE_URL") or None
    names = {
        role: model or getattr(settings.models, role) or settings.models.default or get_default_model()
        for role in ROLES
    }
    models = {role: openai_model(names[role], base_url=base_url, api_key=key) for role in ROLES}
    return Answerer(models=models, label=", ".join(sorted(set(names.values()))))
