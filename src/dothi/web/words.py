"""The words for grades, reasons, origins and states, in one place, so that every page says the same."""

from dothi.model.reading import Grade, Origin, Reason
from dothi.ui.language import translator


def grade_words(grade: Grade, language: str) -> str:
    """The quality of a reading in one or two words."""
    _ = translator(language)
    return {Grade.GOOD: _("tốt"), Grade.SUSPECT: _("nghi ngờ"), Grade.BAD: _("hỏng")}[grade]


def origin_words(origin: Origin, language: str) -> str:
    """Where a value comes from."""
    _ = translator(language)
    return {
        Origin.MEASURED: _("đo"),
        Origin.MODELLED: _("mô hình"),
        Origin.SIMULATED: _("mô phỏng"),
        Origin.REPLAYED: _("phát lại"),
    }[origin]


def reason_words(reasons: Reason, language: str) -> list[str]:
    """Why a reading is not good, one phrase for each reason; empty for a good one."""
    _ = translator(language)
    every = {
        Reason.TYPE: _("sai kiểu giá trị"),
        Reason.RANGE: _("ngoài khoảng có thể có"),
        Reason.UNIT: _("đơn vị không đo đại lượng này, đã dùng đơn vị khai báo"),
        Reason.FUTURE: _("thời điểm ở tương lai"),
        Reason.ABSURD_TIME: _("thời điểm cách hàng chục năm"),
        Reason.STUCK: _("đứng yên quá lâu"),
        Reason.JUMP: _("thay đổi nhanh bất thường"),
        Reason.SHARED_PLACE: _("trùng tọa độ với thiết bị khác"),
    }
    return [words for reason, words in every.items() if reasons & reason]


def state_words(state: str, language: str) -> str:
    """The state of a device: live, late, silent, never, lobby or refused."""
    _ = translator(language)
    return {
        "live": _("đang gửi"),
        "late": _("chậm cập nhật"),
        "silent": _("mất tín hiệu"),
        "never": _("chưa gửi lần nào"),
        "lobby": _("chờ duyệt"),
        "refused": _("đã từ chối"),
    }.get(state, state)


def flag_words(flag: str, language: str) -> str:
    """What is odd about a device."""
    _ = translator(language)
    return {"shared_place": _("trùng tọa độ"), "shared-place": _("trùng tọa độ"), "outside": _("ngoài ranh giới")}.get(
        flag, flag
    )
