"""A sub-interpreter is told that it cannot have pylenet."""

import pytest

SUBINTERPRETER = """
import importlib, sys
{before}
name = "_interpreters" if sys.version_info >= (3, 13) else "_xxsubinterpreters"
interpreters = importlib.import_module(name)
inside = '''
try:
    import pylenet
except ImportError as error:
    print("refused:", error, flush=True)
'''
other = interpreters.create()
interpreters.run_string(other, inside)
"""


@pytest.mark.parametrize("before", ["", "import pylenet"])
def test_in_a_subinterpreter_importing_says_clearly_that_it_does_not_work(before, run_python):
    done = run_python(SUBINTERPRETER.format(before=before))
    assert done.stdout.startswith("refused: pylenet cannot be imported in a sub-interpreter")
    assert done.returncode == 0, done.stderr
