"""Shapes of tokens that detect-secrets 1.5.0 does not know or not fully, as their issuers document them."""

import re
from typing import NamedTuple


class Shape(NamedTuple):
    """How the tokens of one kind look."""

    kind: str
    """As the marker names it."""
    anchors: tuple[str, ...]
    """Every token holds one of these; none where there is no such text."""
    pattern: re.Pattern[str]
    """The token; its first group where only a part is secret. Without borders: those are looked at by the scan."""


def _shape(kind: str, anchors: str, pattern: str) -> Shape:
    return Shape(kind, tuple(anchors.split()), re.compile(pattern))


# Repeats have an upper bound and never give back: a megabyte of beginnings stays a matter of moments.


VENDORS: tuple[Shape, ...] = (
    _shape("age-key", "AGE-SECRET-KEY-1", r"AGE-SECRET-KEY-1[0-9A-Z]{50,4000}+"),
    _shape("airtable-token", "pat", r"pat[A-Za-z0-9]{14}\.[0-9a-f]{64}"),
    _shape("anthropic-key", "sk-ant-", r"sk-ant-[A-Za-z0-9_-]{20,4000}+"),
    _shape("artifactory-token", "AKC", r"AKCp?[A-Za-z0-9]{10,100}"),
    _shape("atlassian-token", "ATATT3 ATCTT3 ATBB", r"AT[AC]TT3[\w=-]{50,4000}+|ATBB[A-Za-z0-9]{28,4000}+"),
    _shape("azure-secret", "Q~", r"[A-Za-z0-9_~.]{3}\dQ~[A-Za-z0-9_~.-]{31,34}"),
    _shape("buildkite-token", "bkua_", r"bkua_[0-9a-f]{40}"),
    _shape("circleci-token", "CCIPAT_ CCIPRJ_", r"CCIP(?:AT|RJ)_[A-Za-z0-9_]{20,4000}+"),
    _shape("databricks-token", "dapi", r"dapi[0-9a-f]{32}(?:-\d)?"),
    _shape("digitalocean-token", "_v1_", r"do[opr]_v1_[a-f0-9]{64}"),
    _shape("discord-token", "M N O", r"[MNO][A-Za-z\d_-]{23,27}\.[A-Za-z\d_-]{6}\.[A-Za-z\d_-]{27,38}"),
    _shape("docker-token", "dckr_", r"dckr_[po]at_[A-Za-z0-9_-]{20,4000}+"),
    _shape("doppler-token", "dp.", r"dp\.(?:pt|st|ct|sa|scim|audit)\.[A-Za-z0-9_.-]{40,4000}+"),
    _shape("dynatrace-token", "dt0", r"dt0[a-z]\d\d\.[A-Z0-9]{24}\.[A-Z0-9]{64}"),
    _shape("facebook-token", "EAA", r"EAA[A-Za-z0-9]{80,4000}+"),
    _shape("figma-token", "figd_", r"figd_[A-Za-z0-9_-]{40,4000}+"),
    _shape("fly-token", "fm1r_ fm2_ fo1_", r"f(?:m1r|m2|o1)_[A-Za-z0-9+/=_-]{40,4000}+"),
    _shape(
        "github-token",
        "github_pat_ ghp_ gho_ ghu_ ghs_ ghr_",
        r"github_pat_[A-Za-z0-9_]{22,4000}+|gh[pousr]_[A-Za-z0-9]{36,4000}+",
    ),
    _shape("google-api-key", "AIza", r"AIza[A-Za-z0-9_-]{35}"),
    _shape("google-oauth-token", "ya29. GOCSPX-", r"ya29\.[A-Za-z0-9_-]{20,4000}+|GOCSPX-[A-Za-z0-9_-]{20,4000}+"),
    _shape("grafana-token", "glsa_ glc_", r"glsa_[A-Za-z0-9]{32}_[A-Fa-f0-9]{8}|glc_[A-Za-z0-9+/=]{32,4000}+"),
    _shape("groq-key", "gsk_", r"gsk_[A-Za-z0-9]{40,4000}+"),
    _shape("heroku-key", "HRKU-", r"HRKU-[A-Za-z0-9_-]{36,4000}+"),
    _shape("hugging-face-token", "hf_", r"hf_[A-Za-z0-9]{30,4000}+"),
    _shape(
        "jwt",
        "eyJ",
        r"eyJ[A-Za-z0-9_-]{10,600}+={0,2}+\.[A-Za-z0-9_-]{10,8000}+={0,2}+(?:\.[A-Za-z0-9_-]{0,4000}+){1,3}",
    ),
    _shape("langsmith-key", "lsv2_", r"lsv2_(?:pt|sk)_[0-9a-f]{32}_[0-9a-f]{10}"),
    _shape("linear-key", "lin_", r"lin_(?:api|oauth)_[A-Za-z0-9]{32,4000}+"),
    _shape("mailgun-key", "key-", r"key-[0-9a-f]{32}"),
    _shape("netlify-token", "nfp_", r"nfp_[A-Za-z0-9]{36,4000}+"),
    _shape("new-relic-key", "NRAK- NRII- NRJS-", r"NR(?:AK|II|JS)-[A-Za-z0-9_-]{19,4000}+"),
    _shape("notion-token", "ntn_ secret_", r"ntn_[A-Za-z0-9]{40,4000}+|secret_[A-Za-z0-9]{43}"),
    _shape("npm-token", "npm_", r"npm_[A-Za-z0-9]{36,4000}+"),
    _shape("openai-key", "sk-", r"sk-(?:proj-|svcacct-|admin-)?[A-Za-z0-9_-]{20,4000}+"),
    _shape("perplexity-key", "pplx-", r"pplx-[A-Za-z0-9]{40,4000}+"),
    _shape("planetscale-token", "pscale_", r"pscale_(?:tkn|pw|oauth)_[\w.=-]{32,4000}+"),
    _shape("posthog-key", "phx_", r"phx_[A-Za-z0-9]{40,4000}+"),
    _shape("postman-key", "PMAK-", r"PMAK-[0-9a-f]{24}-[0-9a-f]{34}"),
    _shape("pulumi-token", "pul-", r"pul-[0-9a-f]{40}"),
    _shape("pypi-token", "pypi-", r"pypi-[A-Za-z0-9_-]{50,4000}+"),
    _shape("replicate-token", "r8_", r"r8_[A-Za-z0-9]{37}"),
    _shape("rubygems-key", "rubygems_", r"rubygems_[0-9a-f]{48}"),
    _shape("sendinblue-key", "xkeysib-", r"xkeysib-[0-9a-f]{64}-[A-Za-z0-9]{16}"),
    _shape("sentry-token", "sntry", r"sntry[su]_[A-Za-z0-9+/=_]{40,4000}+"),
    _shape("shopify-token", "shp", r"shp(?:at|ca|pa|ss)_[a-fA-F0-9]{32}"),
    _shape(
        "slack-token", "xox xapp-", r"xox[a-z](?:\.xox[a-z])?-[A-Za-z0-9-]{10,4000}+|xapp-\d-[A-Za-z0-9-]{10,4000}+"
    ),
    _shape("square-token", "sq0 EAAA", r"sq0[a-z]{3}-[\w-]{22,4000}+|EAAA[\w-]{60}"),
    _shape(
        "stripe-key",
        "_live_ _test_ whsec_",
        r"[sr]k_(?:live|test)_[A-Za-z0-9]{16,4000}+|whsec_[A-Za-z0-9+/=]{24,4000}+",
    ),
    _shape("supabase-key", "sbp_ sb_secret_", r"sbp_[0-9a-f]{40}|sb_secret_[A-Za-z0-9_-]{20,4000}+"),
    _shape("tailscale-key", "tskey-", r"tskey-[a-z]+-[A-Za-z0-9-]{20,4000}+"),
    _shape("telegram-token", ":", r":(?<=\d{8}:)[A-Za-z0-9_-]{35}"),
    _shape("terraform-token", ".atlasv1.", r"[A-Za-z0-9]{14}\.atlasv1\.[\w-]{60,4000}+"),
    _shape("twilio-key", "AC SK", r"(?:AC|SK)[0-9a-z]{32}"),
    _shape("vault-token", "hvs. hvb. hvr.", r"hv[sbr]\.[A-Za-z0-9_-]{24,4000}+"),
    _shape("xai-key", "xai-", r"xai-[A-Za-z0-9]{60,4000}+"),
)
"""One shape a kind, in the order of their names."""

PATHS: tuple[Shape, ...] = (
    _shape(
        "slack-webhook",
        "hooks.slack.com/",
        r"hooks\.slack\.com/(?:services|workflows|triggers)/([A-Za-z0-9_/-]{20,4000}+)",
    ),
    _shape("discord-webhook", "/api/webhooks/", r"discord(?:app)?\.com/api/webhooks/(\d{15,4000}+/[\w-]{40,4000}+)"),
    _shape("teams-webhook", "webhook.office.com/", r"webhook\.office\.com/(\w+/[^\s\"'<>]{40,4000}+)"),
    _shape("azure-signature", "sig=", r"[?&;]sig=([A-Za-z0-9%+/_=-]{40,4000}+)"),
    _shape(
        "azure-storage-key", "AccountKey= SharedAccessKey=", r"(?:Account|SharedAccess)Key=([A-Za-z0-9+/=]{40,4000}+)"
    ),
)
"""Secrets within addresses and connection strings."""
