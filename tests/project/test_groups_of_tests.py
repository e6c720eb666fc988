"""`--dist loadgroup` of pytest-xdist: what a module computes once for many tests is in one process."""

import pytest


@pytest.mark.once
@pytest.mark.xdist_group("together")
def test_a_group_of_tests_runs_in_one_process(request):
    """pytest-xdist 3.8 ignores groups with pytest 9.2, and does not say so."""
    if request.config.getoption("loadgroup", default=False):
        assert request.node.nodeid.endswith("@together")
