"""The routes of the pages of personal data: the city's, and everybody's own."""

from starlette.routing import BaseRoute

from dothi.access.routes import page
from dothi.platform.platform import Platform
from dothi.web.own_data import OwnData
from dothi.web.personal import PersonalPages


def personal_routes(platform: Platform) -> list[BaseRoute]:
    """Everything below ``/personal``."""
    pages, own = PersonalPages(platform), OwnData(platform)
    subject = "/personal/subjects/{subject}"
    return [
        page("/personal", pages.index, action="personal.read"),
        page("/personal/looks.csv", pages.looks, action="personal.read"),
        page("/personal/purpose", pages.purpose, action="personal.write"),
        page("/personal/purpose", pages.declare, action="personal.write", methods=("POST",)),
        page("/personal/subjects", pages.enrol, action="personal.write", methods=("POST",)),
        page(subject, pages.subject, action="personal.read"),
        page(subject, pages.act, action="personal.write", methods=("POST",)),
        page(f"{subject}/look", pages.look, action="personal.look", methods=("POST",)),
        page(f"{subject}/delete", pages.delete, action="personal.erase", methods=("POST",)),
        page(f"{subject}/erase", pages.erase, action="personal.erase", methods=("POST",)),
        page("/personal/requests/{request}", pages.answer, action="personal.erase", methods=("POST",)),
        page("/personal/breach", pages.breach, action="personal.breach"),
        page("/personal/breach.csv", pages.breach_table, action="personal.breach"),
        page("/personal/mine", own.page, action="personal.own"),
        page("/personal/mine", own.act, action="personal.own", methods=("POST",)),
        page("/personal/mine.json", own.file, action="personal.own"),
    ]
