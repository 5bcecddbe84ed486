"""The doors through which people come in, keep their own account, and administer those of others."""

from starlette.routing import BaseRoute

from dothi.access.factors import Factors
from dothi.access.routes import page
from dothi.platform.platform import Platform
from dothi.web.account import AccountPages
from dothi.web.mail import MailPages
from dothi.web.people import People
from dothi.web.sign_in import SignIn


def account_routes(platform: Platform) -> list[BaseRoute]:
    """Every route of signing in, of one's own account and of the people known here."""
    factors = Factors(platform.database, platform.writer, platform.accounts)
    door, own, people = SignIn(platform, factors), AccountPages(platform, factors), People(platform)
    mail, post = MailPages(platform, own), ("POST",)
    return [
        page("/sign-in", door.page, action="page.read"),
        page("/sign-in", door.enter, action="page.read", methods=post),
        page("/sign-in/code", door.code, action="page.read", methods=post),
        page("/sign-in/link", door.link, action="page.read"),
        page("/sign-in/link", door.redeem, action="page.read", methods=post),
        page("/sign-in/demo", door.demo, action="page.read", methods=post),
        page("/sign-in/passkey/options", door.passkey_options, action="page.read", methods=post),
        page("/sign-in/passkey", door.passkey, action="page.read", methods=post),
        page("/sign-out", door.leave, action="page.read", methods=post),
        page("/account", own.page, action="account.own"),
        page("/account/password", own.password, action="account.own", methods=post),
        page("/account/totp", own.totp, action="account.own"),
        page("/account/totp", own.keep_totp, action="account.own", methods=post),
        page("/account/totp/remove", own.drop_totp, action="account.own", methods=post),
        page("/account/codes", own.codes, action="account.own", methods=post),
        page("/account/passkeys/options", own.passkey_options, action="account.own", methods=post),
        page("/account/passkeys", own.add_passkey, action="account.own", methods=post),
        page("/account/passkeys/{passkey}/remove", own.remove_passkey, action="account.own", methods=post),
        page("/account/sessions/end", own.end_sessions, action="account.own", methods=post),
        page("/account/telling", mail.change, action="account.own", methods=post),
        page("/account/telling/confirm", mail.ask, action="page.read"),
        page("/account/telling/confirm", mail.confirm, action="page.read", methods=post),
        page("/mail", mail.desk, action="mail.read"),
        page("/mail", mail.decide, action="mail.write", methods=post),
        page("/people", people.index, action="people.read"),
        page("/people.csv", people.table, action="people.read"),
        page("/people/new", people.new, action="people.write"),
        page("/people/new", people.create, action="people.write", methods=post),
        page("/people/{account}", people.show, action="people.read"),
        page("/people/{account}/grants", people.grant, action="people.write", methods=post),
        page("/people/{account}/disable", people.disable, action="people.write", methods=post),
        page("/people/{account}/enable", people.enable, action="people.write", methods=post),
        page("/people/{account}/link", people.reset, action="people.write", methods=post),
        page("/people/{account}/factors", people.forget_factors, action="people.write", methods=post),
    ]
