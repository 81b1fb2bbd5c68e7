"""The dashboard: pages for customers and operators, which learn everything from the API under the visitor's key."""

from fastapi import FastAPI

from billing.dashboard import assets, docs, pages, signing_in

__all__ = ["mount"]


def mount(app: FastAPI) -> None:
    """Adds the pages, behind every route of the API: a charge does not search through them."""
    for routes in (signing_in.ROUTES, pages.ROUTES, docs.ROUTES, assets.ROUTES):
        app.router.routes.extend(routes)
