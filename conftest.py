"""The examples in README.md are tests too; those in docs/ are found from there."""

from docs.conftest import pages

pytest_collect_file = pages("README.md").pytest()
