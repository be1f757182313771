"""Reports as pages that stand alone: for people, on paper too, without a network."""

from lineage.report.html.compare import compare_page
from lineage.report.html.texts import LANGUAGES, Language
from lineage.report.html.whois import whois_page

__all__ = ["LANGUAGES", "Language", "compare_page", "whois_page"]
