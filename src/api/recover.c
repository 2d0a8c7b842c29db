/*
 * api/recover.c
 *		noetl.skip(): a step completes without being done.
 */
#include "common/common.h"

#include "utils/builtins.h"

#include "api/arguments.h"
#include "catalog/catalog.h"
#include "engine/engine.h"

PG_FUNCTION_INFO_V1(noetl_skip);

/* Returns the rank of a state among those that can be skipped; 0: it cannot be. */
static int
skippable(RunState state)
{
	switch (state)
	{
		case RUN_HELD:
			return 3;
		case RUN_RETRY:
		case RUN_QUEUED:
		case RUN_AWAITING:
			return 2;
		case RUN_WAITING:
			return 1;
		default:
			return 0;
	}
}

/*
 * Returns the run of a step that is skipped: a held one before a queued one before one
 * that waits at a join, and the oldest of them; NULL: there is none.  *busy: a live run
 * cannot be skipped, as its work is under way.
 */
static const Run *
find_run(Store *store, const Execution *execution, const Playbook *playbook, int step, bool *busy)
{
	List	   *runs = store_load_runs(store, execution->execution_id, playbook);
	const Run  *best = NULL;
	ListCell   *lc;

	*busy = false;
	foreach(lc, runs)
	{
		const Run  *run = (Run *) lfirst(lc);
		int			rank = skippable(run->state);

		if (run->step != step)
			continue;
		*busy = *busy || rank == 0;
		if (rank > 0 && (best == NULL || rank > skippable(best->state) ||
						 (rank == skippable(best->state) && run->visit < best->visit)))
			best = run;
	}
	return best;
}

/*
 * noetl.skip(execution_id, step, value, reason): completes a step that is held, waits or
 * is queued with a value.
 */
Datum
noetl_skip(PG_FUNCTION_ARGS)
{
	Store	   *store;
	Execution	execution;
	const Playbook *playbook;
	const Run  *run;
	char	   *name;
	int			step;
	bool		busy;

	if (PG_ARGISNULL(0) || PG_ARGISNULL(1))
		ereport(ERROR,
				(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
				 errmsg("execution and step must not be null")));
	name = text_to_cstring(PG_GETARG_TEXT_PP(1));
	store = store_open(InvalidOid);
	engine_begin_recovery(store, PG_GETARG_INT64(0), &execution);
	if (!execution.running)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("execution " INT64_FORMAT " is over", execution.execution_id),
				 errhint("noetl.redrive() has an execution go on that failed or was cancelled.")));
	playbook = playbook_get(execution.catalog_id);
	step = playbook_find_step(playbook, name, strlen(name));
	if (step < 0)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("playbook \"%s\" has no step \"%s\"", execution.path, name)));
	run = find_run(store, &execution, playbook, step, &busy);
	if (run == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 busy ? errmsg("step \"%s\" is being worked on", name) :
				 errmsg("step \"%s\" has no run that could be skipped", name),
				 errdetail("A step can be skipped while it is held, queued or waiting.")));
	engine_skip_step(store, &execution, &playbook->steps[step], run->visit,
					 PG_ARGISNULL(2) ? NULL : PG_GETARG_JSONB_P(2),
					 text_argument(fcinfo, 3));
	store_close(store);
	PG_RETURN_VOID();
}
