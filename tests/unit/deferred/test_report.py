from procactors.deferred import Report
from procactors.deferred._report import Counts


def test_reports_add_up_and_counts_are_told_since_one():
    counts = Counts()
    counts.ran, counts.failed, counts.cancelled, counts.merged, counts.enqueued = 5, 4, 3, 2, 1
    first = counts.since(Report())
    counts.ran += 1
    assert counts.since(first) == Report(ran=1)
    assert first + Report(1, 1, 1, 1, 1) == Report(6, 5, 4, 3, 2)
