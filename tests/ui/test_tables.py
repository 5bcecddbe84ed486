"""Tables as CSV: what a spreadsheet would run is made text, everything else stays as it is."""

import csv
import io

from dothi.ui.tables import csv_response


def test_text_that_would_be_a_formula_is_escaped_and_numbers_are_not() -> None:
    cells = ['=1+1"', "+84", "-x", "@sum", "\tx", "\rx", "Trạm, Một", "a=b", -1.5, None, ""]
    answer = csv_response("trạm một", ["a"] * len(cells), [cells])
    text = bytes(answer.body).decode("utf-8-sig")
    (_head, row) = csv.reader(io.StringIO(text, newline=""))
    assert row == ["'=1+1\"", "'+84", "'-x", "'@sum", "'\tx", "'\rx", "Trạm, Một", "a=b", "-1.5", "", ""]
    assert bytes(answer.body).startswith(b"\xef\xbb\xbf"), "spreadsheets read Vietnamese rightly"
    assert answer.headers["content-disposition"] == 'attachment; filename="tr-m-m-t.csv"'
