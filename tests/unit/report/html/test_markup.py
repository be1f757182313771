"""Escaping by construction."""

from __future__ import annotations

import json

import pytest
from markupsafe import Markup

from lineage.report.html.markup import between, escaped, joined, script_json, tag, unmarked


def test_text_is_escaped_and_markup_is_not_escaped_again():
    assert tag("p", "<b>", Markup("<i>x</i>")) == "<p>&lt;b&gt;<i>x</i></p>"
    assert escaped(escaped("&")) == "&amp;"
    assert joined("<", ["a", Markup("&lt;")]) == "&lt;a&lt;"


def test_attributes_are_quoted_and_unknown_ones_left_out():
    assert tag("a", href='"x"', aria_label="<", class_=None, hidden=False, open=True) == (
        '<a href="&#34;x&#34;" aria-label="&lt;" open></a>'
    )


def test_markup_in_an_attribute_loses_its_elements_and_cannot_end_it():
    inner = tag("span", 'a "b" <c>', lang="en")
    assert tag("p", title=inner) == '<p title="a &#34;b&#34; &lt;c&gt;"></p>'
    assert unmarked("<b>") == "&lt;b&gt;"


def test_what_stands_between_parts_is_escaped_too():
    assert between(" < ", ["a", "&"]) == "a &lt; &amp;"


@pytest.mark.parametrize("text", ["</script>", "<!--", "]]>", "&", "\u2028", "\ud800"])
def test_json_in_a_script_reads_back_and_holds_no_markup(text):
    made = script_json({"name": text})
    assert json.loads(made) == {"name": text}
    assert not set("<>&") & set(made)
    assert made.isascii()
