"""The routes. A handler takes the request and the service, and returns a response."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from watchlist import billing, settings, stocks
from watchlist.auth.session import user_of
from watchlist.render import link, page, table, text
from watchlist.web import Application, Request, Response, redirect, wsgi


@dataclass(frozen=True)
class Service:
    """What handlers need."""

    data: Path
    session_key: str


Handler = Callable[[Request, Service], Response]


def home(request: Request, service: Service) -> Response:
    """The first page."""
    links = [link("/stocks", "Stocks"), link("/settings", "Settings"), link("/account", "Account")]
    items = "".join(f"<li>{item}</li>" for item in links)
    return Response(page("Watchlist demo", f"<ul>{items}</ul>"))


def stock_list(request: Request, service: Service) -> Response:
    """Every stock on offer, in the order the settings ask for."""
    order = settings.load(service.data).order
    rows = [
        (link(f"/stocks/{stock.ticker}", stock.ticker), text(stock.name), stock.price_text)
        for stock in sorted(stocks.STOCKS, key=lambda stock: getattr(stock, order))
    ]
    return Response(page("Stocks", table(("Ticker", "Name", "Price"), rows)))


def stock_page(request: Request, service: Service) -> Response:
    """One stock."""
    ticker = request.path.rsplit("/", 1)[1]
    stock = stocks.find(ticker)
    if stock is None:
        message = f"<p>There is no stock {text(ticker)}.</p>"
        return Response(page("Not found", message), status=404)
    price = f"<p>{text(stock.name)}: {stock.price_text}</p>"
    return Response(page(stock.ticker, price, link("/stocks", "All stocks")))


def show_settings(request: Request, service: Service) -> Response:
    """The settings and a form to change them."""
    current = settings.load(service.data)
    selected = {current.order: " selected"}
    options = "".join(
        f"<option{selected.get(order, '')}>{order}</option>" for order in settings.ORDERS
    )
    form = (
        '<form method="post" action="/settings">'
        f'<label>Order <select name="order">{options}</select></label> <button>Save</button></form>'
    )
    return Response(page("Settings", form))


def save_settings(request: Request, service: Service) -> Response:
    """Save the settings and go back to them."""
    order = request.form.get("order", "")
    if order not in settings.ORDERS:
        message = f"<p>Stocks cannot be ordered by {text(order)}.</p>"
        return Response(page("Settings", message, link("/settings", "Back")), status=400)
    settings.save(service.data, settings.Settings(order=order))
    return redirect("/settings")


def account(request: Request, service: Service) -> Response:
    """What the person who is signed in pays."""
    user = user_of(request.cookies.get("session", ""), service.session_key)
    if user is None:
        return Response(page("Sign in", "<p>Please sign in to see your account.</p>"), status=401)
    charge = billing.monthly_charge(seats=1)
    return Response(page("Account", f"<p>{text(user)} pays {billing.amount(charge)} a month.</p>"))


ROUTES: tuple[tuple[str, str, Handler], ...] = (
    ("GET", r"/", home),
    ("GET", r"/stocks", stock_list),
    ("GET", r"/stocks/[^/]+", stock_page),
    ("GET", r"/settings", show_settings),
    ("POST", r"/settings", save_settings),
    ("GET", r"/account", account),
)


def dispatch(request: Request, service: Service) -> Response:
    """Answer with the handler of the route, or say why there is none."""
    handlers = {verb: handler for verb, path, handler in ROUTES if re.fullmatch(path, request.path)}
    if not handlers:
        return Response(page("Not found", "<p>There is no such page.</p>"), status=404)
    if request.method not in handlers:
        return Response(page("Not allowed", "<p>This page cannot do that.</p>"), status=405)
    return handlers[request.method](request, service)


def create_app(data: Path, session_key: str) -> Application:
    """Return the WSGI application that keeps its files in `data`."""
    service = Service(data, session_key)
    return wsgi(lambda request: dispatch(request, service))
