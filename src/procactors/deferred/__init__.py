"""Deferred updates: work put off to a stage around a response, a step or a transaction.

MediaWiki's semantics, for asyncio and trio: stages, nesting, merging, rounds, isolated failures. It
works without a process manager; one is reached only as somebody who takes processes.
"""

from procactors.deferred._defer import current_updates as current_updates
from procactors.deferred._defer import defer as defer
from procactors.deferred._defer import defer_into as defer_into
from procactors.deferred._lazy import LazyScope as LazyScope
from procactors.deferred._queue import DeferredUpdates as DeferredUpdates
from procactors.deferred._report import Report as Report
from procactors.deferred._scheduler import DeferredScheduler as DeferredScheduler
from procactors.deferred._scheduler import SchedulerStatistics as SchedulerStatistics
from procactors.deferred._scope import deferred_scope as deferred_scope
from procactors.deferred._stage import Stage as Stage
from procactors.deferred._transactions import Transactions as Transactions
from procactors.deferred._updates import AtomicSectionUpdate as AtomicSectionUpdate
from procactors.deferred._updates import AutoCommitUpdate as AutoCommitUpdate
from procactors.deferred._updates import CallableUpdate as CallableUpdate
from procactors.deferred._updates import DataUpdate as DataUpdate
from procactors.deferred._updates import EnqueueableUpdate as EnqueueableUpdate
from procactors.deferred._updates import MergeableUpdate as MergeableUpdate
from procactors.deferred._updates import RoundRequirement as RoundRequirement
from procactors.deferred._updates import TransactionRoundDefiningUpdate as TransactionRoundDefiningUpdate
from procactors.deferred._updates import Update as Update
from procactors.deferred._wake import Wake as Wake
