"""Policies and claims: rules as data, checked against an answer and the ancestry behind it."""

from lineage.policy.auditing import audit, for_policy
from lineage.policy.claims import read_claims
from lineage.policy.gates import WORDS, gate_of_answer, gate_of_comparison
from lineage.policy.rule_files import RuleFile, read_rules
from lineage.policy.verifying import claimed_bases, verify
from lineage.policy.vocabulary import Policy

__all__ = [
    "WORDS", "Policy", "RuleFile", "audit", "claimed_bases", "for_policy", "gate_of_answer", "gate_of_comparison",
    "read_claims", "read_rules", "verify",
]  # fmt: skip
