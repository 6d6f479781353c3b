"""The detectors taken over from detect-secrets: their expressions alone, run by our own scan.

Its `scan_line` reads 0.4 MB/s, and `pragma: allowlist secret` in the text switches it off. Its entropy detectors call
hashes secrets and its address detector every public address; keys, JWT, npm, Basic and named secrets are found more
exactly here; Discord, Telegram and Twilio have nothing to look for first. Importing it takes 0.2 s and loads an HTTP
client, so that waits until a text holds one of the anchors.
"""

import importlib
from collections.abc import Iterator
from functools import cache
from typing import NamedTuple

from andon.guardrails.redact_vendors import Shape


class _Detector(NamedTuple):
    kind: str
    anchors: tuple[str, ...]
    module: str
    name: str
    used: int | None = None
    """How many of its expressions are used, where later ones need a name beside the secret."""


_DETECTORS = (
    _Detector("aws-access-key", ("A3T", "ABIA", "ACCA", "AKIA", "ASIA"), "aws", "AWSKeyDetector", 1),
    _Detector("github-token", ("ghp_", "gho_", "ghu_", "ghs_", "ghr_"), "github_token", "GitHubTokenDetector"),
    _Detector(
        "gitlab-token",
        (
            "glpat-",
            "gldt-",
            "glft-",
            "glsoat-",
            "glrt-",
            "GR1348941",
            "glcbt-",
            "glimt-",
            "glptt-",
            "glagent-",
            "gloas-",
        ),
        "gitlab_token",
        "GitLabTokenDetector",
    ),
    _Detector("mailchimp-key", ("-us",), "mailchimp", "MailchimpDetector"),
    _Detector("openai-key", ("T3BlbkFJ",), "openai", "OpenAIDetector"),
    _Detector("pypi-token", ("pypi-AgE",), "pypi_token", "PypiTokenDetector"),
    _Detector("sendgrid-key", ("SG.",), "sendgrid", "SendGridDetector"),
    _Detector("slack-token", ("xox",), "slack", "SlackDetector", 1),
    _Detector("square-token", ("sq0csp-",), "square_oauth", "SquareOAuthDetector"),
    _Detector("stripe-key", ("k_live_",), "stripe", "StripeDetector"),
)


def detectors(words: str) -> Iterator[Shape]:
    """Yield the shapes of which an anchor occurs in `words`."""
    for detector in _DETECTORS:
        if any(anchor in words for anchor in detector.anchors):
            yield from _shapes(detector)


@cache
def _shapes(detector: _Detector) -> tuple[Shape, ...]:
    module = importlib.import_module(f"detect_secrets.plugins.{detector.module}")
    patterns = tuple(getattr(module, detector.name).denylist)[: detector.used]
    return tuple(Shape(detector.kind, detector.anchors, pattern) for pattern in patterns)
