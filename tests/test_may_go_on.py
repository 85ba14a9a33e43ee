"""Which runs may be continued: one rule, for `continue` itself and for whoever points to it."""

import pytest

from annealscope.controller.errors import ExitCode, may_go_on


@pytest.mark.parametrize("outcome", ["parked", "failed", "crashed"])
@pytest.mark.parametrize("exit_code", [*ExitCode, None])
def test_what_was_not_brought_to_an_end_may_go_on(outcome, exit_code):
    assert may_go_on(outcome, exit_code)


@pytest.mark.parametrize("exit_code", ExitCode)
def test_a_run_that_its_operator_stopped_may_not_go_on_but_one_that_a_guard_stopped(exit_code):
    by_the_operator = exit_code in (ExitCode.OPERATOR, ExitCode.CTRL_C)
    assert may_go_on("stopped", exit_code) is not by_the_operator


@pytest.mark.parametrize("outcome", ["success", "aborted"])
def test_what_is_over_is_over(outcome):
    assert not may_go_on(outcome, 0)
