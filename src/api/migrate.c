/*
 * api/migrate.c
 *		noetl.migrate(): a running execution goes on with another version of its
 *		playbook, if each of its live runs has a place there.
 */
#include "common/common.h"

#include "utils/builtins.h"
#include "utils/tuplestore.h"

#include "catalog/catalog.h"
#include "engine/engine.h"

PG_FUNCTION_INFO_V1(noetl_migrate);

/* What is said about a migration, and whether it can be made. */
typedef struct Report
{
	ReturnSetInfo *result;
	Store	   *store;
	int64		execution_id;
	Migration	migration;
	int			version;
	int			errors;
} Report;

static void say(Report *report, const char *severity, const char *step, const char *format,...)
			pg_attribute_printf(4, 5);

/* Puts a row into the result set; counts the errors. */
static void
say(Report *report, const char *severity, const char *step, const char *format,...)
{
	StringInfoData message;
	Datum		values[3];
	bool		nulls[3] = {false, step == NULL, false};
	va_list		args;
	int			needed;

	initStringInfo(&message);
	do
	{
		va_start(args, format);
		needed = appendStringInfoVA(&message, format, args);
		va_end(args);
		if (needed != 0)
			enlargeStringInfo(&message, needed);
	} while (needed != 0);
	values[0] = CStringGetTextDatum(severity);
	values[1] = step == NULL ? (Datum) 0 : CStringGetTextDatum(step);
	values[2] = CStringGetTextDatum(message.data);
	tuplestore_putvalues(report->result->setResult, report->result->setDesc, values, nulls);
	if (strcmp(severity, "error") == 0)
		report->errors++;
}

/* Returns the word for the state of a run. */
static const char *
state_name(const Run *run)
{
	switch (run->state)
	{
		case RUN_WAITING:
			return "waiting";
		case RUN_QUEUED:
			return "queued";
		case RUN_RETRY:
			return "to be retried";
		case RUN_LEASED:
			return "leased";
		case RUN_HELD:
			return "held";
		case RUN_AWAITING:
			return "awaiting";
		default:
			return "open";
	}
}

/*
 * Warns of a task that was enqueued without a save, as the database did it in the old
 * version, if the new one leaves the save to the worker.  name: the step's; items: the
 * tasks are those of its items.
 */
static void
check_saves(Report *report, const char *name, const Step *old, const Step *new, bool items)
{
	if (old->kind == STEP_ACTION && old->saves != NULL && new->worker_saves)
		say(report, "warning", name, items ?
			"what its items do that have started is not saved: in version %d a worker saves it, and their tasks were enqueued without a save" :
			"what it does is not saved: in version %d a worker saves it, and its task was enqueued without a save",
			report->version);
}

/* Says whether a run that has started can go on as a step of the new version. */
static void
check_started(Report *report, const Run *run, const Step *old, const Step *new)
{
	if (old->kind != new->kind || strcmp(old->type, new->type) != 0)
		say(report, "error", old->name, "it is %s as \"%s\", but step \"%s\" is of type \"%s\"",
			state_name(run), old->type, new->name, new->type);
	else if (old->kind == STEP_ITERATOR && strcmp(old->name, new->name) != 0)
		say(report, "error", old->name, "it is %s, and an iterator keeps its name",
			state_name(run));
	else if (old->kind == STEP_ITERATOR &&
			 (old->iterator->body->kind != new->iterator->body->kind ||
			  strcmp(old->iterator->body->type, new->iterator->body->type) != 0))
		say(report, "error", old->name, "it is %s, and the task for its items is of type \"%s\" instead of \"%s\"",
			state_name(run), new->iterator->body->type, old->iterator->body->type);
	else
	{
		say(report, "info", old->name, run->is_task ?
			"it is %s as step \"%s\" and keeps the action that it was enqueued with" :
			"it is %s as step \"%s\"", state_name(run), new->name);
		if (run->state == RUN_HELD)
			return;				/* its work is done anew, or its save */
		if (old->kind == STEP_ITERATOR)
			check_saves(report, old->name, old->iterator->body, new->iterator->body, true);
		else
			check_saves(report, old->name, old, new, false);
	}
}

/*
 * Returns the new name of a live step that leads to the new step of a run although that
 * step begins once and waits for no further branch; NULL: there is none.
 */
static const char *
second_way(const Report *report, const List *runs, const Run *run, int target)
{
	const Playbook *to = report->migration.to;
	const Step *new = &to->steps[target];
	ListCell   *lc;

	if (new->revisited || new->join == JOIN_ANY ||
		(new->join == JOIN_ALL && run->state == RUN_WAITING))
		return NULL;
	foreach(lc, runs)
	{
		const Run  *other = (Run *) lfirst(lc);
		int			from = migrate_step(&report->migration, other->step);

		if (other->step != run->step && from >= 0 && playbook_reaches(to, from, target))
			return to->steps[from].name;
	}
	return NULL;
}

/* Says what becomes of a live run. */
static void
check_run(Report *report, const List *runs, const Run *run)
{
	const Step *old = &report->migration.from->steps[run->step];
	int			target = migrate_step(&report->migration, run->step);
	const Step *new;
	const char *way;
	ListCell   *lc;

	if (old->compensates >= 0)
	{
		say(report, "error", old->name, "the execution is compensating");
		return;
	}
	if (target < 0 || target >= report->migration.to->nwritten)
	{
		say(report, "error", old->name, "it is %s, and version %d has no such step",
			state_name(run), report->version);
		return;
	}
	new = &report->migration.to->steps[target];
	foreach(lc, runs)
	{
		const Run  *other = (Run *) lfirst(lc);

		if (other->step != run->step &&
			migrate_step(&report->migration, other->step) == target)
		{
			say(report, "error", old->name, "another step that is live becomes step \"%s\", too",
				new->name);
			return;
		}
	}
	if (run->state != RUN_WAITING)
		check_started(report, run, old, new);
	else
		say(report, "info", old->name, old->join == new->join ? "it waits as step \"%s\"" :
			"it waits as step \"%s\", which joins branches in another way", new->name);
	way = second_way(report, runs, run, target);
	if (way != NULL)
		say(report, "error", old->name, "in version %d step \"%s\", which is live, leads to step \"%s\", too, which would begin twice",
			report->version, way, new->name);
}

/* Returns whether a step has a live run. */
static bool
is_live(const List *runs, int step)
{
	ListCell   *lc;

	foreach(lc, runs)
		if (((Run *) lfirst(lc))->step == step)
			return true;
	return false;
}

/* Returns whether a step of an execution has a value: one of its runs has ended. */
static bool
has_ended(const Report *report, const Step *step)
{
	ValueQuery	query;
	StepValue	value;

	memset(&query, 0, sizeof(query));
	query.step_name = step->name;
	query.until = DT_NOEND;
	store_step_value(report->store, report->execution_id, &query, &value);
	return value.found;
}

/*
 * Warns of a step that is not live and has ended, if a live step leads to it in the new
 * version and none did in the old one: the execution may run it again.
 */
static void
check_ended(Report *report, const List *runs, int step, int target)
{
	const Playbook *from = report->migration.from;
	const Playbook *to = report->migration.to;
	const char *way = NULL;
	ListCell   *lc;

	foreach(lc, runs)
	{
		int			live = ((Run *) lfirst(lc))->step;
		int			new = migrate_step(&report->migration, live);

		if (playbook_reaches(from, live, step))
			return;
		if (new >= 0 && playbook_reaches(to, new, target))
			way = to->steps[new].name;
	}
	if (way != NULL && has_ended(report, &from->steps[step]))
		say(report, "warning", from->steps[step].name,
			"it has ended, and may run again: in version %d step \"%s\", which is live, leads to it",
			report->version, way);
}

/* Says which steps come, go and are renamed, besides those that are live. */
static void
compare_steps(Report *report, const List *runs)
{
	const Playbook *from = report->migration.from;
	const Playbook *to = report->migration.to;
	bool	   *found = palloc0(sizeof(bool) * to->nsteps);

	for (int i = 0; i < from->nwritten; i++)
	{
		int			target = migrate_step(&report->migration, i);

		if (target >= 0)
			found[target] = true;
		if (is_live(runs, i))
			continue;
		if (target < 0)
			say(report, "info", from->steps[i].name, "version %d has no such step",
				report->version);
		else if (strcmp(from->steps[i].name, to->steps[target].name) != 0)
			say(report, "info", from->steps[i].name, "it is step \"%s\"", to->steps[target].name);
		if (target >= 0)
			check_ended(report, runs, i, target);
		if (from->steps[i].compensation >= 0 &&
			(target < 0 || strcmp(from->steps[i].name, to->steps[target].name) != 0))
			say(report, "warning", from->steps[i].name,
				"what it has completed is not compensated any more");
	}
	for (int i = 0; i < to->nwritten; i++)
		if (!found[i])
			say(report, "info", to->steps[i].name, "it is new in version %d", report->version);
}

/* Returns whether the document of a playbook has a step; compensations are not written there. */
static bool
has_step(const Playbook *playbook, const char *name, int length)
{
	int			step = playbook_find_step(playbook, name, length);

	return step >= 0 && step < playbook->nwritten;
}

/* Says what is wrong with the map of steps. */
static void
check_map(Report *report)
{
	JsonbIterator *it = json_walk(&report->migration.map);
	JsonbValue	key;
	JsonbValue	value;

	while (json_next_member(&it, &key, &value))
	{
		char	   *name = pnstrdup(key.val.string.val, key.val.string.len);

		if (!has_step(report->migration.from, name, strlen(name)))
			say(report, "error", name, "step_map: the execution has no such step");
		else if (value.type != jbvString)
			say(report, "error", name, "step_map: the new name of a step must be text");
		else if (!has_step(report->migration.to, value.val.string.val, value.val.string.len))
			say(report, "error", name, "step_map: version %d has no step \"%.*s\"",
				report->version, value.val.string.len, value.val.string.val);
	}
}

/* Finds the version that is meant; raises when it is not registered, or is the same. */
static int64
find_version(FunctionCallInfo fcinfo, const Execution *execution, int *version)
{
	int64		catalog_id;
	const char *path;

	if ((!PG_ARGISNULL(1) && PG_GETARG_INT32(1) < 1) ||
		!catalog_find(execution->path, PG_ARGISNULL(1) ? 0 : PG_GETARG_INT32(1), DT_NOEND,
					  &catalog_id))
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_OBJECT),
				 PG_ARGISNULL(1) ? errmsg("playbook \"%s\" is not registered", execution->path) :
				 errmsg("playbook \"%s\" version %d is not registered", execution->path,
						PG_GETARG_INT32(1))));
	if (catalog_id == execution->catalog_id)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("execution " INT64_FORMAT " has version %d already",
						execution->execution_id, execution->version)));
	if (!catalog_describe(catalog_id, &path, version))
		elog(ERROR, "playbook " INT64_FORMAT " has vanished", catalog_id);
	return catalog_id;
}

/* Raises unless an execution can be migrated at all. */
static void
check_execution(const Execution *execution)
{
	if (!execution->running || execution->scheduled)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 execution->running ?
				 errmsg("execution " INT64_FORMAT " has not begun", execution->execution_id) :
				 errmsg("execution " INT64_FORMAT " is over", execution->execution_id),
				 execution->running ? 0 :
				 errhint("noetl.fork() starts one of another version from the middle of it.")));
}

/* Says all that there is to say about a migration. */
static void
examine(Report *report, const List *runs)
{
	ListCell   *lc;

	check_map(report);
	foreach(lc, runs)
		check_run(report, runs, (Run *) lfirst(lc));
	compare_steps(report, runs);
}

/*
 * noetl.migrate(execution_id, version, step_map, dry_run): says what is different in another
 * version for a running execution, and has the execution go on with it unless that is an
 * error or dry_run.
 */
Datum
noetl_migrate(PG_FUNCTION_ARGS)
{
	Report		report;
	Execution	execution;
	Store	   *store;
	int64		catalog_id;
	Jsonb	   *map;

	if (PG_ARGISNULL(0) || PG_ARGISNULL(2) || !JB_ROOT_IS_OBJECT(PG_GETARG_JSONB_P(2)))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("execution must not be null, and step_map must be a JSON object")));
	map = PG_GETARG_JSONB_P(2);
	memset(&report, 0, sizeof(report));
	store = store_open(InvalidOid);
	engine_begin_recovery(store, PG_GETARG_INT64(0), &execution);
	check_execution(&execution);
	catalog_id = find_version(fcinfo, &execution, &report.version);
	report.result = rows_begin(fcinfo);
	report.store = store;
	report.execution_id = execution.execution_id;
	report.migration.from = playbook_get(execution.catalog_id);
	report.migration.to = playbook_get(catalog_id);
	json_from_jsonb(map, &report.migration.map);
	examine(&report, store_load_runs(store, execution.execution_id, report.migration.from));
	if (report.errors == 0 && !PG_ARGISNULL(3) && !PG_GETARG_BOOL(3))
	{
		engine_migrate(store, &execution, catalog_id, report.version, map);
		say(&report, "done", NULL, "the execution goes on with version %d", report.version);
	}
	store_close(store);
	return (Datum) 0;
}
