"""Policies and claims: rules as data, held against an answer and the ancestry behind it."""

from lineage.policy.auditing import audit, for_policy
from lineage.policy.claims import read_claims
from lineage.policy.rule_files import RuleFile, read_rules
from lineage.policy.verifying import claimed_bases, verify
from lineage.policy.vocabulary import Policy

__all__ = ["Policy", "RuleFile", "audit", "claimed_bases", "for_policy", "read_claims", "read_rules", "verify"]
