"""Secrets in what is shown: found in whatever shape they come, and nothing else taken for one."""

import base64
import subprocess
import sys
import time
from collections.abc import Mapping
from urllib.parse import quote

import pytest
from secret_kit import NAMED, TOKENS, benign_lines, secret_lines

from andon.guardrails.output import clean
from andon.guardrails.redact import markers, redact, redacted_values
from andon.guardrails.redact_known import learn, own_values, values_in_file

TOKEN = "gh" + "p_aB3dE6gH9jK2mN5pQ8sT1vW4yZ7bC0eF3hI6"
OPENAI = "sk" + "-proj-aB3dE6gH9jK2mN5pQ8sT1vW4yZ7bC0eF3hI6"
OWN = "my-very-Own/k3y+value=7"
PEM = "\n".join(
    ["-----BEGIN RSA PRIVATE" + " KEY-----", *["MIIEowIBAAKCAQEA" * 4] * 5, "-----END RSA PRIVATE" + " KEY-----"]
)


def shown(text: str, *known: str) -> str:
    return redact(text, known).text


def test_secrets_of_many_kinds_are_found_in_many_places() -> None:
    lines = secret_lines()
    missed = [
        kind for kind, secret, line in lines if any(part in shown(line) for part in secret.split("\n") if len(part) > 5)
    ]
    assert (len(TOKENS) + len(NAMED) >= 28, len(lines) >= 28 * 3) == (True, True)
    assert missed == []


def test_hashes_ids_placeholders_code_and_other_scripts_stay() -> None:
    lines = benign_lines()
    assert len(lines) >= 200
    assert [line for line in lines if shown(line) != line] == []
    assert shown("\n".join(lines)) == "\n".join(lines)


def test_what_was_found_is_told_by_kind_and_number_and_never_by_value() -> None:
    found = redact(f"a {TOKEN} b {TOKEN}\nDB_PASSWORD=hunter22x\n", ())
    assert found.text == "a [redacted: github-token] b [redacted: github-token]\nDB_PASSWORD=[redacted: named-secret]\n"
    assert found.found == {"github-token": 2, "named-secret": 1} == markers(found.text)


def test_redacting_twice_changes_nothing() -> None:
    once = shown("\n".join(line for _, _, line in secret_lines()))
    assert redact(once, ()) == (once, {})


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (f"{TOKEN[:20]}\n{TOKEN[20:]}\nnext", "[redacted: github-token]\n[redacted: github-token]\nnext"),
        (f"{TOKEN[:9]}\n{TOKEN[9:20]}\n{TOKEN[20:]}", "\n".join(["[redacted: github-token]"] * 3)),
        (f"{TOKEN[:15]}<U+200B>{TOKEN[15:]}", "[redacted: github-token]"),
        (f"{TOKEN}\ndone", "[redacted: github-token]\ndone"),
        (f"{OPENAI}\nok", "[redacted: openai-key]\nok"),
        (f"{OPENAI}\n2026-11-24 INFO", "[redacted: openai-key]\n2026-11-24 INFO"),
        (f"{OPENAI[:30]}\n{OPENAI[30:]}\nok", "[redacted: openai-key]\n[redacted: openai-key]\nok"),
        (f'"a\\n{TOKEN}\\n"', '"a\\n[redacted: github-token]\\n"'),
        (f"x=%3D{TOKEN}", "x=%3D[redacted: github-token]"),
        (f"https://x:{TOKEN}@github.com/o/r", "https://x:[redacted: github-token]@github.com/o/r"),
    ],
)
def test_wraps_and_neighbours_hide_no_token_and_lose_no_other_text(text: str, expected: str) -> None:
    assert shown(text) == expected


def test_colour_codes_and_controls_within_a_token_hide_nothing() -> None:
    data = f"\x1b[32m{TOKEN[:10]}\x1b[0m\x1b[1m{TOKEN[10:20]}\x00{TOKEN[20:]}\x1b[0m ok".encode()
    assert shown(clean(data, cap=10_000)) == "[redacted: github-token] ok"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (f"a\n{PEM}\nb", "a\n" + "[redacted: private-key]\n" * 7 + "b"),
        (PEM.replace("\n", "\\n"), "[redacted: private-key]"),
        (PEM.rsplit("\n", 2)[0] + "\n[… 9 bytes cut here]", "[redacted: private-key]\n" * 5 + "[… 9 bytes cut here]"),
        ("cut here]\n" + PEM.split("\n", 2)[2], "cut here]" + "\n[redacted: private-key]" * 5),
        ("-----BEGIN PRIVATE KEY-----\n...\n-----END PRIVATE KEY-----",) * 2,
        ('if "-----BEGIN RSA PRIVATE KEY-----" in text:',) * 2,
    ],
)
def test_private_keys_go_whole_or_cut_and_lines_keep_their_numbers(text: str, expected: str) -> None:
    assert shown(text) == expected


@pytest.mark.parametrize(
    "form",
    [
        OWN,
        f"{OWN[:10]}\n{OWN[10:]}",
        OWN.encode().hex(),
        OWN.encode().hex().upper(),
        quote(OWN, safe=""),
        quote(OWN, safe="").replace("%2F", "%2f").replace("%2B", "%2b").replace("%3D", "%3d"),
        *(base64.b64encode(b"u" * before + OWN.encode() + b":x").decode() for before in range(3)),
        base64.urlsafe_b64encode(OWN.encode()).decode(),
        "\n".join(base64.b64encode(OWN.encode()).decode()[at : at + 11] for at in range(0, 32, 11)),
    ],
)
def test_a_value_we_know_is_found_in_every_form(form: str) -> None:
    found = redact(f"first {form} last", (OWN,))
    assert found.found == {"known-secret": 1}
    # Of base64 the digits at the ends may stay, which belong to what stands beside the value.
    assert len(found.text.replace("[redacted: known-secret]", "")) <= len("first  last") + 12


@pytest.mark.parametrize(
    ("environment", "expected"),
    [
        ({"OPENAI_API_KEY": OPENAI, "PATH": "/usr/bin", "HOME": "/home/x1"}, (OPENAI,)),
        ({"GITHUB_TOKEN": TOKEN, "ANTHROPIC_API_KEY": "k" + OWN}, (TOKEN, "k" + OWN)),
        ({"DB_PASSWORD": "s3cret-Pass"}, ("s3cret-Pass",)),
        ({"PIP_INDEX_URL": "https://me:p%40ssw0rd1@index.example/simple"}, ("p%40ssw0rd1", "p@ssw0rd1")),
        ({"OPENAI_API_KEY": "x", "A_TOKEN": "unused-key", "B_SECRET": "changeme", "C_PASSWORD": "12345678"}, ()),
        (
            {
                "TOKENIZERS_PARALLELISM": "false1234",
                "SSH_AUTH_SOCK": "/tmp/ssh-x1/agent.1",
                "KEY_TOKEN": "/run/k3y/file",
            },
            (),
        ),
        ({"BROKEN_URL": "http://[x:y@z"}, ()),
    ],
)
def test_the_factorys_own_secrets_come_from_its_environment(
    environment: Mapping[str, str], expected: tuple[str, ...]
) -> None:
    assert own_values(environment) == expected


def test_a_secret_of_this_process_is_redacted_without_being_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", OWN)
    assert redact(f"echo {OWN}") == ("echo [redacted: known-secret]", {"known-secret": 1})


def test_stored_values_are_redacted_by_what_they_are_and_by_their_names() -> None:
    data = {"text": f"see {TOKEN}", "password": "hunter22x", "n": 1, "list": [TOKEN, None], "id": "0b5e9d1c" * 5}
    assert redacted_values(data) == {
        "text": "see [redacted: github-token]",
        "password": "[redacted: named-secret]",
        "n": 1,
        "list": ["[redacted: github-token]", None],
        "id": "0b5e9d1c" * 5,
    }


@pytest.mark.parametrize(
    "text",
    [
        "", "\n", "=", "password", "password=", "password='", "token: ", "://:@", "-----BEGIN ",
        "\ud800 password=hunter22x",
        "İİİ password = 'hunter22x'", "\x00" * 50, "eyJ.eyJ.eyJ",
    ],
)  # fmt: skip
def test_odd_and_unfinished_text_is_no_fault(text: str) -> None:
    assert redact(text, ()).text.count("\n") == text.count("\n")
    assert "hunter22x" not in redact(text, ()).text


@pytest.mark.parametrize(
    "piece",
    [
        "password=", 'secret":', "token_", "eyJ", "eyJ-", "sk-", "ghp_\n", "github_pat_", "glpat-", "AKIA", "://a:",
        "login ",
        "-----BEGIN RSA PRIVATE KEY-----", "-----END RSA PRIVATE KEY-----\n", "authorization: bearer ",
        "<U+200B>", "A", "a@",
        "hooks.slack.com/services/",
    ],
)  # fmt: skip
def test_hostile_text_costs_time_in_proportion_to_its_length(piece: str) -> None:
    def seconds(size: int) -> float:
        text = piece * (size // len(piece))
        start = time.process_time()
        redact(text, (OWN,))
        return time.process_time() - start

    seconds(20_000)
    short, long = max(seconds(20_000), 0.002), seconds(160_000)
    # Eight times the text; what is quadratic would take sixty-four times as long.
    assert long < 32 * short


def test_a_pragma_in_the_text_switches_nothing_off() -> None:
    assert TOKEN not in shown(f'KEY = "{TOKEN}"  # pragma: allowlist secret')


def test_detect_secrets_is_imported_only_for_a_text_that_may_hold_what_it_knows() -> None:
    script = (
        "import sys; from andon.guardrails.redact import redact\n"
        "redact('token = get_token()', ()); print('detect_secrets' in sys.modules)\n"
        f"print(redact('{'AK' + 'IA2E0A8F3B244C9986'}', ()).text, 'detect_secrets' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", script], check=True, capture_output=True, text=True)
    assert done.stdout == "False\n[redacted: aws-access-key] True\n"


def test_the_secret_values_of_a_secret_file_are_read_and_nothing_else_of_it() -> None:
    content = (
        "# settings\nexport API_TOKEN='kq7vX2mPz9Lw'\nDEBUG=true\nHOST=example\nLEVEL: info\n"
        "DATABASE=postgres://app:w0rm-h0le-42@db/x\nSESSION=8f3kQ0zzT51mWnBv\n"
        + "M" * 20 + "IIEowIBAAKCAQEA7" * 3 + "\n"
    )  # fmt: skip
    key = "M" * 20 + "IIEowIBAAKCAQEA7" * 3
    assert values_in_file(content.encode()) == ["kq7vX2mPz9Lw", "w0rm-h0le-42", "w0rm-h0le-42",
        "postgres://app:w0rm-h0le-42@db/x", "8f3kQ0zzT51mWnBv", key]  # fmt: skip
    assert values_in_file(b"\xff\xfe\0") == []


def test_a_value_that_was_learned_is_hidden_in_every_form_from_then_on() -> None:
    value = "zebra-crossing-Kx91"
    coded = base64.b64encode(f"say {value} twice".encode()).decode()
    assert value in redact(value).text
    learn([value])
    for text in (value, coded, value.encode().hex(), quote(value)):
        assert "known-secret" in redact(f"it is {text} here").text
