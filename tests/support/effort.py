"""How much a run tries: `pytest -m quick` takes a tenth of the random examples."""

quick = False  # tests/conftest.py sets it before it imports the tests
