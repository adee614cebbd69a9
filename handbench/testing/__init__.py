"""The contract of every kind of plugin: a name or a class in; checks that pytest, or `handbench plugins check`, can run out.

A third party's whole test of its objective:

    import pytest
    from handbench.testing import checks

    @pytest.mark.parametrize("check", checks("objective", "my_objective"), ids=str)
    def test_contract(check):
        check()
"""

from handbench.testing.contract import Check, Subject, Violation, checks, require

__all__ = ["Check", "Subject", "Violation", "checks", "require"]
