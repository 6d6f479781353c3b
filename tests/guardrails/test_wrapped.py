"""The last step of the output path."""

from andon.guardrails.wrapped import wrapped

KEY = "gh" + "p_aB3dE6gH9jK2mN5pQ8sT1vW4yZ7bC0eF3hI6"


def test_text_is_data_from_its_origin() -> None:
    assert wrapped("ok\n", "run_command make") == '<data from="run_command make">\nok\n</data>'


def test_an_origin_holds_no_secret() -> None:
    assert wrapped("ok", f"run_command echo {KEY}").split("\n")[0] == (
        '<data from="run_command echo [redacted: github-token]">'
    )
