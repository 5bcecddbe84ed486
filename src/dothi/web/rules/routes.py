"""The doors of the pages of rules and alerts."""

from starlette.routing import BaseRoute

from dothi.access.routes import page
from dothi.platform.platform import Platform
from dothi.web.rules.alerts import AlertPages
from dothi.web.rules.maintenance import MaintenancePages
from dothi.web.rules.pages import RulePages


def rule_routes(platform: Platform) -> list[BaseRoute]:
    """Every route of the pages of rules and alerts, each with the action it performs."""
    rules, alerts, maintenance = RulePages(platform), AlertPages(platform), MaintenancePages(platform)
    return [
        page("/alerts", alerts.index, action="rule.read"),
        page("/alerts", alerts.acknowledge, action="incident.write", methods=("POST",)),
        page("/alerts.csv", alerts.table, action="rule.read"),
        page("/rules", rules.index, action="rule.read"),
        page("/rules", rules.turn, action="rule.write", methods=("POST",)),
        page("/rules/new", rules.new, action="rule.write"),
        page("/rules/new", rules.send, action="rule.write", methods=("POST",)),
        page("/rules/maintenance", maintenance.index, action="rule.read"),
        page("/rules/maintenance", maintenance.decide, action="rule.write", methods=("POST",)),
        page("/rules/{rule}", rules.show, action="rule.read"),
        page("/rules/{rule}", rules.send, action="rule.write", methods=("POST",)),
    ]
