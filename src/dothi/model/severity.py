"""How grave something is, in the words of the job: the one place that every floor and every page takes them from."""

from dothi.model.text import Text

SEVERITIES: dict[int, Text] = {
    1: Text("Thông tin", "Information"),
    2: Text("Cần chú ý", "Needs attention"),
    3: Text("Nghiêm trọng", "Serious"),
    4: Text("Rất nghiêm trọng", "Very serious"),
}
