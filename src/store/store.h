/*
 * store/store.h
 *		The door of the room that reads and writes the tables of the extension.
 *
 * No other room reads or writes these tables, apart from catalog/, which has
 * noetl.catalog, and from SQL functions.  A caller opens a Store for one
 * evaluation or one call, calls the functions below, and closes the Store:
 *
 *		store/id.h			ids of new executions
 *		store/slot.h		columns of tuple slots
 *		(this file)			executions, events, runs, iterators and children,
 *							pending events, the queue, leases, what is due
 *		store/relation.h	the names of tables and indexes
 *		store/compare.h		rows that are compared with expected ones and replaced,
 *							and the log of an execution as a whole
 *
 * Rows are read by direct index scans and written by the executor's path for
 * simple relations.  So constraints, indexes and users' triggers are honoured
 * at half the cost of SPI.  No privileges are checked: the caller acts as the
 * owner of the tables (store_owner).
 *
 * Only holders of an execution's lock change its rows of execution, workload,
 * event, run, item and pending; these are read with SnapshotSelf.  Workers
 * change rows of the queue without that lock; the queue is read with a fresh
 * MVCC snapshot, and a row is locked before it is changed.
 *
 * Strings, jsonb values and lists that a function returns live in the current
 * memory context.  An id of 0, or a time of 0, means none.
 */
#ifndef NOETL_STORE_STORE_H
#define NOETL_STORE_STORE_H

#include "access/attnum.h"
#include "executor/tuptable.h"
#include "utils/relcache.h"

#include "broker/broker.h"

/* ---------------------------------------------------------------------------
 * Stores
 * ---------------------------------------------------------------------------
 */

typedef struct Store Store;

/*
 * Opens a store.  event_leaf: the partition of noetl.event that holds the
 * execution's events when the caller knows it (a row trigger does), or
 * InvalidOid.  Raises an error when the extension is not installed, during
 * recovery and in a read-only transaction.  Stores nest: the last one that was
 * opened is closed first.  After an error a store must not be closed.
 */
extern Store *store_open(Oid event_leaf);

/* Writes what was kept back, closes the store and fires AFTER triggers. */
extern void store_close(Store *store);

/*
 * Announces that the caller is going to call store_lease: until then the store
 * keeps back the tasks that are enqueued, so that the lease can write them as
 * leased.  They live in the current memory context.
 */
extern void store_defer_tasks(Store *store);

/*
 * Writes the rows that were kept back.  The store does so before it reads them,
 * before another store opens, when it closes, and before a user's trigger runs.
 * A caller that reads the tables in another way has to call it before.
 */
extern void store_write_deferred(Store *store);

/* Returns the role that owns the tables. */
extern Oid	store_owner(void);

/* ---------------------------------------------------------------------------
 * Executions (noetl.execution, noetl.workload)
 * ---------------------------------------------------------------------------
 */

/* A row of noetl.execution, as much as decisions need. */
typedef struct Execution
{
	int64		execution_id;
	int64		catalog_id;
	int64		parent_execution_id;	/* 0: none */
	int64		parent_event_id;
	const char *path;
	int			version;
	bool		running;		/* it is not over */
	bool		scheduled;		/* it has not begun: run_at lies ahead */
	int			depth;			/* how many ancestors it has */
	int			item;			/* of the parent's iterator; -1: none */
	Oid			started_by;		/* role */
	Settings	settings;		/* by which it is decided on */
	TimestampTz started_at;		/* when read; ignored when written */
	TimestampTz deadline;		/* 0: none */
	int			drive;			/* 1, and one more for each redrive */
	Jsonb	   *labels;			/* when written: NULL: none; not read */
	int			priority;		/* of tasks whose step has none of its own */
	TimestampTz run_at;			/* 0: none was asked for */
	const char *schedule;		/* the schedule that started it, or NULL */
	int64		paused;			/* its execution_paused event while it is paused; else 0 */
} Execution;

/* An execution that has ended, and how. */
typedef struct ExecutionEnd
{
	Execution	execution;
	const char *status;
	Jsonb	   *result;			/* or NULL */
	const char *error;			/* or NULL */
	TimestampTz ended_at;
} ExecutionEnd;

/* Reads an execution; returns false when it has no row. */
extern bool store_get_execution(Store *store, int64 execution_id, Execution *execution);

/* Reads the labels of an execution, which Execution does not have; NULL: none. */
extern Jsonb *store_get_labels(Store *store, int64 execution_id);

/*
 * Finds the role that an execution runs for; returns false when there is no such
 * execution.  Needs no Store, and works where nothing can be written.
 */
extern bool store_started_by(int64 execution_id, Oid *role);

/* Finds whether an execution runs; like store_started_by(). */
extern bool store_is_running(int64 execution_id, bool *running);

/* Reads how an execution ended; returns false when it runs or has no row. */
extern bool store_get_end(Store *store, int64 execution_id, ExecutionEnd *end);

/* Who holds the row of an execution */
typedef enum RowHolder
{
	ROW_MISSING,				/* there is no row */
	ROW_FREE,					/* nobody has locked or written it */
	ROW_OWN,					/* this transaction has written it or locked it FOR UPDATE */
	ROW_DOUBTFUL				/* others may hold it, or have held it */
} RowHolder;

/* Returns who holds the row of an execution, by its header.  Needs no Store. */
extern RowHolder store_row_holder(int64 execution_id);

/*
 * Locks the row of an execution FOR UPDATE until the end of the transaction.  Returns
 * ROW_OWN, ROW_MISSING, or (unless wait) ROW_DOUBTFUL when another transaction holds it.
 * Needs no Store.
 */
extern RowHolder store_lock_row_of(int64 execution_id, bool wait);

/* Inserts an execution. */
extern void store_insert_execution(Store *store, const Execution *execution,
								   TimestampTz started_at);

/*
 * Writes that a scheduled execution begins, or begins at another time.  Raises an
 * error when its row is missing.
 */
extern void store_begin_execution(Store *store, int64 execution_id, TimestampTz started_at,
								  TimestampTz deadline);
/* Has an execution go on with another version of its playbook. */
extern void store_migrate_execution(Store *store, int64 execution_id, int64 catalog_id,
									int version);
/*
 * Writes that version into the tasks of an execution, and other names into those of
 * steps that the map (an object) gives one.
 */
extern void store_migrate_tasks(Store *store, int64 execution_id, const Playbook *to,
								const JsonbValue *map);
/* Has an execution run without a limit of time from now on. */
extern void store_end_timeout(Store *store, int64 execution_id);
extern void store_reschedule_execution(Store *store, int64 execution_id, TimestampTz run_at);

/* Writes that an execution is paused (paused: the event), or (0) is not any more. */
extern void store_pause_execution(Store *store, int64 execution_id, int64 paused);

/* Writes the end of an execution; raises an error when its row is missing. */
extern void store_finish_execution(Store *store, int64 execution_id,
								   const char *status, const char *error,
								   const Jsonb *result, TimestampTz ended_at);

/*
 * Has an execution that is over run again, in a drive of this number; raises an error
 * when its row is missing.
 */
extern void store_redrive_execution(Store *store, int64 execution_id, int drive,
									TimestampTz deadline);

/* Reads the workload of an execution; returns false when it has no row. */
extern bool store_get_workload(Store *store, int64 execution_id, JsonbValue *workload);

/* Inserts the workload of an execution. */
extern void store_insert_workload(Store *store, int64 execution_id,
								  TimestampTz created_at, Jsonb *data);

/* ---------------------------------------------------------------------------
 * Events (noetl.event)
 * ---------------------------------------------------------------------------
 */

/* Columns of noetl.event */
typedef enum EventColumn
{
	EVENT_COL_EXECUTION_ID = 1,
	EVENT_COL_EVENT_ID,
	EVENT_COL_PARENT_EVENT_ID,
	EVENT_COL_PARENT_EXECUTION_ID,
	EVENT_COL_CATALOG_ID,
	EVENT_COL_CREATED_AT,
	EVENT_COL_EVENT_TYPE,
	EVENT_COL_NODE_ID,
	EVENT_COL_NODE_NAME,
	EVENT_COL_NODE_TYPE,
	EVENT_COL_STATUS,
	EVENT_COL_DURATION,
	EVENT_COL_CONTEXT,
	EVENT_COL_RESULT,
	EVENT_COL_META,
	EVENT_COL_ERROR,
	EVENT_COL_CURRENT_INDEX,
	EVENT_COL_CURRENT_ITEM,
	EVENT_COL_WORKER_ID,
	EVENT_COL_STACK_TRACE,
	EVENT_COLUMNS = EVENT_COL_STACK_TRACE
} EventColumn;

/*
 * Reads a stored or an incoming row; context, result and meta are detoasted and
 * parsed (event_parse).
 */
extern void store_read_event(TupleTableSlot *slot, Event *event);

/*
 * Reads a row without context, result and meta, which may be large.  Nothing is
 * parsed.
 */
extern void store_read_event_head(TupleTableSlot *slot, Event *event);

/* Inserts an event, at the latest when the store is closed. */
extern void store_insert_event(Store *store, const Event *event);

/*
 * Finds the newest event of an execution; returns false when it has none.  *own
 * tells, in a transaction with one snapshot, whether it wrote the event itself.  since:
 * an event that is known to exist, from which the search is cheaper, or 0.
 */
extern bool store_last_event(Store *store, int64 execution_id, int64 since,
							 int64 *event_id, TimestampTz *created_at, bool *own);

/* Returns the newest event that the transaction's snapshot sees, or 0. */
extern int64 store_last_event_in_snapshot(Store *store, int64 execution_id);

/*
 * Adds a CHECK to a partition of noetl.event, which it locks: it has no events of
 * executions from "since" to before "until".  Raises an error when it has.
 */
extern void store_exclude_range(Oid partition, int64 since, int64 until, const char *name);

/* Returns what noetl.family_expired() returns for its three arguments. */
extern bool store_family_expired(Datum *values, const char *nulls);

/* Returns whether an event is stored. */
extern bool store_event_exists(Store *store, int64 execution_id, int64 event_id);

/* Reads an event; returns false when it is not stored. */
extern bool store_get_event(Store *store, int64 execution_id, int64 event_id, Event *event);

/*
 * Reads the execution_start of an execution; returns false when there is none.
 * It need not have the smallest id, as clients may choose theirs.
 */
extern bool store_start_event(Store *store, int64 execution_id, Event *event);

/*
 * Reads the newest execution_rescheduled of an execution; returns false when there
 * is none.
 */
extern bool store_last_rescheduled(Store *store, int64 execution_id, Event *event);

/*
 * Returns the name of the last step that completed with an action, or was skipped with a
 * value; NULL: none did.
 */
extern char *store_last_step(Store *store, int64 execution_id, const Playbook *playbook);
/*
 * Returns the signals (SignalRow *) of the log, up to a time, that no wait has taken or
 * that have an id.
 */
extern List *store_logged_signals(Store *store, int64 execution_id, TimestampTz until);
/*
 * Returns the completions (StepCompletion *) of steps that have a compensation, up to a
 * time, the newest first.
 */
extern List *store_completions(Store *store, int64 execution_id, const Playbook *playbook,
							   TimestampTz until);
/*
 * Returns whether an execution could not be resumed at the time of an event (of any
 * log): it had begun to compensate, or had ended before it did anything.
 */
extern bool store_cannot_resume(Store *store, int64 execution_id, int64 before);

/* Merges members into the meta of a stored event. */
extern void store_annotate_event(Store *store, int64 execution_id,
								 int64 event_id, const Jsonb *meta);

/* Writes the node into a stored event that does not name its run. */
extern void store_locate_event(Store *store, int64 execution_id, int64 event_id,
							   const Step *step, const Run *run);

/* Which value of a step is asked for. */
typedef struct ValueQuery
{
	const char *step_name;
	int			visit;			/* 0: the newest that has ended */
	bool		highest;		/* the newest is the one with the highest number, not
								 * the one that ended last */
	bool		decided;		/* only events that have been decided on count, not
								 * pending ones … */
	TimestampTz until;			/* … and those up to this time; DT_NOEND: all */
} ValueQuery;

/* Reads a value of a step.  value->found tells whether there is one. */
extern void store_step_value(Store *store, int64 execution_id, const ValueQuery *query,
							 StepValue *value);

/*
 * Returns the maps of steps (JsonbValue *) with which an execution has gone on with other
 * versions after an event and up to a time, the oldest first.  Empty maps are left out.
 */
extern List *store_step_maps(Store *store, int64 execution_id, const char *path, int64 since,
							 TimestampTz until);

/* ---------------------------------------------------------------------------
 * Runs (noetl.run: waiting and open steps; noetl.queue: tasks)
 * ---------------------------------------------------------------------------
 */

/* Which live runs of an execution are asked for. */
typedef struct RunQuery
{
	const char *with_action;	/* runs of this step get their action, which may be
								 * large; NULL: none */
	bool		some;			/* of many tasks the first will do, and this one: */
	int64		task_id;		/* 0: none */
} RunQuery;

/* Returns the live runs of an execution (Run *), under its lock, without their actions. */
extern List *store_load_runs(Store *store, int64 execution_id, const Playbook *playbook);

/* Returns those that are asked for.  *more: there are tasks that are not among them. */
extern List *store_query_runs(Store *store, int64 execution_id, const Playbook *playbook,
							  const RunQuery *query, bool *more);

/* Returns the tasks of an execution's steps (Run *), under its lock. */
extern List *store_load_tasks(Store *store, int64 execution_id, const Playbook *playbook,
							  const char *with_action);

/* Returns the arrivals (Arrival *) of a run that its row has no room for. */
extern List *store_more_arrivals(Store *store, int64 execution_id, const Run *run,
								 const Playbook *playbook);

/* Inserts or updates the row of a run that has no task. */
extern void store_put_run(Store *store, int64 execution_id, Run *run,
						  const Playbook *playbook, TimestampTz now);

/* Deletes the row of such a run. */
extern void store_delete_run(Store *store, Run *run);

/* ---------------------------------------------------------------------------
 * Iterators (noetl.item, and their events)
 * ---------------------------------------------------------------------------
 */

/*
 * Inserts items of a visit of a step that start later: "count" of them, with these
 * indexes or (NULL) from "first" on.
 */
extern void store_add_items(Store *store, int64 execution_id, const char *step_name,
							int visit, int first, const int *indexes, int count,
							JsonbValue *items);

/* Reads an item that has not started; returns false when there is no such row. */
extern bool store_get_item(Store *store, int64 execution_id, const char *step_name,
						   int visit, int index, JsonbValue *item);

/* Deletes one item, or all items, of a visit of a step. */
extern void store_delete_item(Store *store, int64 execution_id, const char *step_name,
							  int visit, int index);
extern void store_delete_items(Store *store, int64 execution_id, const char *step_name,
							   int visit);

/* Reads how far a visit of an iterator has come since the event that began it. */
extern void store_iteration_progress(Store *store, int64 execution_id, const char *step_name,
									 int visit, int64 since, IterationProgress *progress);

/*
 * Returns the results (IterationResult *) of the items that ended up to a time
 * (DT_NOEND: all), in the order of the log.
 */
extern List *store_iteration_results(Store *store, int64 execution_id,
									 const char *step_name, int visit, int64 since,
									 TimestampTz until);

/*
 * Returns what the log says of the items of an iterator ("total" of them) between two
 * events.
 */
extern ItemState *store_item_states(Store *store, int64 execution_id, const char *step_name,
									int visit, int64 since, int64 before, int total);

/* ---------------------------------------------------------------------------
 * Child executions
 * ---------------------------------------------------------------------------
 */

/*
 * Returns the children (Execution *) of an execution that have not completed, of a step
 * or of any (parent_event_id 0).
 */
extern List *store_unfinished_children(Store *store, int64 execution_id,
									   int64 parent_event_id);

/* Returns the running children (int64 *) of a step, or of any (parent_event_id 0). */
extern List *store_running_children(Store *store, int64 execution_id, int64 parent_event_id);

/* Gives a running execution a parent; raises an error when its row is missing. */
extern void store_adopt_execution(Store *store, int64 execution_id, int64 parent_execution_id,
								  int64 parent_event_id, int item);

/* Reads the item that a child was started for; returns false when there is none. */
extern bool store_child_item(Store *store, int64 execution_id, JsonbValue *item);

/* Returns which attempt of an iterator started a child, from 1; 0: none. */
extern int	store_child_attempt(Store *store, int64 execution_id);

/* ---------------------------------------------------------------------------
 * Events that wait for their decision (noetl.pending)
 * ---------------------------------------------------------------------------
 */

/*
 * Inserts a pending event.  event_id 0 asks for the execution's cancellation; a negative one
 * tells of the end of the child with that id, which has ended at created_at.
 */
extern void store_insert_pending(Store *store, const Event *event);

/* Returns whether an event is pending. */
extern bool store_is_pending(Store *store, int64 execution_id, TimestampTz created_at,
							 int64 event_id);

/*
 * Deletes the oldest pending event of an execution, and says which it was; returns false
 * when there is none.
 */
extern bool store_take_pending(Store *store, int64 execution_id, int64 *event_id,
							   TimestampTz *created_at);

/* Finds the next execution after *execution_id that has pending events. */
extern bool store_next_pending(Store *store, int64 *execution_id);

/* Returns whether an execution has pending events. */
extern bool store_any_pending(Store *store, int64 execution_id);

/* Returns the pending event that ends the execution, or 0. */
extern int64 store_pending_end(Store *store, int64 execution_id);

/* ---------------------------------------------------------------------------
 * Signals (noetl.signal), and messages for whoever waits (noetl.message)
 * ---------------------------------------------------------------------------
 */

/* A signal that no wait has taken, or whose id is remembered. */
typedef struct SignalRow
{
	int64		event_id;
	const char *name;
	const char *id;				/* or NULL */
	bool		taken;
} SignalRow;

/* Inserts a signal. */
extern void store_keep_signal(Store *store, int64 execution_id, const SignalRow *row);

/* Notes that a kept signal is taken; raises when its row is missing. */
extern void store_take_signal(Store *store, int64 execution_id, int64 event_id);

/* Deletes all signals of an execution, which is over. */
extern void store_forget_signals(Store *store, int64 execution_id);

/* Finds the first kept signal of a name after an event; returns false when there is none. */
extern bool store_next_signal(Store *store, int64 execution_id, const char *name,
							  int64 after, int64 *event_id);

/* Returns whether a signal with an id has come. */
extern bool store_signal_known(Store *store, int64 execution_id, const char *id);

/* A message. */
typedef struct Message
{
	int64		message_id;
	const char *name;
	const char *key;
	Jsonb	   *data;			/* or NULL */
	const char *id;				/* the sender's, or NULL */
	Oid			sent_by;		/* role */
	TimestampTz sent_at;
	TimestampTz expires_at;		/* until then it is kept, or its id is remembered */
	bool		taken;
	ItemPointerData place;		/* of the version that was read */
} Message;

/*
 * Returns the executions (int64 *, in order, perhaps twice) that have committed
 * waits for a signal with a key, or for several signals with it.
 */
extern List *store_waiting_executions(Store *store, const char *name, const char *key);

/* Inserts a message. */
extern void store_insert_message(Store *store, const Message *message);

/* Returns the roles (Oids) that have sent messages which are kept. */
extern List *store_message_senders(Store *store, const char *name, const char *key);

/*
 * Finds the first message of a role with a larger message_id that is kept and has
 * not expired; returns false when there is none.
 */
extern bool store_next_message(Store *store, const char *name, const char *key, Oid sent_by,
							   int64 after, Message *message);

/*
 * Locks a message that was found; waits for the transaction that is busy with it.
 * Returns false when another wait has taken it.
 */
extern bool store_lock_message(Store *store, Message *message);

/* Takes the message that store_lock_message() has locked just now. */
extern void store_take_message(Store *store);

/* Returns whether a role has sent a message with this id for a name and a key. */
extern bool store_message_known(Store *store, const char *name, const char *key,
								Oid sent_by, const char *id);

/* Deletes messages that have expired, at most "limit", without waiting for anybody. */
extern void store_sweep_messages(Store *store, int limit);

/* ---------------------------------------------------------------------------
 * Tasks (noetl.queue)
 * ---------------------------------------------------------------------------
 */

typedef enum QueueColumn
{
	QUEUE_COL_QUEUE_ID = 1,
	QUEUE_COL_EXECUTION_ID,
	QUEUE_COL_CATALOG_ID,
	QUEUE_COL_NODE_ID,
	QUEUE_COL_NODE_NAME,
	QUEUE_COL_NODE_TYPE,
	QUEUE_COL_ACTION,
	QUEUE_COL_CONTEXT,
	QUEUE_COL_STATUS,
	QUEUE_COL_PRIORITY,
	QUEUE_COL_ATTEMPTS,
	QUEUE_COL_MAX_ATTEMPTS,
	QUEUE_COL_AVAILABLE_AT,
	QUEUE_COL_LEASE_UNTIL,
	QUEUE_COL_WORKER_ID,
	QUEUE_COL_LAST_HEARTBEAT,
	QUEUE_COL_CREATED_AT,
	QUEUE_COL_PARENT_EXECUTION_ID,
	QUEUE_COL_PARENT_EVENT_ID,
	QUEUE_COL_EVENT_ID,
	QUEUE_COL_CURRENT_INDEX,
	QUEUE_COL_TIMEOUT,
	QUEUE_COL_DEADLINE,
	QUEUE_COL_LEASED_BY,
	QUEUE_COL_LOST_LEASES,
	QUEUE_COL_QUEUE_TIMEOUT,
	QUEUE_COL_ATTEMPTS_BEFORE,
	QUEUE_COL_PAUSED_BY,
	QUEUE_COL_LIMITS,
	QUEUE_COL_FAIR_KEY,
	QUEUE_COL_FAIR_WEIGHT,
	QUEUE_COL_VISIT,
	QUEUE_COL_SLOT_OF,
	QUEUE_COLUMNS = QUEUE_COL_SLOT_OF
} QueueColumn;

/* What the callers of queue functions need of a row. */
typedef struct QueueRow
{
	int64		queue_id;
	int64		execution_id;
	const char *node_id;
	const char *node_name;
	const char *node_type;
	const char *status;
	const char *worker_id;		/* or NULL */
	Oid			leased_by;		/* role; InvalidOid: none */
	int			attempts;
	int			lost;			/* how many leases have run out */
	int			attempts_before;	/* made before the step was given new ones */
	int			max_attempts;
	int64		event_id;
	int			item;			/* current_index; -1: none */
	TimestampTz lease_until;	/* 0: none */
	ItemPointerData place;		/* of the version that was read */
	int64		timeout;		/* of an attempt, in microseconds; 0: none */
	TimestampTz deadline;		/* of the attempt in flight, or of the wait for the
								 * first lease; 0: none */
	int64		queue_timeout;	/* of that wait, while it lasts; 0: none */
} QueueRow;

/* How an item of an iterator ended that a worker goes through itself. */
typedef struct WorkerItem
{
	int			index;
	bool		failed;
	Jsonb	   *value;
	const char *error;			/* or NULL */
	Jsonb	   *item;			/* the item, if the event has it, or NULL */
} WorkerItem;

/*
 * Returns the items (WorkerItem *) that have ended in the attempt of a leased task, and
 * those that had completed before the step was given new attempts, the newest first.
 */
extern List *store_worker_items(Store *store, const QueueRow *row);

/* Reads a task; returns false when it has no row. */
extern bool store_get_task(Store *store, int64 queue_id, QueueRow *row);

/*
 * Reads a task and locks its row; returns false when it has no row, and when somebody
 * else, who may be about to extend its lease, has locked the row.
 */
extern bool store_try_task(Store *store, int64 queue_id, QueueRow *row);

/* Which task of an execution is meant. */
typedef struct TaskQuery
{
	const char *node_name;
	int			visit;			/* 0: the oldest that the worker has leased, else the
								 * oldest */
	int			item;			/* of the step's iterator; -1: the step itself */
	const char *worker_id;		/* or NULL */
} TaskQuery;

/* Reads a task, whatever its status; returns false when it has no row. */
extern bool store_find_task(Store *store, int64 execution_id, const TaskQuery *query,
							QueueRow *row);

/*
 * Returns the execution of a task that this session has leased lately; 0: none is known.
 * The task's row tells whether it is still there, and whether it is of that execution.
 */
extern int64 store_recall_execution(Store *store, int64 queue_id);

/*
 * Notes that the task which has been read last was read under the lock of its execution:
 * its row need not be read again to load the execution's runs, unless anything has been
 * written in between.
 */
extern void store_note_locked_task(Store *store);

/* Returns whether a row that was read is still the newest version. */
extern bool store_task_unchanged(Store *store, const QueueRow *row);

/* Deletes all rows of an execution, whatever their status. */
extern void store_delete_tasks(Store *store, int64 execution_id);

/* Deletes a row whatever its status; returns false when it is gone. */
extern bool store_delete_task(Store *store, int64 queue_id);

/*
 * Returns the newest visit of a step, after another one, that has a live task; 0: none has.
 * The step counts its visits (step_counts_visits()).
 */
extern int	store_newest_visit(Store *store, int64 execution_id, const char *step_name,
							   int after);

/*
 * Returns the live task of an item of a visit of an iterator (0: of the oldest
 * visit that has one) as a run, or NULL.
 */
extern Run *store_load_item(Store *store, int64 execution_id, const Playbook *playbook,
							const char *node_name, int visit, int item);

/*
 * Withdraws the tasks of the items of a visit of an iterator.  leave: leased rows stay, so that
 * their workers may finish; revoke: those rows are marked as cancelled, which
 * the workers are told at their next heartbeat.
 */
extern void store_abandon_items(Store *store, int64 execution_id,
								const char *node_name, int visit, bool leave, bool revoke);

/*
 * What decisions do with the task of a run.  The caller holds the execution's
 * lock.  The functions raise an error when the row is missing.
 */
/* Inserts the task at the end of the queue. */
extern void store_enqueue(Store *store, const BrokerState *state, Run *run);
/* Deletes the task, which has ended. */
extern void store_close_task(Store *store, int64 execution_id, Run *run);
/* Puts the task back into the queue: ready now, or when run->available_at comes. */
extern void store_retry_task(Store *store, Run *run);
/* Marks the task as leased by run->worker_id. */
extern void store_lease_task(Store *store, Run *run, TimestampTz lease_until);
/* Marks the task as cancelled, which its worker is told at the next heartbeat. */
extern void store_revoke_task(Store *store, Run *run);

/* ---------------------------------------------------------------------------
 * Leases
 * ---------------------------------------------------------------------------
 */

/* Called with each row that was leased. */
typedef void (*LeasedRow) (void *arg, TupleTableSlot *slot, TimestampTz lease_until);

typedef struct LeaseRequest
{
	const char *worker_id;
	int			max_tasks;
	int64		lease_us;
	int			ntypes;			/* 0: any type */
	char	  **types;
	LeasedRow	callback;
	void	   *arg;
	bool		look_closely;	/* visits rows that seem to be leased already */
	/* called with the type of each task that was kept back and is leased; or NULL */
	void		(*taken) (const char *type);
} LeaseRequest;

/*
 * Leases ready rows, the highest priority first and then the smallest queue_id,
 * and skips rows that other transactions hold.  Returns how many were leased.
 * *more is the type of another ready row that was seen, or NULL; *skipped tells
 * whether rows were skipped or may have been missed.
 */
extern int	store_lease(Store *store, const LeaseRequest *request,
						const char **more, bool *skipped);

/* Returns whether there is a ready row of one of the types, held or not. */
extern bool store_any_ready(Store *store, int ntypes, char **types);

/* Raises unless the current role may use the lease of a row. */
typedef void (*LeaseCheck) (Store *store, const QueueRow *row);

/*
 * Extends a lease.  Returns false when the worker does not hold it any more or
 * the task's deadline has passed.
 */
extern bool store_extend_lease(Store *store, int64 queue_id, const char *worker_id,
							   LeaseCheck check, TimestampTz lease_until, TimestampTz now);

/* Gives a leased row back, behind all ready rows; returns false when the lease is lost. */
extern bool store_release_task(Store *store, int64 queue_id, const char *worker_id,
							   LeaseCheck check);

/* ---------------------------------------------------------------------------
 * What becomes due
 *
 * execution_id: of that execution, or of all (0).  limit: at most so many.
 * The caller holds no execution's lock yet, and checks a row again under the lock
 * (store_run_is_due, store_find_task).
 * ---------------------------------------------------------------------------
 */

/* An open run whose time has come. */
typedef struct DueRun
{
	int64		execution_id;
	const char *step_name;
	int			visit;
} DueRun;

/* Returns whether the time of a retry has come. */
extern bool store_any_retry_due(Store *store);

/* Makes retries that are due ready, and calls "ready" with their types; returns how many. */
extern int	store_promote_due(Store *store, int64 execution_id, int limit,
							  void (*ready) (const char *type));

/* Returns the rows (QueueRow *) whose lease has run out. */
extern List *store_expired_leases(Store *store, int64 execution_id, int limit);

/* Returns the running executions (int64 *) whose deadline has passed. */
extern List *store_due_executions(Store *store, int64 execution_id, int limit);

/* Returns the scheduled executions (int64 *) whose run_at has come. */
extern List *store_due_starts(Store *store, int64 execution_id, int limit);

/*
 * Returns the ids (int64 *) of the schedules that are due, and of those of which a
 * start waits for the last execution to end.
 */
extern List *store_due_schedules(Store *store, int limit);

/* Returns whether it is time to look at a limit: its rate lets something begin. */
extern bool store_any_limit_due(Store *store);

/* Returns the open runs (DueRun *) whose timeout or retry is due. */
extern List *store_due_runs(Store *store, int64 execution_id, int limit);

/* Returns whether a run is still due; the caller holds the execution's lock. */
extern bool store_run_is_due(Store *store, const DueRun *run);

/*
 * Finds when anything is due next, later than "after" (DT_NOBEGIN: at any time).
 * Returns false when nothing is scheduled.
 */
extern bool store_next_timer(Store *store, TimestampTz after, TimestampTz *when);

/* Makes the next calls of the functions above read their indexes completely. */
extern void store_read_all_timers(void);

/* The other parts of the door. */
#include "store/failure.h"
#include "store/limit.h"
#include "store/family.h"
#include "store/pause.h"
#include "store/runtime.h"
#include "store/undecided.h"
#include "store/id.h"
#include "store/schedule.h"
#include "store/slot.h"
#include "store/start_key.h"
#include "store/change_rule.h"
#include "store/relation.h"
#include "store/compare.h"

/* Raises an error when the extension in this database is of another release. */
extern void release_check(void);

#endif							/* NOETL_STORE_STORE_H */
