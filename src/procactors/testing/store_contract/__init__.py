"""What any store must keep, as tests: subclass `StoreContract` and say how a store of yours is made.

    import pytest
    from procactors.testing.store_contract import StoreContract

    class TestMyStore(StoreContract):
        @pytest.fixture
        def new_store(self, tmp_path):
            return lambda: MyStore(tmp_path)

The fixture `new_store` returns a function that makes a store which is not open yet; all that it makes in
one test have the same database behind them. Run by pytest, with anyio's plugin.
"""

from procactors.testing.store_contract._contract import StoreContract as StoreContract
