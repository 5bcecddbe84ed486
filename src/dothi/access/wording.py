"""What an act of the audit log is called among people: every action that is recorded or refused, in both languages."""

import re

from dothi.access.refusals import DOOR
from dothi.model.text import Text

DEEDS: dict[str, Text] = {
    # What the city is asked
    "page.read": Text("Mở trang", "Open a page"),
    "city.read": Text("Xem thông tin thành phố", "Look at the city"),
    "entity.read": Text("Xem thực thể", "Look at entities"),
    "history.read": Text("Xem lịch sử", "Look at history"),
    "health.read": Text("Xem tình trạng hệ thống", "Look at the system's health"),
    "air.read": Text("Xem chất lượng không khí", "Look at air quality"),
    "forecast.read": Text("Xem dự báo", "Look at forecasts"),
    "context.read": Text("Xem từ vựng JSON-LD", "Look at JSON-LD contexts"),
    "subscription.read": Text("Xem đăng ký nhận thông báo", "Look at subscriptions"),
    "operations.read": Text("Xem trang điều hành", "Look at operations"),
    "metrics.read": Text("Xem số liệu vận hành", "Look at metrics"),
    "device.read": Text("Xem thiết bị", "Look at devices"),
    "quarantine.read": Text("Xem bản tin bị cách ly", "Look at the quarantine"),
    "run.read": Text("Xem lượt chạy", "Look at runs"),
    "retention.read": Text("Xem thời hạn giữ", "Look at retention"),
    "audit.read": Text("Xem nhật ký kiểm toán", "Look at the audit log"),
    "table.export": Text("Tải bảng, tệp về", "Take a table along"),
    "audit.break": Text(
        "Phát hiện nhật ký kiểm toán bị mất dòng đã ký", "Find that signed rows of the audit log are missing"
    ),
    DOOR: Text("Gửi yêu cầu đến cửa", "Knock at the door"),
    # What is done to it
    "entity.write": Text("Ghi thực thể", "Write entities"),
    "entity.create": Text("Tạo thực thể", "Create an entity"),
    "entity.merge": Text("Sửa thực thể", "Change an entity"),
    "entity.replace": Text("Thay thực thể", "Replace an entity"),
    "entity.upsert": Text("Tạo hoặc sửa thực thể", "Create or change an entity"),
    "entity.put": Text("Tạo hoặc thay thực thể", "Create or replace an entity"),
    "entity.add": Text("Tạo thực thể hoặc thêm thuộc tính", "Create an entity or add attributes"),
    "entity.append": Text("Thêm thuộc tính của thực thể", "Add attributes of an entity"),
    "entity.append_new": Text("Thêm thuộc tính chưa có", "Add attributes that were not there"),
    "entity.update": Text("Cập nhật thuộc tính của thực thể", "Update attributes of an entity"),
    "entity.merge_patch": Text("Hợp nhất vào thực thể", "Merge into an entity"),
    "entity.patch_attribute": Text("Sửa một phần thuộc tính", "Change part of an attribute"),
    "entity.replace_attribute": Text("Thay thuộc tính", "Replace an attribute"),
    "entity.delete_attribute": Text("Xóa thuộc tính", "Delete an attribute"),
    "entity.drop": Text("Bỏ một số thuộc tính", "Drop some attributes"),
    "entity.keep": Text("Chỉ giữ một số thuộc tính", "Keep some attributes only"),
    "entity.expire": Text("Dọn dữ liệu hết hạn", "Sweep away what is past its time"),
    "tenant.create": Text("Tạo miền dữ liệu riêng", "Create a tenant"),
    "entity.delete": Text("Xóa thực thể", "Delete an entity"),
    "reading.write": Text("Ghi số đo", "Write readings"),
    "history.write": Text("Sửa diễn biến theo thời gian", "Change what happened over time"),
    "subscription.write": Text("Sửa đăng ký nhận thông báo", "Change subscriptions"),
    "subscription.create": Text("Đăng ký nhận thông báo", "Subscribe"),
    "subscription.update": Text("Sửa đăng ký nhận thông báo", "Change a subscription"),
    "subscription.delete": Text("Xóa đăng ký nhận thông báo", "Delete a subscription"),
    "subscription.resend": Text("Gửi lại thông báo bị bỏ", "Send undelivered notifications again"),
    "context.write": Text("Sửa từ vựng JSON-LD", "Change JSON-LD contexts"),
    "context.add": Text("Thêm từ vựng JSON-LD", "Add a JSON-LD context"),
    "context.delete": Text("Xóa từ vựng JSON-LD", "Delete a JSON-LD context"),
    "device.write": Text("Sửa thiết bị", "Change a device"),
    "quarantine.write": Text("Xử lý bản tin bị cách ly", "Deal with the quarantine"),
    "operations.write": Text("Xử lý việc điều hành", "Deal with operations"),
    "run.start": Text("Chạy phép tính", "Start a run"),
    "run.cancel": Text("Hủy lượt chạy", "Cancel a run"),
    "run.destroy": Text("Xóa lượt chạy cũ", "Destroy old runs"),
    "forecast.write": Text("Ghi dự báo", "Write forecasts"),
    "forecast.expire": Text("Xóa dự báo cũ", "Destroy old forecasts"),
    "sql.ask": Text("Hỏi bằng SQL", "Ask in SQL"),
    "sql.save": Text("Sửa truy vấn đã lưu", "Change a saved query"),
    "retention.write": Text("Đổi thời hạn giữ", "Change retention"),
    "city.write": Text("Sửa danh mục, thông báo của thành phố", "Change the city's catalogues and messages"),
    "kind.create": Text("Thêm loại sự việc", "Add a kind of incidents"),
    "kind.change": Text("Sửa loại sự việc của thành phố", "Change a kind of incidents"),
    "retention.change": Text("Đổi thời hạn giữ", "Change retention"),
    "retention.destroy": Text("Xóa dữ liệu quá hạn", "Destroy what is past its time"),
    "demo.remove": Text("Xóa công việc mô phỏng", "Destroy the demo's invented work"),
    # Commands
    "command.read": Text("Xem lệnh", "Look at commands"),
    "command.propose": Text("Đề xuất lệnh", "Propose a command"),
    "command.approve": Text("Duyệt lệnh", "Approve a command"),
    "command.refuse": Text("Không duyệt lệnh", "Refuse a command"),
    "command.withdraw": Text("Rút đề xuất lệnh", "Withdraw a command"),
    "command.expired": Text("Để lệnh quá hạn duyệt", "Let a command lapse"),
    "command.sent": Text("Gửi lệnh tới thiết bị", "Send a command"),
    "command.acknowledged": Text("Nhận xác nhận của thiết bị", "Hear a device acknowledge a command"),
    "command.verified": Text("Kiểm chứng lệnh bằng số đo", "Verify a command by a reading"),
    "command.failed": Text("Báo lệnh thất bại", "Report that a command failed"),
    # Rules and alerts
    "rule.read": Text("Xem quy tắc và cảnh báo", "Look at rules and alerts"),
    "rule.write": Text("Sửa quy tắc cảnh báo", "Change rules"),
    "rule.create": Text("Tạo quy tắc cảnh báo", "Make a rule"),
    "rule.change": Text("Sửa quy tắc cảnh báo", "Change a rule"),
    "rule.enable": Text("Bật quy tắc cảnh báo", "Switch a rule on"),
    "rule.disable": Text("Tắt quy tắc cảnh báo", "Switch a rule off"),
    "maintenance.begin": Text("Đặt thời gian bảo trì", "Begin maintenance"),
    "maintenance.end": Text("Kết thúc bảo trì", "End maintenance"),
    "alert.raise": Text("Phát cảnh báo", "Raise alerts"),
    "alert.acknowledge": Text("Nhận biết cảnh báo", "Acknowledge alerts"),
    # What people are told outside the browser
    "mail.read": Text("Xem thư báo", "Look at the city's mail"),
    "mail.write": Text("Xử lý thư báo", "Look after the city's mail"),
    "telling.change": Text("Đổi việc nhận thư báo của mình", "Change what one is told by mail"),
    "telling.confirm": Text("Xác nhận địa chỉ thư", "Confirm an address of e-mail"),
    "telling.send": Text("Gửi thư báo", "Send a mail"),
    "telling.give_up": Text("Thôi gửi một thư", "Give a mail up"),
    "telling.resend": Text("Gửi lại thư không gửi được", "Send a dead mail again"),
    "telling.stop": Text("Thôi nhận thư về phản ánh", "Have no more mails about a report"),
    "telling.go_on": Text("Nhận lại thư về phản ánh", "Have mails about a report again"),
    "telling.box": Text("Đổi hộp thư của đơn vị", "Change the mailbox of a unit"),
    # Incidents
    "report.read": Text("Xem phản ánh đã công bố", "Look at published reports"),
    "report.send": Text("Gửi phản ánh", "Send a report"),
    "report.photo": Text("Gửi thêm ảnh cho phản ánh", "Send more photos of a report"),
    "report.rate": Text("Đánh giá kết quả phản ánh", "Rate the answer to a report"),
    "report.reopen": Text("Đòi mở lại phản ánh", "Ask to reopen a report"),
    "report.forget": Text("Xóa liên hệ đã để lại", "Delete the contact that was left"),
    "report.release": Text("Công bố phản ánh", "Publish a report"),
    "report.withhold": Text("Không công bố phản ánh", "Keep a report from the public"),
    "report.withdraw": Text("Rút phản ánh khỏi công khai", "Take a report back from the public"),
    "incident.read": Text("Xem sự việc", "Look at incidents"),
    "incident.write": Text("Xử lý sự việc", "Work on incidents"),
    "incident.view": Text("Lưu, bỏ bộ lọc sự việc", "Keep or drop a filter of incidents"),
    "incident.open": Text("Mở sự việc", "Open an incident"),
    "incident.accept": Text("Tiếp nhận sự việc", "Accept an incident"),
    "incident.reject": Text("Không tiếp nhận sự việc", "Do not accept an incident"),
    "incident.assign": Text("Phân công sự việc", "Assign an incident"),
    "incident.delegate": Text("Giao sự việc cho người khác", "Pass an incident on"),
    "incident.return": Text("Trả lại sự việc", "Give an incident back"),
    "incident.start": Text("Bắt đầu xử lý sự việc", "Begin to work on an incident"),
    "incident.arrive": Text("Báo đã có mặt", "Say you are there"),
    "incident.answer": Text("Trả lời về sự việc", "Answer about an incident"),
    "incident.close": Text("Đóng sự việc", "Close an incident"),
    "incident.reopen": Text("Mở lại sự việc", "Reopen an incident"),
    "incident.merge": Text("Gộp sự việc", "Merge an incident into another"),
    "incident.absorb": Text("Nhận sự việc được gộp", "Take in a merged incident"),
    "incident.split": Text("Tách sự việc", "Split an incident"),
    "incident.pause": Text("Tạm dừng sự việc", "Pause an incident"),
    "incident.resume": Text("Tiếp tục sự việc", "Go on with an incident"),
    "incident.ask_help": Text("Xin hỗ trợ", "Ask for help"),
    "incident.escalate": Text("Chuyển sự việc lên cấp trên", "Escalate an incident"),
    "incident.reclassify": Text("Sửa loại sự việc", "Correct the kind of an incident"),
    "incident.rank": Text("Xếp mức độ sự việc", "Rank an incident"),
    "incident.move": Text("Sửa vị trí sự việc", "Correct the place of an incident"),
    "incident.retitle": Text("Sửa tên sự việc", "Rename an incident"),
    "incident.comment": Text("Ghi chú vào sự việc", "Comment on an incident"),
    "incident.add_task": Text("Thêm việc cần làm", "Add a task"),
    "incident.do_task": Text("Làm xong việc", "Do a task"),
    "incident.do_step": Text("Làm xong bước quy trình", "Do a step of a playbook"),
    "incident.photo": Text("Thêm ảnh vào sự việc", "Add a photo to an incident"),
    "incident.release_photo": Text("Công bố ảnh", "Release a photo"),
    "incident.withdraw_photo": Text("Thôi công bố ảnh", "Withdraw a photo"),
    "incident.remove_photo": Text("Xóa ảnh", "Destroy a photo"),
    "incident.black_out": Text("Che một phần ảnh", "Black out a part of a photo"),
    "incident.uncover": Text("Bỏ phần che ảnh", "No longer black out a photo"),
    "shift.take": Text("Nhận ca trực", "Take over a shift"),
    "shift.hand": Text("Bàn giao ca trực", "Hand over a shift"),
    "incident.tie": Text("Gắn sự việc với một mục", "Link an incident to something"),
    # Who is known
    "account.own": Text("Sửa tài khoản của mình", "Change one's own account"),
    "session.open": Text("Đăng nhập", "Sign in"),
    "session.close": Text("Đăng xuất", "Sign out"),
    "people.read": Text("Xem người dùng", "Look at people"),
    "people.write": Text("Quản lý người dùng", "Manage people"),
    "account.create": Text("Tạo tài khoản", "Create an account"),
    "account.grant": Text("Giao quyền", "Change a person's rights"),
    "account.disable": Text("Khóa tài khoản", "Disable an account"),
    "account.enable": Text("Mở khóa tài khoản", "Enable an account"),
    "account.password": Text("Đặt mật khẩu", "Set a password"),
    "account.forget-factors": Text("Xóa bước xác thực thứ hai", "Forget a person's second factors"),
    "account.first-link": Text("Tạo liên kết quản trị đầu tiên", "Make the first administrator's link"),
    "account.invite-link": Text("Tạo liên kết mời", "Make a link of invitation"),
    "account.reset-link": Text("Tạo liên kết đặt lại mật khẩu", "Make a link to set a new password"),
    "passkey.add": Text("Thêm khóa truy cập", "Add a passkey"),
    "passkey.remove": Text("Xóa khóa truy cập", "Remove a passkey"),
    "totp.add": Text("Bật ứng dụng tạo mã", "Turn an authenticator app on"),
    "totp.remove": Text("Gỡ ứng dụng tạo mã", "Remove an authenticator app"),
    "recovery.renew": Text("Tạo mã khôi phục mới", "Make new recovery codes"),
    "session.code": Text("Gõ mã bước hai", "Type a code of the second step"),
    "key.issue": Text("Cấp khóa API", "Issue an API key"),
    "key.revoke": Text("Thu hồi khóa API", "Revoke an API key"),
    "token.issue": Text("Cấp mã truy cập cho hệ thống", "Issue an access token"),
    # Personal data
    "personal.own": Text("Xem dữ liệu cá nhân của mình", "Look at one's own personal data"),
    "personal.read": Text("Xem sổ dữ liệu cá nhân", "Look at the register of personal data"),
    "personal.write": Text("Ghi dữ liệu cá nhân", "Write personal data"),
    "personal.look": Text("Xem dữ liệu cá nhân", "Look at personal data"),
    "personal.erase": Text("Xóa dữ liệu cá nhân", "Erase personal data"),
    "personal.delete": Text("Xóa một mục dữ liệu cá nhân", "Delete an entry of personal data"),
    "personal.breach": Text("Lập danh sách người bị ảnh hưởng", "List who is affected by a breach"),
    "personal.expire": Text("Xóa dữ liệu cá nhân hết hạn", "Destroy personal data past its time"),
    "personal.seal": Text("Ghi dữ liệu cá nhân", "Write personal data"),
    "personal.correct": Text("Sửa dữ liệu cá nhân", "Correct personal data"),
    "personal.declare": Text("Khai báo mục đích", "Declare a purpose"),
    "personal.enrol": Text("Ghi nhận chủ thể dữ liệu", "Enrol a data subject"),
    "personal.consent": Text("Đồng ý", "Consent"),
    "personal.withdraw": Text("Rút đồng ý", "Withdraw consent"),
    "personal.ask": Text("Yêu cầu của chủ thể dữ liệu", "A data subject's request"),
    "personal.answer": Text("Trả lời chủ thể dữ liệu", "Answer a data subject"),
    "personal.export": Text("Mang sổ xem dữ liệu cá nhân đi", "Take the log of looks along"),
    # What leaves and comes back
    "city.export": Text("Mang dữ liệu thành phố đi", "Take the city's data along"),
    "city.import": Text("Nhập dữ liệu thành phố", "Bring a city's data in"),
    "audit.export": Text("Mang nhật ký kiểm toán đi", "Take the audit log along"),
}

RESULTS: dict[str, Text] = {
    "found": Text("phát hiện", "found"),
    "done": Text("xong", "done"),
    "refused": Text("từ chối", "refused"),
    "failed": Text("lỗi", "failed"),
    "queued": Text("đang chờ", "queued"),
    "running": Text("bắt đầu chạy", "running"),
    "cancelled": Text("đã hủy", "cancelled"),
    "expired": Text("quá thời gian", "expired"),
    "begun": Text("bắt đầu", "begun"),
    "saved": Text("đã lưu", "saved"),
    "changed": Text("đã sửa", "changed"),
    "deleted": Text("đã xóa", "deleted"),
    "restored": Text("đã khôi phục", "restored"),
    "parked": Text("dừng lại, chờ xử lý", "parked"),
    "sent again": Text("đã gửi lại", "sent again"),
    "replayed": Text("đã gửi lại", "sent again"),
    "discarded": Text("đã bỏ", "discarded"),
    "answered": Text("đã trả lời", "answered"),
}

# Why somebody was refused, by the code of the problem they were answered with.
_REASONS: dict[str, Text] = {
    "sign-in-needed": Text("chưa đăng nhập", "not signed in"),
    "not-allowed": Text("không có quyền", "may not"),
    "wrong-credentials": Text("thông tin xác thực sai", "wrong credentials"),
    "unknown-host": Text("gọi sai tên máy chủ", "by a name that is not ours"),
    "forbidden": Text("không có quyền", "may not"),
    "too-many-requests": Text("quá nhiều lần", "too often"),
    "state-secret": Text("bí mật nhà nước", "a state secret"),
    "cross-site": Text("gửi từ trang khác", "sent by another site"),
    "stale-form": Text("biểu mẫu đã cũ", "a form that is too old"),
    "demo": Text("tài khoản trình diễn", "a demo account"),
    "sign-in-failed": Text("nơi xác thực trả lời không tin được", "an answer of the identity provider that is not trusted"),
    "sign-in-refused": Text("nơi xác thực từ chối", "refused by the identity provider"),
    "no-role-here": Text("không có vai trò ở đây", "no role here"),
    "account-disabled": Text("tài khoản đã ngừng", "the account is disabled"),
}


# What is told beside an act; the log itself has it in English.
_PARTICULARS: tuple[tuple[re.Pattern[str], Text], ...] = tuple(
    (re.compile(pattern), words)
    for pattern, words in (
        ("with one factor", Text("một bước xác thực", "with one factor")),
        ("with a second factor", Text("hai bước xác thực", "with a second factor")),
        ("by link", Text("bằng liên kết", "by link")),
        ("first administrator", Text("quản trị viên đầu tiên", "the first administrator")),
        ("not used for 45 days", Text("không dùng 45 ngày", "not used for 45 days")),
        (r"keep (\d+) days", Text(r"giữ \1 ngày", r"keep \1 days")),
        (r"(\d+) alerts raised, (\d+) ended", Text(r"\1 cảnh báo mới, \2 đã hết", r"\1 alerts raised, \2 ended")),
        (r"version (\d+)", Text(r"bản \1", r"version \1")),
        (r"(\d+) looks", Text(r"\1 lần xem", r"\1 looks")),
        (r"(\d+) forecasts", Text(r"\1 dự báo", r"\1 forecasts")),
        (r"(\d+) old runs", Text(r"\1 lượt chạy cũ", r"\1 old runs")),
        (
            r"stored (\d+), revisions (\d+), quarantined (\d+)",
            Text(r"ghi \1, đính chính \2, cách ly \3", r"\1 stored, \2 corrected, \3 quarantined"),
        ),
    )
)


def particulars(detail: str, language: str) -> str:
    """What is told beside an act, in words; as it stands where it is a name, a question or what somebody wrote."""
    for pattern, words in _PARTICULARS:
        found = pattern.fullmatch(detail)
        if found is not None:
            return found.expand(words.in_language(language))
    return detail


def deed(action: str, language: str) -> str:
    """What an action is called; one that nobody named, of somebody else's sector perhaps, is called by its code."""
    return DEEDS[action].in_language(language) if action in DEEDS else action


def outcome(result: str, language: str) -> tuple[str, str]:
    """How an act ended, in a word or two, and what is known of it beside that."""
    word, _, rest = result.partition(": ")
    told = ", ".join(_REASONS[one].in_language(language) if one in _REASONS else one for one in rest.split(", "))
    return (RESULTS[word].in_language(language) if word in RESULTS else word), told
