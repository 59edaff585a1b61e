"""The test kit: a manager in virtual time, and what the library tests itself with."""

from procactors.testing._clock import VirtualClock as VirtualClock
from procactors.testing._clock import seconds_in as seconds_in
from procactors.testing._manager import manager as manager
