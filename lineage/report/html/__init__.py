"""Reports as self-contained pages: for people, on paper too, without a network."""

from lineage.report.html.compare import compare_page
from lineage.report.html.texts import LANGUAGES
from lineage.report.html.whois import whois_page
from lineage.report.words import Language

__all__ = ["LANGUAGES", "Language", "compare_page", "whois_page"]
