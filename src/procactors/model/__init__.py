"""What a process is: definitions, events, status, and the pure state machine.

No I/O, no clock, no event loop. The public classes come from the root package.
"""
