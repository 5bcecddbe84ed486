"""Every word of the citizens' pages exists in both languages."""

import re
from pathlib import Path

from babel.messages.extract import extract_from_dir
from babel.messages.pofile import read_po

import dothi.services.citizens

HERE = Path(dothi.services.citizens.__file__).parent
WHERE = [("**.py", "python"), ("**.html", "jinja2.ext:babel_extract")]
ACCENTS = re.compile(r"[ăđơưạảấầẩẫậắằẳẵặẹẻẽếềểễệịỉĩọỏốồổỗộớờởỡợụủũứừửữựỳỷỹỵ]", re.IGNORECASE)


def test_every_word_on_a_page_has_its_english_with_the_same_places() -> None:
    said = {words for _file, _line, words, _comments, _context in extract_from_dir(HERE, WHERE, keywords={"_": None})}
    with HERE.joinpath("locale", "en.po").open("rb") as file:
        known = {str(one.id): str(one.string) for one in read_po(file, locale="en") if one.id}
    assert len(said) > 100
    assert said == set(known)
    for source, english in known.items():
        assert english and not ACCENTS.search(english), source
        assert sorted(re.findall(r"{\w+}", source)) == sorted(re.findall(r"{\w+}", english)), source
