"""What to do about a process: events for what has happened to it, by phase of its life. Pure.

Everything here is called with what is known and returns a `Decision` (events and the state they lead to), or
raises to refuse; the state machine checks the events. Stores call some of it inside their transactions.
"""
