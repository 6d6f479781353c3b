import pytest


def test_the_home_page_links_to_the_stocks(client):
    answer = client.get("/")
    assert answer.status == 200
    assert '<a href="/stocks">Stocks</a>' in answer.text


def test_every_stock_is_listed_with_its_price(client):
    text = client.get("/stocks").text
    assert '<td><a href="/stocks/AAPL">AAPL</a></td><td>Apple</td><td>189.98</td>' in text
    assert text.count("<tr>") == 6


@pytest.mark.parametrize("path", ["/stocks/AAPL", "/stocks/aapl"])
def test_a_stock_has_a_page_however_its_ticker_is_typed(client, path):
    answer = client.get(path)
    assert (answer.status, "<p>Apple: 189.98</p>" in answer.text) == (200, True)


def test_names_are_escaped(client):
    assert "AT&amp;T" in client.get("/stocks").text


def test_an_unknown_stock_is_not_found_and_its_name_is_escaped(client):
    answer = client.get("/stocks/<b>")
    assert answer.status == 404
    assert "There is no stock &lt;b&gt;." in answer.text


def test_an_unknown_page_is_not_found(client):
    assert client.get("/nowhere").status == 404


def test_a_page_that_takes_no_form_says_so(client):
    assert client.post("/stocks", ticker="AAPL").status == 405
