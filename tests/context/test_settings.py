"""factory/andon.toml."""

from collections.abc import Callable, Mapping
from decimal import Decimal

import pytest

from andon.context.base import BaseFiles
from andon.context.settings import Checks, LaneSettings, Limits, Models, Provider, Settings, load_settings
from andon.records.budget import Allowance, Price
from andon.records.errors import UserError

MakeFiles = Callable[[Mapping[str, str | bytes]], BaseFiles]
FULL = """
[limits]
review_rounds = 3
model_calls = 40
command_seconds = 30
check_seconds = 90
tokens = 200000
cost = 2.50
minutes = 30
tool_calls = 100
[limits.executor]
model_calls = 30
minutes = 12.5
[limits.reviewer]
cost = 1
[prices."chat/own"]
input = 0.1
output = 0
[models]
default = "provider/model"
reviewer = "provider/other"
stream = false
[provider]
base_url = "https://models.example.org:8443/v1"
[checks]
test = [["python", "-m", "pytest", "-q"], "npm test -- 'a b'"]
static = []
audit = false
[lanes.default]
[lanes.nightly]
reviewers = ["security", "tests", "release-notes"]
[protected_paths]
authentication = ["src/auth/", "*.pem"]
"""


def test_without_the_file_the_defaults_hold(base: MakeFiles) -> None:
    settings = load_settings(base({"README.md": ""}))
    assert settings == Settings()
    limits = Limits(
        review_rounds=2,
        model_calls=80,
        tokens=10_000_000,
        cost=None,
        minutes=Decimal(120),
        tool_calls=500,
        command_seconds=120,
        check_seconds=600,
        planner=Allowance(),
    )
    assert (settings.limits, settings.checks) == (limits, Checks(test=None, static=None, audit=None))
    assert (settings.models, settings.provider) == (Models(stream=True), Provider(base_url=""))


@pytest.mark.parametrize("text", [FULL, FULL.replace("\n", "\r\n"), "\ufeff" + FULL])
def test_every_key_is_read_whatever_the_newlines_or_byte_order_mark(base: MakeFiles, text: str) -> None:
    assert load_settings(base({"factory/andon.toml": text})) == Settings(
        limits=Limits(
            review_rounds=3,
            model_calls=40,
            tokens=200_000,
            cost=Decimal("2.50"),
            minutes=Decimal(30),
            tool_calls=100,
            command_seconds=30,
            check_seconds=90,
            executor=Allowance(model_calls=30, minutes=Decimal("12.5")),
            reviewer=Allowance(cost=Decimal(1)),
        ),
        prices={"chat/own": Price(input=Decimal("0.1"), output=Decimal(0))},
        models=Models(default="provider/model", reviewer="provider/other", stream=False),
        provider=Provider(base_url="https://models.example.org:8443/v1"),
        checks=Checks(test=[("python", "-m", "pytest", "-q"), ("npm", "test", "--", "a b")], static=[], audit=False),
        lanes={"default": LaneSettings(), "nightly": LaneSettings(reviewers=["security", "tests", "release-notes"])},
        protected_paths={"authentication": ["src/auth/", "*.pem"]},
    )


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[limits]\nreview_rounds = \n", ": malformed TOML: Invalid value (at line 2, column 17). Correct that line."),
        (b"a = '\xff'", ":1: not UTF-8 text. Save the file as UTF-8."),
        (
            "[limit]\n",
            ": limit: unknown field, or a second spelling of one already given. Correct the key and run again.",
        ),
        ("[limits]\nreviews = 1\n", ": limits.reviews: unknown field, or a second spelling"),
        ("[limits]\nmodel_calls = '9'\n", ": limits.model_calls: Input should be a valid integer. "),
        ("[limits]\nmodel_calls = true\n", ": limits.model_calls: Input should be a valid integer. "),
        ("[limits]\nmodel_calls = 0\n", ": limits.model_calls: Input should be greater than or equal to 1. "),
        ("[limits]\nmodel_calls = 1.5\n", ": limits.model_calls: Input should be a valid integer. "),
        ("[limits]\ntokens = -1\n", ": limits.tokens: Input should be greater than or equal to 1. "),
        ("[limits]\ntool_calls = 0\n", ": limits.tool_calls: Input should be greater than or equal to 1. "),
        ("[limits]\ntokens = " + "9" * 5000, ": malformed TOML: "),
        ("[limits]\ncost = 0\n", ": limits.cost: Input should be greater than 0. "),
        ("[limits]\ncost = -0.5\n", ": limits.cost: Input should be greater than 0. "),
        ("[limits]\ncost = nan\n", ": limits.cost: Input should be a finite number. "),
        ("[limits]\ncost = inf\n", ": limits.cost: Input should be a finite number. "),
        ("[limits]\ncost = 1e99999999999999999999\n", ": limits.cost: Input should be a finite number. "),
        ("[limits]\ncost = 1e10\n", ": limits.cost: Input should be less than or equal to 1000000000. "),
        ("[limits]\ncost = '2'\n", ": limits.cost: must be a number, such as 2.50. "),
        ("[limits]\ncost = true\n", ": limits.cost: must be a number, such as 2.50. "),
        ("[limits]\nminutes = 0.0\n", ": limits.minutes: Input should be greater than 0. "),
        ("[limits]\nexecutor = 5\n", ": limits.executor: Input should be a valid dictionary"),
        ("[limits.client]\ncost = 1\n", ": limits.client: unknown field"),
        ("[limits.planner]\nreview_rounds = 1\n", ": limits.planner.review_rounds: unknown field"),
        ("[prices.m]\ninput = 1\n", ": prices.m.output: this field is required. "),
        ("[prices.m]\ninput = -1\noutput = 1\n", ": prices.m.input: Input should be greater than or equal to 0. "),
        ("[prices.m]\ninput = 1\noutput = nan\n", ": prices.m.output: Input should be a finite number. "),
        ("[prices.m]\ninput = 1\noutput = 1\nper = 1\n", ": prices.m.per: unknown field"),
        ("[prices]\nm = 1\n", ": prices.m: Input should be a valid dictionary"),
        ("[models]\ndefault = 1\n", ": models.default: Input should be a valid string. "),
        ("[models]\nstream = 'no'\n", ": models.stream: Input should be a valid boolean. "),
        ("[provider]\nkey = 'x'\n", ": provider.key: unknown field"),
        ("[provider]\nbase_url = 'models.example.org'\n", ": provider.base_url: must be an address such as https://"),
        ("[provider]\nbase_url = 'file:///etc'\n", ": provider.base_url: must be an address such as https://"),
        ("[provider]\nbase_url = 'https://a:b@evil.example'\n", ": provider.base_url: must be an address such as"),
        ("[provider]\nbase_url = 'https://good.example@evil.example'\n", ": provider.base_url: must be an address"),
        ("[provider]\nbase_url = 'https://аndon.example/v1'\n", ": provider.base_url: must be an address such as"),
        ("[provider]\nbase_url = 'https://x/v1?to=y'\n", ": provider.base_url: must be an address such as"),
        ('[provider]\nbase_url = "https://x/\\u001b[2J"\n', ": provider.base_url: must be an address such as"),
        ("[checks]\ntest = 'pytest'\n", ": checks.test: Input should be a valid list. "),
        ("[checks]\ntest = [[]]\n", ": checks.test.0: must be a command: a string, or a list of words. "),
        ("[checks]\ntest = [['a', 1]]\n", ": checks.test.0: must be a command: a string, or a list of words. "),
        ('[checks]\ntest = ["it\'s"]\n', ": checks.test.0: cannot be split into words: No closing quotation. "),
        ("[checks]\ntest = ['a && b']\n", ": checks.test.0: holds '&&', but commands run without a shell"),
        ("[checks]\ntest = ['cd x; b']\n", ": checks.test.0: holds 'x;', but commands run without a shell"),
        ("[checks]\nstatic = ['CI=1 ruff']\n", ": checks.static.0: must begin with a program, not 'CI=1'. "),
        (
            "[lanes.a]\nreviewers = ['style']\n",
            ": lanes.a.reviewers.0: Input should be 'security', 'tests' or 'release-",
        ),
        ("[lanes.a]\nreviewers = 'tests'\n", ": lanes.a.reviewers: Input should be a valid list. "),
        (
            "[lanes.a]\nreviewers = ['tests', 'security', 'tests']\n",
            ": lanes.a.reviewers: names 'tests' twice: each reviewer looks once in a round. Correct the key",
        ),
        ("[lanes.a]\nreviewer = ['tests']\n", ": lanes.a.reviewer: unknown field"),
        ("[lanes]\nreviewers = ['tests']\n", ": lanes.reviewers: Input should be a valid dictionary"),
        ("[lanes.'a b']\nreviewers = []\n", ": lanes.a b.[key]: cannot be the name of a lane: write letters"),
        ("[protected_paths]\nbilling = 'x'\n", ": protected_paths.billing: Input should be a valid list. "),
        ("[protected_paths]\nbilling = ['']\n", ": protected_paths.billing.0: String should have at least 1 character"),
    ],
)
def test_a_bad_file_is_refused_with_file_and_key(base: MakeFiles, text: str | bytes, said: str) -> None:
    with pytest.raises(UserError) as caught:
        load_settings(base({"factory/andon.toml": text}))
    assert str(caught.value).startswith(f"factory/andon.toml{said}")
