/*
 * store/store.h
 *		Every read and write of a table of the extension.
 *
 * A Store is open for one evaluation or one call.  Rows are read by direct
 * index scans and written by the executor's simple-relation path, so that
 * constraints, indexes and users' triggers are honoured at half the cost of
 * SPI.  No privileges are checked here: callers act as the tables' owner.
 *
 * What only holders of the execution lock change (execution, workload, event,
 * run, pending) is read with SnapshotSelf; the queue, which workers change
 * without that lock, with a fresh MVCC snapshot.
 */
#ifndef NOETL_STORE_STORE_H
#define NOETL_STORE_STORE_H

#include "access/attnum.h"
#include "executor/tuptable.h"
#include "utils/relcache.h"

#include "broker/broker.h"

typedef enum StoreRelation
{
	/* tables */
	REL_EXECUTION,
	REL_WORKLOAD,
	REL_EVENT,
	REL_RUN,
	REL_ITEM,
	REL_PENDING,
	REL_QUEUE,
	/* indexes */
	REL_EXECUTION_PKEY,
	REL_EXECUTION_PARENT_IDX,
	REL_EXECUTION_DEADLINE_IDX,
	REL_WORKLOAD_PKEY,
	REL_EVENT_PKEY,
	REL_EVENT_RESULT_IDX,
	REL_RUN_PKEY,
	REL_RUN_DUE_IDX,
	REL_ITEM_PKEY,
	REL_PENDING_PKEY,
	REL_QUEUE_PKEY,
	REL_QUEUE_READY_IDX,
	REL_QUEUE_RUN_IDX,
	REL_QUEUE_RETRY_IDX,
	REL_QUEUE_LEASE_IDX,
	/* sequences */
	REL_ID_SEQ,
	REL_QUEUE_SEQ,
	REL_COUNT
} StoreRelation;

#define STORE_TABLES	(REL_QUEUE + 1)

/* OID of a relation of the extension; raises when it is not installed. */
extern Oid	store_relation(StoreRelation which);

/* The role that owns the tables. */
extern Oid	store_owner(void);

/* The partition of noetl.event that holds an execution's events. */
extern Oid	store_event_leaf(int64 execution_id);
/* Names the partition whose indexes store_index() gives. */
extern void store_use_event_leaf(Relation leaf);
extern Oid	store_index(StoreRelation which);

typedef struct Store Store;

/*
 * event_leaf: the partition that holds the execution's events, if the caller
 * knows it (a row trigger does), else InvalidOid.
 */
extern Store *store_open(Oid event_leaf);
/* Fires the AFTER triggers of what was written. */
extern void store_close(Store *store);

/* A row of noetl.execution, as much as decisions need. */
typedef struct Execution
{
	int64		execution_id;
	int64		catalog_id;
	int64		parent_execution_id;	/* 0: none */
	int64		parent_event_id;
	const char *path;
	int			version;
	bool		running;
	int			depth;			/* how many ancestors it has */
	int			item;			/* of the parent's iterator, -1: none */
	const char *started_by;		/* role */
	TimestampTz started_at;		/* as read; store_insert_execution has its own */
	TimestampTz deadline;		/* 0: none */
} Execution;

extern bool store_get_execution(Store *store, int64 execution_id, Execution *execution);
extern void store_insert_execution(Store *store, const Execution *execution,
								   TimestampTz started_at);
/* How an execution ended; false: it runs, or there is no such row. */
extern bool store_get_end(Store *store, int64 execution_id, Execution *execution,
						  const char **status, Jsonb **result, const char **error);
extern void store_finish_execution(Store *store, int64 execution_id,
								   const char *status, const char *error,
								   const Jsonb *result, TimestampTz ended_at);

extern bool store_get_workload(Store *store, int64 execution_id, JsonbValue *workload);
extern void store_insert_workload(Store *store, int64 execution_id,
								  TimestampTz created_at, Jsonb *data);

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

/* Reads a row as an Event, detoasts its payloads and parses them (event_parse). */
extern void store_read_event(TupleTableSlot *slot, Event *event);
/*
 * Reads a row without context, result and meta, which may be large; nothing is
 * parsed.
 */
extern void store_read_event_head(TupleTableSlot *slot, Event *event);
extern void store_insert_event(Store *store, const Event *event);

/*
 * The newest event of an execution.  *own: this transaction wrote it.  since: an
 * event that is known, if any: the newest is then found at less expense.
 */
extern bool store_last_event(Store *store, int64 execution_id, int64 since,
							 int64 *event_id, TimestampTz *created_at, bool *own);
/* The same as the transaction snapshot sees it (REPEATABLE READ). */
extern int64 store_last_event_in_snapshot(Store *store, int64 execution_id);
extern bool store_event_exists(Store *store, int64 execution_id, int64 event_id);
extern bool store_get_event(Store *store, int64 execution_id, int64 event_id, Event *event);
/* The execution_start; it need not have the smallest id, as clients may choose theirs. */
extern bool store_start_event(Store *store, int64 execution_id, Event *event);
/* Returns the name of the last step that completed with an action; NULL: none did. */
extern char *store_last_step(Store *store, int64 execution_id, const Playbook *playbook);
/* Merges members into the meta of a stored event. */
extern void store_annotate_event(Store *store, int64 execution_id,
								 int64 event_id, const Jsonb *meta);
/* Fills in the node of a stored event that does not name its run. */
extern void store_locate_event(Store *store, int64 execution_id, int64 event_id,
							   const Step *step, const Run *run);
/* The newest result-bearing event of a step that counts; decided: pending ones do not. */
extern void store_step_value(Store *store, int64 execution_id,
							 const char *step_name, bool decided, StepValue *value);

/*
 * Live runs: queue rows and waiting joins.  Only the run of step "with_action"
 * (or none: NULL) gets its action, which may be large.
 */
extern List *store_load_runs(Store *store, int64 execution_id,
							 const Playbook *playbook, const char *with_action);
extern void store_put_run(Store *store, int64 execution_id, Run *run,
						  const Playbook *playbook, TimestampTz now);
extern void store_delete_run(Store *store, Run *run);

/* ---- iterators and children (store_iteration.c) ---- */

/* Items of an iterator that start later. */
extern void store_add_items(Store *store, int64 execution_id, const char *step_name,
							int first, int count, JsonbValue *items);
extern bool store_get_item(Store *store, int64 execution_id, const char *step_name,
						   int index, JsonbValue *item);
extern void store_delete_item(Store *store, int64 execution_id, const char *step_name,
							  int index);
extern void store_delete_items(Store *store, int64 execution_id, const char *step_name);

/* How far an iterator has come since the event that began it. */
extern void store_iteration_progress(Store *store, int64 execution_id, const char *step_name,
									 int64 since, IterationProgress *progress);
/*
 * IterationResult * of items that ended up to a time (DT_NOEND: now), in the
 * order of the log.
 */
extern List *store_iteration_results(Store *store, int64 execution_id,
									 const char *step_name, int64 since,
									 TimestampTz until);

/* Ids of running children of a step (of any, parent_event_id 0), as a list of int64 *. */
extern List *store_running_children(Store *store, int64 execution_id, int64 parent_event_id);
/* Gives a running execution a parent. */
extern void store_adopt_execution(Store *store, int64 execution_id, int64 parent_execution_id,
								  int64 parent_event_id, int item);
/* The item that a child execution was started for. */
extern bool store_child_item(Store *store, int64 execution_id, JsonbValue *item);
/* Which attempt of an iterator started it for an item, from 1; 0: none. */
extern int	store_child_attempt(Store *store, int64 execution_id);

/* event_id 0: the execution is to be cancelled */
extern void store_insert_pending(Store *store, const Event *event);
/* Does this event still wait for its decision? */
extern bool store_is_pending(Store *store, int64 execution_id, TimestampTz created_at,
							 int64 event_id);
/* Takes the oldest pending event of an execution from the list. */
extern bool store_take_pending(Store *store, int64 execution_id, int64 *event_id);
/* The first execution after the given one that has pending events. */
extern bool store_next_pending(Store *store, int64 *execution_id);
extern bool store_any_pending(Store *store, int64 execution_id);
/* The pending event of a client that ends the execution, or 0. */
extern int64 store_pending_end(Store *store, int64 execution_id);

/* ---- the queue (store_queue.c) ---- */

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
	QUEUE_COLUMNS = QUEUE_COL_DEADLINE
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
	int			attempts;
	int			max_attempts;
	int64		event_id;
	int			item;			/* current_index, -1: none */
	TimestampTz lease_until;	/* 0: none */
	ItemPointerData place;		/* of the version that was read */
	int64		timeout;		/* of an attempt, in microseconds; 0: none */
	TimestampTz deadline;		/* of the attempt in flight; 0: none */
} QueueRow;

extern void store_queue_load_runs(Store *store, int64 execution_id,
								  const Playbook *playbook,
								  const char *with_action, List **runs);
/*
 * The queue row of a step (item -1) or of an item of its iterator, whatever
 * its state; false: there is none.
 */
extern bool store_find_task(Store *store, int64 execution_id,
							const char *node_name, int item, QueueRow *row);
/* The task of an item of an iterator; NULL: there is none, or it is over. */
extern Run *store_load_item(Store *store, int64 execution_id, const Playbook *playbook,
							const char *node_name, int item);
/*
 * Withdraws the tasks of an iterator's items.  leave: those that are leased may
 * finish in vain, or (revoke) are told so at their next heartbeat.
 */
extern void store_abandon_items(Store *store, int64 execution_id,
								const char *node_name, bool leave, bool revoke);
extern void store_enqueue(Store *store, const BrokerState *state, Run *run);
extern void store_close_task(Store *store, Run *run);
extern void store_retry_task(Store *store, Run *run);
extern void store_lease_task(Store *store, Run *run, TimestampTz lease_until);
extern void store_revoke_task(Store *store, Run *run);

extern bool store_get_task(Store *store, int64 queue_id, QueueRow *row);
/* Is what was read still the newest version?  Cheaper than reading it again. */
extern bool store_task_unchanged(Store *store, const QueueRow *row);
/* Deletes a row whatever its state; false when it is gone. */
extern bool store_delete_task(Store *store, int64 queue_id);
/*
 * Owner check and new lease_until in one; false when the lease is lost or the
 * task's deadline has passed.
 */
extern bool store_extend_lease(Store *store, int64 queue_id, const char *worker_id,
							   TimestampTz lease_until, TimestampTz now);
/* Gives a leased row back, at a new position; false when the lease is lost. */
extern bool store_release_task(Store *store, int64 queue_id, const char *worker_id);

/* Called with each leased row. */
typedef void (*LeasedRow) (void *arg, TupleTableSlot *slot);

typedef struct LeaseRequest
{
	const char *worker_id;
	int			max_tasks;
	int64		lease_us;
	int			ntypes;			/* 0: any type */
	char	  **types;
	LeasedRow	callback;
	void	   *arg;
	bool		look_closely;	/* also at rows that were taken lately, as it seems */
	/* called with the type of each task that came into being in this call */
	void		(*taken) (const char *type);
} LeaseRequest;

/*
 * The caller is going to lease: until then tasks that are enqueued are kept
 * back, to be written as leased.  They live in the current memory context.
 */
extern void store_defer_tasks(Store *store);
/*
 * Writes what was kept back.  A store does so before it looks itself, before
 * another one opens, when it closes, and before anybody's triggers run; who
 * looks in another way has to say so.
 */
extern void store_write_deferred(Store *store);

/*
 * Leases ready rows, highest priority first, skipping those others hold.
 * Returns how many; *more says whether at least one more was seen, *skipped
 * whether rows were skipped that others hold or have just taken.
 */
extern int	store_lease(Store *store, const LeaseRequest *request,
						bool *more, bool *skipped);
/* Makes the next look at timers a complete one. */
extern void store_queue_read_all_timers(void);
/* Makes retries that are due ready; returns how many. */
extern int	store_promote_due(Store *store, int64 execution_id, int limit);
/* Is there a ready row of one of the types, locked or not? */
extern bool store_any_ready(Store *store, int ntypes, char **types);
/* When the next retry or the end of a lease is due; false: nothing is scheduled. */
extern bool store_queue_next_timer(Store *store, TimestampTz *when);
/* Rows whose lease has run out, at most "limit" (copies). */
extern List *store_expired_leases(Store *store, int64 execution_id, int limit);

/* ---- what else becomes due (store_timer.c) ---- */

/* Running executions whose deadline has passed, at most "limit" (int64 *). */
extern List *store_due_executions(Store *store, int64 execution_id, int limit);
/* A row of noetl.run whose time has come. */
typedef struct DueRun
{
	int64		execution_id;
	const char *step_name;
} DueRun;

/* Open runs whose timeout or retry is due, at most "limit" (DueRun *). */
extern List *store_due_runs(Store *store, int64 execution_id, int limit);
/* Is it still so, under the lock of its execution? */
extern bool store_run_is_due(Store *store, const DueRun *run);
/* Makes the next look at timers a complete one. */
extern void store_read_all_timers(void);
/* When anything is due next; false: nothing is scheduled. */
extern bool store_next_timer(Store *store, TimestampTz *when);

/* For the store's own files only: an open table. */
typedef struct StoreTable
{
	Relation	relation;		/* NULL: not open */
	bool		writable;		/* its indexes are open too */
	/* kept from one store to the next: */
	Oid			relid;
	uint64		described;		/* when that was */
	struct ResultRelInfo *result_rel;
	TupleTableSlot *insert_slot;
	TupleTableSlot *scan_slot;
	bool		indexed;		/* its indexes are known: */
	Oid		   *index_oids;
	TupleTableSlot **batch;		/* rows to be written together */
	int			nbatch;
} StoreTable;

/* Opens a table on first use. */
extern StoreTable *store_table(Store *store, StoreRelation which);
/* Writes table->insert_slot. */
extern void store_write_insert(Store *store, StoreTable *table);
/* Replaces the row in "old" by "new"; the caller holds it against others. */
extern void store_write_update(Store *store, StoreTable *table, TupleTableSlot *old,
							   TupleTableSlot *new);
/* Deletes the row in "old"; the caller holds it against others. */
extern void store_write_delete(Store *store, StoreTable *table, TupleTableSlot *old);

/* The other parts of the door. */
#include "store/id.h"
#include "store/compare.h"
#include "store/slot.h"

#endif							/* NOETL_STORE_STORE_H */
