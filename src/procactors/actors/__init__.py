"""The actor runtime: actors with bounded, staged mailboxes under supervisors, on anyio.

Public, and useful without processes. The ideas of OTP and of typed actors that asyncio needs, and
nothing else: no remoting, no selective receive, no behaviour swapping, no proxies.
"""

from procactors.actors._actor import CONTROL as CONTROL
from procactors.actors._actor import SIGNALS as SIGNALS
from procactors.actors._actor import WORK as WORK
from procactors.actors._actor import Actor as Actor
from procactors.actors._deadletters import DeadLetter as DeadLetter
from procactors.actors._deadletters import DeadLetters as DeadLetters
from procactors.actors._envelope import ReplySlot as ReplySlot
from procactors.actors._exit import Abandoned as Abandoned
from procactors.actors._exit import Cancelled as Cancelled
from procactors.actors._exit import Exit as Exit
from procactors.actors._exit import Failed as Failed
from procactors.actors._exit import Normal as Normal
from procactors.actors._exit import Stopped as Stopped
from procactors.actors._message import Message as Message
from procactors.actors._message import Refusal as Refusal
from procactors.actors._message import Request as Request
from procactors.actors._ref import ActorRef as ActorRef
from procactors.actors._restart import Backoff as Backoff
from procactors.actors._restart import Budget as Budget
from procactors.actors._restart import Restart as Restart
from procactors.actors._restart import Strategy as Strategy
from procactors.actors._signals import TaskEnded as TaskEnded
from procactors.actors._signals import Terminated as Terminated
from procactors.actors._staged import Lane as Lane
from procactors.actors._staged import LaneStatistics as LaneStatistics
from procactors.actors._staged import Overflow as Overflow
from procactors.actors._staged import StagedMailbox as StagedMailbox
from procactors.actors._supervisor import ChildOptions as ChildOptions
from procactors.actors._supervisor import Supervisor as Supervisor
from procactors.actors._system import ActorSystem as ActorSystem
from procactors.actors._tree import TreeRow as TreeRow
