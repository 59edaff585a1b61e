import pytest

from procactors.deferred._rounds import Entry, StageQueue
from tests.unit.deferred.samples import DataNote, MergeableNote, Note, OtherMergeableNote


def entry(update):
    code = test_claim_puts_data_first_and_keeps_the_order_else.__code__
    return Entry(update, None, code, 0)


def queue_of(*updates):
    queue = StageQueue()
    merged = [queue.add(entry(update)) for update in updates]
    return queue, merged


def names(entries):
    return [entry.update.name for entry in entries]


def note(name, cls=Note):
    return cls([], name)


def test_claim_puts_data_first_and_keeps_the_order_else():
    queue, _ = queue_of(note("a"), note("d1", DataNote), note("b"), note("d2", DataNote))
    assert names(queue.claim()) == ["d1", "d2", "a", "b"]
    assert len(queue) == 0


def test_mergeable_moves_to_the_end_and_counts_once():
    queue, merged = queue_of(note("m1", MergeableNote), note("a"), note("m2", MergeableNote))
    assert merged == [False, False, True]
    assert names(queue) == ["a", "m1+m2"]
    assert len(queue) == 2


def test_only_exactly_the_same_class_merges():
    queue, merged = queue_of(note("m", MergeableNote), note("o", OtherMergeableNote))
    assert merged == [False, False]
    assert len(queue) == 2


def test_merge_that_raises_leaves_the_queue_as_it_was():
    class Stubborn(MergeableNote):
        def merge(self, other):
            raise ValueError(other.name)

    queue, _ = queue_of(note("m1", Stubborn), note("a"))
    with pytest.raises(ValueError, match="m2"):
        queue.add(entry(note("m2", Stubborn)))
    assert names(queue) == ["m1", "a"]


def test_what_is_put_back_comes_first_and_merges_on():
    queue, _ = queue_of(note("a"), note("m1", MergeableNote), note("b"))
    claimed = queue.claim()
    queue.add(entry(note("m2", MergeableNote)))
    queue.add(entry(note("c")))
    queue.put_back(claimed[1:])
    assert names(queue) == ["b", "m1+m2", "c"]


def test_merging_keeps_what_either_was_promised():
    queue = StageQueue()
    queue.add(entry(note("m1", MergeableNote)))
    promised = entry(note("m2", MergeableNote))
    promised.always = promised.durable = True
    queue.add(promised)
    (merged,) = queue
    assert (merged.always, merged.durable) == (True, True)


def test_take_removes_one_by_one():
    queue, _ = queue_of(note("a"), note("b"), note("c"))
    taken = queue.take(lambda entry: entry.update.name != "b")
    assert next(taken).update.name == "a"
    assert names(queue) == ["b", "c"]
    assert names(taken) == ["c"]


def test_entry_is_shown_by_name_and_origin():
    assert str(entry(note("a"))).startswith(f"Note (deferred by {__file__}:")
