from procactors.deferred import Stage


def test_stages_are_ordered_and_all_is_before_any():
    assert Stage.ALL < Stage.PRESEND < Stage.POSTSEND
