"""How much a run tries: `pytest -m quick` has a tenth of the random examples, every third case."""

quick = False  # tests/conftest.py sets it before it imports the tests


def some(cases):
    """All, in a quick run the first and every third after it."""
    return cases[::3] if quick else cases
