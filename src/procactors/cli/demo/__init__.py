"""`procactors demo`: durable processes that do real work on real files. Read `count.py` first."""
