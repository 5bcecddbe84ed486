"""Every action there is and the roles that may do it: the whole policy as one table (docs/reference/access.md shows it).

Roles are those of the people this is made for (operator, ward officer, engineer, steward, leader, developer, auditor,
security officer), the administrator who admits them, and the city itself.
"""

from dataclasses import dataclass

from dothi.model.text import Text


@dataclass(frozen=True, slots=True)
class Role:
    """What a kind of person may do. ``ceiling`` is the highest clearance (its number) that a grant of it may carry."""

    title: Text
    actions: frozenset[str]
    ceiling: int


# Every action a route or a function may ask about, and whether a stranger may do it on public things.
ACTIONS: dict[str, bool] = {
    "page.read": True,
    "city.read": True,
    "entity.read": True,
    "history.read": True,
    "context.read": True,
    "health.read": True,
    "air.read": True,
    "forecast.read": True,
    "account.own": True,
    "token.issue": True,
    "report.read": True,
    "report.send": True,
    "operations.read": False,
    "operations.write": False,
    "incident.read": False,
    "incident.write": False,
    "rule.read": False,
    "rule.write": False,
    "command.read": False,
    "command.propose": False,
    "command.approve": False,
    "mail.read": False,
    "mail.write": False,
    "metrics.read": False,
    "device.read": False,
    "device.write": False,
    "quarantine.read": False,
    "quarantine.write": False,
    "run.read": False,
    "run.start": False,
    "run.cancel": False,
    "sql.ask": False,
    "sql.save": False,
    "retention.read": False,
    "retention.write": False,
    "city.write": False,
    "reading.write": False,
    "entity.write": False,
    "history.write": False,
    "subscription.read": False,
    "subscription.write": False,
    "context.write": False,
    "city.export": False,
    "city.import": False,
    "audit.read": False,
    "audit.export": False,
    "people.read": False,
    "people.write": False,
    "personal.own": True,
    "personal.read": False,
    "personal.write": False,
    "personal.look": False,
    "personal.erase": False,
    "personal.breach": False,
}

_PUBLIC = frozenset(action for action, public in ACTIONS.items() if public)
_LOOK = _PUBLIC | {"operations.read", "run.read", "retention.read", "incident.read", "rule.read", "command.read"}
_ASK = _LOOK | {"sql.ask", "sql.save"}

ROLES: dict[str, Role] = {
    "administrator": Role(
        Text("Quản trị hệ thống", "Administrator"),
        _LOOK
        | {"metrics.read", "device.read", "device.write", "quarantine.read", "retention.write", "city.write"}
        | {"people.read", "people.write", "mail.read", "mail.write"},
        3,
    ),
    "operator": Role(
        Text("Trực ban trung tâm điều hành", "Operator of the operations centre"),
        _ASK
        | {"operations.write", "device.read", "quarantine.read", "run.start", "run.cancel", "personal.look"}
        | {"incident.write", "rule.write", "command.propose", "command.approve"},
        3,
    ),
    "ward_officer": Role(Text("Cán bộ phường, xã", "Ward officer"), _LOOK | {"incident.write"}, 2),
    "engineer": Role(
        Text("Kỹ sư cơ quan", "Agency engineer"),
        _ASK
        | {"device.read", "device.write", "quarantine.read", "quarantine.write", "run.start", "run.cancel"}
        | {"entity.write", "subscription.read", "subscription.write", "context.write"}
        | {"incident.write", "rule.write", "command.propose"},
        2,
    ),
    "steward": Role(
        Text("Cán bộ quản trị dữ liệu", "Data steward"),
        _ASK
        | {"device.read", "quarantine.read", "quarantine.write", "retention.write"}
        | {"entity.write", "history.write", "subscription.read", "subscription.write", "context.write", "city.export"}
        | {"personal.read", "personal.write", "personal.look", "personal.erase"},
        3,
    ),
    "leader": Role(Text("Lãnh đạo", "Leader"), _LOOK | {"command.approve"}, 2),
    "developer": Role(
        Text("Nhà phát triển", "Developer"), _PUBLIC | {"sql.ask", "sql.save", "subscription.read", "subscription.write"}, 1
    ),
    "auditor": Role(
        Text("Kiểm toán", "Auditor"),
        _PUBLIC
        | {"personal.read", "operations.read", "retention.read", "people.read", "audit.read", "audit.export"}
        | {"incident.read", "rule.read", "command.read"},
        2,
    ),
    "security_officer": Role(
        Text("Cán bộ an toàn thông tin", "Security officer"),
        _PUBLIC
        | {
            "personal.read",
            "personal.breach",
            "operations.read",
            "retention.read",
            "metrics.read",
            "people.read",
            "audit.read",
        },
        2,
    ),
    "device": Role(Text("Thiết bị, hệ thống gửi dữ liệu", "Device or system that sends"), frozenset({"reading.write"}), 2),
    "system": Role(Text("Hệ thống", "The city itself"), frozenset(ACTIONS), 3),
}
