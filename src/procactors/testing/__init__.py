"""The test kit: a manager in virtual time, crashes on command, and what the library tests itself with."""

from procactors.testing._clock import VirtualClock as VirtualClock
from procactors.testing._clock import seconds_in as seconds_in
from procactors.testing._crash import CrashReport as CrashReport
from procactors.testing._crash import crash_test as crash_test
from procactors.testing._crash import explore_crashes as explore_crashes
from procactors.testing._manager import manager as manager
from procactors.testing._store import SimulatedStore as SimulatedStore
