/*
 * replay/redrive.c
 *		The SQL functions retry() and redrive(): they resume the held steps of an
 *		execution, and an execution that failed or was cancelled.
 *
 * What the end of an execution has stopped is not in the tables.  It follows from the
 * log, which is decided again up to its end:
 *
 *		log ─ replay ─> stopped runs ─ engine_redrive ─> execution_redriven
 *		                                                   │
 *		  children that had not completed <────────────────┘
 *
 * A transaction takes the lock of a running child before that of its parent.  So running
 * descendants of an execution that is over, which are waiting to be cancelled, are
 * cancelled first.  A child that is over takes no lock of a parent.
 */
#include "common/common.h"

#include "access/xact.h"
#include "miscadmin.h"
#include "utils/builtins.h"

#include "catalog/catalog.h"
#include "engine/engine.h"
#include "replay/internal.h"
#include "replay/redrive.h"

PG_FUNCTION_INFO_V1(noetl_retry);
PG_FUNCTION_INFO_V1(noetl_redrive);

static void redrive_one(Recovery *recovery, int64 execution_id);

/* Reads an execution by its id; returns false when it has no row. */
static bool
get_execution(int64 execution_id, Execution *execution)
{
	Store	   *store = store_open(InvalidOid);
	bool		found = store_get_execution(store, execution_id, execution);

	store_close(store);
	return found;
}

/* Returns whether an execution has completed. */
static bool
has_completed(int64 execution_id)
{
	Store	   *store = store_open(InvalidOid);
	ExecutionEnd end;
	bool		completed = store_get_end(store, execution_id, &end) &&
		strcmp(end.status, "COMPLETED") == 0;

	store_close(store);
	return completed;
}

/* ---------------------------------------------------------------------------
 * Children
 * ---------------------------------------------------------------------------
 */

/* Tells an execution, which waits for a child, that the child has completed. */
static void
tell_completed(int64 execution_id, int64 child_id)
{
	Store	   *store = store_open(InvalidOid);
	ExecutionEnd ended;
	ChildEnd	end;

	if (!store_get_end(store, child_id, &ended))
		elog(ERROR, "execution " INT64_FORMAT " is not over", child_id);
	engine_describe_end(&ended.execution, ended.status, ended.result, ended.error, 0, &end);
	store_close(store);
	(void) engine_decide_child_end(execution_id, &end);
}

/* Resumes a child, or tells its parent that it has completed. */
static void
redrive_child(Recovery *recovery, int64 execution_id, int64 child_id)
{
	Execution	child;

	if (!get_execution(child_id, &child))
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("child execution " INT64_FORMAT " has been deleted", child_id),
				 errdetail("Execution " INT64_FORMAT " cannot go on without it.", execution_id)));
	if (child.running)
		engine_end_orphan(child_id, false);
	if (has_completed(child_id))
		tell_completed(execution_id, child_id);
	else
		redrive_one(recovery, child_id);
}

/* Resumes the executions that the worker of a step has started. */
static void
redrive_spawned(Recovery *recovery, int64 execution_id, const ChildStart *start)
{
	Store	   *store = store_open(InvalidOid);
	List	   *children = store_unfinished_children(store, execution_id, start->parent_event_id);
	ListCell   *lc;

	store_close(store);
	foreach(lc, children)
		redrive_child(recovery, execution_id, ((Execution *) lfirst(lc))->execution_id);
	if (children == NIL)
	{
		ChildEnd	end;

		memset(&end, 0, sizeof(end));
		end.parent_event_id = start->parent_event_id;
		end.item = -1;
		end.completed = true;
		(void) engine_decide_child_end(execution_id, &end);
	}
}

/* Resumes the children (ChildStart *) of an execution that has been resumed. */
static void
redrive_children(Recovery *recovery, int64 execution_id, const List *children)
{
	ListCell   *lc;

	CommandCounterIncrement();
	foreach(lc, children)
	{
		const ChildStart *start = (ChildStart *) lfirst(lc);

		CHECK_FOR_INTERRUPTS();
		check_stack_depth();
		if (start->execution_id == 0)
			redrive_spawned(recovery, execution_id, start);
		else
			redrive_child(recovery, execution_id, start->execution_id);
		CommandCounterIncrement();
	}
}

/* ---------------------------------------------------------------------------
 * One execution
 * ---------------------------------------------------------------------------
 */

/*
 * Returns the runs that the end of an execution has stopped, by its log, and *signals,
 * the signals (SignalRow *) that were kept then.
 */
static List *
stopped_runs(int64 execution_id, List **signals)
{
	ListCell   *lc;
	Comparison	comparison;
	Replay		replay;
	List	   *runs;

	memset(&comparison, 0, sizeof(comparison));
	replay_until(&replay, execution_id, &comparison, 0);
	if (replay.broken != NULL)
		replay_raise_broken(&replay);
	if (replay.model == NULL || replay.model->workload == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("execution " INT64_FORMAT " has never begun", execution_id),
				 errdetail("It could not be started."),
				 errhint("Start another execution with noetl.execute().")));
	if (replay.model->compensated)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("execution " INT64_FORMAT " has been compensated", execution_id),
				 errdetail("What it had completed is undone, so there is nothing that it could go on from."),
				 errhint("Start another execution with noetl.execute(), or one from the middle of this one with noetl.fork().")));
	runs = model_stopped_runs(replay.model);
	*signals = NIL;
	foreach(lc, replay.model->stopped_signals)
		*signals = lappend(*signals, &((ModelSignal *) lfirst(lc))->row);
	store_close(replay.store);
	return runs;
}

/*
 * Gives an execution its business key back; raises when another one has it and runs.  One
 * that is scheduled keeps it: a debounce schedules the next one while the last one runs.
 * None starts with the key meanwhile, whose lock comes before that of an execution.
 */
static void
take_key_back(int64 execution_id)
{
	Store	   *store = store_open(InvalidOid);
	Execution	execution;
	Execution	other;
	Event		start;
	StartKey	key;
	int64		holder = 0;
	bool		live = false;

	if (store_get_execution(store, execution_id, &execution) &&
		store_start_event(store, execution_id, &start) &&
		start.terms != NULL && start.terms->key != NULL)
	{
		key.path = execution.path;
		key.key = start.terms->key;
		key.role = execution.started_by;
		if (store_find_key(&key, true, &holder) && holder != execution_id)
			live = get_execution(holder, &other) && other.running;
		if (live && !other.scheduled)
			ereport(ERROR,
					(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
					 errmsg("another execution runs with the key \"%s\" of execution " INT64_FORMAT,
							key.key, execution_id),
					 errdetail("It is execution " INT64_FORMAT ".", holder),
					 errhint("Cancel it, or wait until it is over.")));
		if (!live && holder != execution_id)
			store_give_key(&key, execution_id);
	}
	store_close(store);
}

/* Resumes an execution that is over, and has not completed, and its children. */
static void
redrive_one(Recovery *recovery, int64 execution_id)
{
	Store	   *store = store_open(InvalidOid);
	Execution	execution;
	List	   *runs;
	List	   *signals;
	List	   *children;
	ListCell   *lc;
	RecoverRequest request = recovery->request;
	ExecutionEnd end;
	int			before;

	take_key_back(execution_id);
	engine_begin_recovery(store, execution_id, &execution);
	if (execution.running || !store_get_end(store, execution_id, &end))
	{
		store_close(store);
		return;
	}
	/* the new input is for what failed, not for what was cancelled because of it */
	if (execution_id != recovery->root && strcmp(end.status, "FAILED") != 0)
		request.input = NULL;
	runs = stopped_runs(execution_id, &signals);
	before = recovery->steps;
	foreach(lc, runs)
		if (((Run *) lfirst(lc))->state == RUN_HELD)
			recovery->steps++;
	/* those that wait count where they alone go on, as an end whose mapping has failed */
	if (recovery->steps == before)
		recovery->steps += list_length(runs);
	children = engine_redrive(store, &execution, runs, signals, &request);
	recovery->redriven = lappend(recovery->redriven, palloc(sizeof(int64)));
	*(int64 *) llast(recovery->redriven) = execution_id;
	redrive_children(recovery, execution_id, children);
	/* not before: slots of limits are for children that go on, then for new ones */
	store_close(store);
}

/*
 * Cancels the descendants of an execution that are still running although their parent
 * is over, the deepest first.
 */
static void
end_orphans(int64 execution_id)
{
	Store	   *store = store_open(InvalidOid);
	List	   *children = store_unfinished_children(store, execution_id, 0);
	ListCell   *lc;

	store_close(store);
	foreach(lc, children)
	{
		const Execution *child = (Execution *) lfirst(lc);

		CHECK_FOR_INTERRUPTS();
		check_stack_depth();
		end_orphans(child->execution_id);
		if (child->running)
			engine_end_orphan(child->execution_id, true);
	}
}

/*
 * Returns the topmost ancestor of an execution; resuming the ancestor resumes the
 * execution.  Raises when an ancestor is running, or has completed, without it.
 */
static int64
find_root(int64 execution_id)
{
	Execution	execution;
	Execution	parent;

	while (get_execution(execution_id, &execution) && execution.parent_execution_id != 0 &&
		   get_execution(execution.parent_execution_id, &parent))
	{
		CHECK_FOR_INTERRUPTS();
		if (parent.running)
			ereport(ERROR,
					(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
					 errmsg("the parent of execution " INT64_FORMAT " is running", execution_id),
					 errdetail("Its parent is execution " INT64_FORMAT ".", parent.execution_id),
					 errhint("If the parent's step is held, use noetl.retry() on the parent.")));
		if (has_completed(parent.execution_id))
			ereport(ERROR,
					(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
					 errmsg("the parent of execution " INT64_FORMAT " has completed",
							execution_id),
					 errdetail("Its parent is execution " INT64_FORMAT ".", parent.execution_id)));
		execution_id = parent.execution_id;
	}
	return execution_id;
}

/*
 * Resumes an execution that failed or was cancelled, from its topmost ancestor on.  Does
 * nothing when it is running.  *recovery says what was done.
 */
void
redrive(Recovery *recovery, int64 execution_id)
{
	Execution	execution;

	if (!get_execution(execution_id, &execution))
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_OBJECT),
				 errmsg("execution " INT64_FORMAT " does not exist", execution_id)));
	engine_check_owner(&execution);
	if (execution.running)
		return;
	if (has_completed(execution_id))
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("execution " INT64_FORMAT " has completed", execution_id)));
	recovery->root = find_root(execution_id);
	end_orphans(recovery->root);
	CommandCounterIncrement();
	redrive_one(recovery, recovery->root);
}

/* ---------------------------------------------------------------------------
 * SQL
 * ---------------------------------------------------------------------------
 */

/* Reads the input and the reason that a function is given. */
static void
read_request(FunctionCallInfo fcinfo, int input, int reason, RecoverRequest *request)
{
	memset(request, 0, sizeof(RecoverRequest));
	if (!PG_ARGISNULL(input))
	{
		request->input = PG_GETARG_JSONB_P(input);
		if (!JB_ROOT_IS_OBJECT(request->input))
			ereport(ERROR,
					(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
					 errmsg("an input must be a JSON object")));
	}
	if (!PG_ARGISNULL(reason))
		request->reason = text_to_cstring(PG_GETARG_TEXT_PP(reason));
}

/* Returns the held runs (Run *) of a step, or of all (-1). */
static List *
held_runs(Store *store, const Execution *execution, int step)
{
	List	   *runs = store_load_runs(store, execution->execution_id,
									   playbook_get(execution->catalog_id));
	List	   *held = NIL;
	ListCell   *lc;

	foreach(lc, runs)
	{
		Run		   *run = (Run *) lfirst(lc);

		if (run->state == RUN_HELD && (step < 0 || run->step == step))
			held = lappend(held, run);
	}
	return held;
}

/* Resumes the held runs of a step of an execution (-1: of all); returns how many there were. */
int
retry_held(Recovery *recovery, int64 execution_id, int step)
{
	Store	   *store = store_open(InvalidOid);
	Execution	execution;
	List	   *held;
	ListCell   *lc;
	int			count = 0;

	(void) store_get_execution(store, execution_id, &execution);
	held = held_runs(store, &execution, step);
	store_close(store);
	foreach(lc, held)
	{
		const Run  *run = (Run *) lfirst(lc);
		List	   *children;

		CHECK_FOR_INTERRUPTS();
		if (!get_execution(execution_id, &execution) || !execution.running)
			break;
		store = store_open(InvalidOid);
		children = engine_resume_step(store, &execution,
									  &playbook_get(execution.catalog_id)->steps[run->step],
									  run->visit, &recovery->request);
		redrive_children(recovery, execution_id, children);
		store_close(store);
		count++;
	}
	return count;
}

/*
 * noetl.retry(execution_id, step, input, reason): gives held steps new attempts; returns
 * how many.
 */
Datum
noetl_retry(PG_FUNCTION_ARGS)
{
	Recovery	recovery;
	Store	   *store;
	Execution	execution;
	int			step = -1;

	if (PG_ARGISNULL(0))
		PG_RETURN_INT32(0);
	memset(&recovery, 0, sizeof(recovery));
	read_request(fcinfo, 2, 3, &recovery.request);
	store = store_open(InvalidOid);
	engine_begin_recovery(store, PG_GETARG_INT64(0), &execution);
	store_close(store);
	if (!execution.running)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("execution " INT64_FORMAT " is over", execution.execution_id),
				 errhint("noetl.redrive() has an execution go on that failed or was cancelled.")));
	if (!PG_ARGISNULL(1))
	{
		const char *name = text_to_cstring(PG_GETARG_TEXT_PP(1));

		step = playbook_find_step(playbook_get(execution.catalog_id), name, strlen(name));
		if (step < 0)
			ereport(ERROR,
					(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
					 errmsg("playbook \"%s\" has no step \"%s\"", execution.path, name)));
	}
	PG_RETURN_INT32(retry_held(&recovery, execution.execution_id, step));
}

/*
 * noetl.redrive(execution_id, input, reason): resumes an execution that failed or was
 * cancelled; returns how many of its steps run again.
 */
Datum
noetl_redrive(PG_FUNCTION_ARGS)
{
	Recovery	recovery;

	if (PG_ARGISNULL(0))
		PG_RETURN_INT32(0);
	memset(&recovery, 0, sizeof(recovery));
	read_request(fcinfo, 1, 2, &recovery.request);
	redrive(&recovery, PG_GETARG_INT64(0));
	PG_RETURN_INT32(recovery.steps);
}
