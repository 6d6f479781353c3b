import pytest

from watchlist import billing
from watchlist.auth.session import sign


def test_the_account_needs_a_session(client):
    assert client.get("/account").status == 401


def test_a_signed_session_sees_what_it_pays(client, session_key):
    answer = client.get("/account", cookie=f"session={sign('ada', session_key)}")
    assert (answer.status, "<p>ada pays 5.00 a month.</p>" in answer.text) == (200, True)


def test_a_session_signed_with_another_key_is_refused(client):
    assert client.get("/account", cookie=f"session={sign('ada', 'another key')}").status == 401


def test_further_seats_cost_more():
    assert [billing.monthly_charge(seats) for seats in (1, 2, 5)] == [500, 800, 1700]


def test_an_account_without_seats_is_refused():
    with pytest.raises(ValueError, match="at least one seat"):
        billing.monthly_charge(0)
