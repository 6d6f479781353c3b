import pytest


def order_of(client):
    text = client.get("/stocks").text
    tickers = ["AAPL", "BRK-B", "MSFT", "NVDA", "T"]
    return sorted(tickers, key=lambda ticker: text.index(f">{ticker}<"))


def test_stocks_are_ordered_by_ticker_at_first(client):
    assert order_of(client) == ["AAPL", "BRK-B", "MSFT", "NVDA", "T"]


def test_the_order_is_saved_and_stays(client):
    answer = client.post("/settings", order="name")
    assert (answer.status, answer.headers["Location"]) == (303, "/settings")
    assert order_of(client) == ["T", "AAPL", "BRK-B", "MSFT", "NVDA"]
    assert "<option selected>name</option>" in client.get("/settings").text


def test_an_order_that_makes_no_sense_is_refused(client, data):
    answer = client.post("/settings", order="<price>")
    assert answer.status == 400
    assert "cannot be ordered by &lt;price&gt;" in answer.text
    assert not data.exists()


@pytest.mark.parametrize("damaged", ["", "{", "[]", '{"order": "price"}'])
def test_damaged_settings_are_as_at_first(client, data, damaged):
    data.mkdir()
    (data / "settings.json").write_text(damaged)
    assert order_of(client) == ["AAPL", "BRK-B", "MSFT", "NVDA", "T"]
