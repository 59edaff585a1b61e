"""Where state lives: the store protocol, and a store for each database."""

from procactors.stores._listing import Wanted as Wanted
from procactors.stores._membership import is_gone as is_gone
from procactors.stores._membership import this_process as this_process
from procactors.stores._open import open_store as open_store
from procactors.stores._store import Identity as Identity
from procactors.stores._store import InHand as InHand
from procactors.stores._store import Member as Member
from procactors.stores._store import News as News
from procactors.stores._store import Relative as Relative
from procactors.stores._store import StepTransaction as StepTransaction
from procactors.stores._store import Store as Store
