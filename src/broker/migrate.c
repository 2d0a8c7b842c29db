/*
 * broker/migrate.c
 *		An execution goes on with another version of its playbook.
 *
 *		runs, numbered as in the old version ─ migrate_runs ─> as in the new one
 *		execution_migrated ─> values of renamed steps are carried; runs without a task
 *		                      are stored anew; joins are looked at again
 *
 * A step of the old version is, in the new one, the step that the map names, else the
 * step of the same name.  That every live run has such a step is checked before.
 */
#include "common/common.h"

#include "miscadmin.h"

#include "broker/internal.h"

/* Reads the map of steps of an execution_migrated, which has a context; null: there is none. */
void
migration_init(Migration *migration, const Event *event, const Playbook *from,
			   const Playbook *to)
{
	JsonbValue	context;

	migration->from = from;
	migration->to = to;
	json_null(&migration->map);
	json_from_jsonb(event->context, &context);
	(void) json_get(&context, "step_map", &migration->map);
}

/* Returns the name that a step has after some migrations (broker/broker.h). */
const char *
migrate_name(const List *maps, const char *name)
{
	ListCell   *lc;

	foreach(lc, maps)
	{
		const char *mapped = json_get_text((JsonbValue *) lfirst(lc), name);

		if (mapped != NULL)
			name = mapped;
	}
	return name;
}

/* Returns the step of the new version that stands for one of the old; -1: none. */
int
migrate_step(const Migration *migration, int step)
{
	const char *name = migration->from->steps[step].name;
	const char *mapped = json_get_text(&migration->map, name);

	if (mapped != NULL)
		name = mapped;
	return playbook_find_step(migration->to, name, strlen(name));
}

/* Returns a lineage of the new version; NULL where that tracks no steps. */
const int *
migrate_lineage(const Migration *migration, const int *lineage)
{
	int		   *migrated;

	if (migration->to->ntracked == 0)
		return NULL;
	migrated = palloc0(sizeof(int) * migration->to->ntracked);
	for (int i = 0; lineage != NULL && i < migration->from->ntracked; i++)
	{
		int			step = migrate_step(migration, migration->from->tracked[i]);

		if (step >= 0 && migration->to->steps[step].tracked >= 0)
			migrated[migration->to->steps[step].tracked] = lineage[i];
	}
	return migrated;
}

/* Gives arrivals the numbers of the new version, in copies of their own. */
List *
migrate_arrivals(const Migration *migration, const List *arrivals)
{
	List	   *migrated = NIL;
	ListCell   *lc;

	foreach(lc, arrivals)
	{
		Arrival    *arrival = palloc(sizeof(Arrival));

		*arrival = *(Arrival *) lfirst(lc);
		if (arrival->from >= 0)
			arrival->from = migrate_step(migration, arrival->from);
		arrival->lineage = migrate_lineage(migration, arrival->lineage);
		migrated = lappend(migrated, arrival);
	}
	return migrated;
}

/* Gives runs, as they were loaded, the numbers of the new version. */
void
migrate_runs(const Migration *migration, List *runs)
{
	ListCell   *lc;

	foreach(lc, runs)
	{
		Run		   *run = (Run *) lfirst(lc);
		int			step = migrate_step(migration, run->step);

		if (step < 0)
			elog(ERROR, "step %d has no place in the new version", run->step);
		run->step = step;
		run->arrivals = migrate_arrivals(migration, run->arrivals);
		run->lineage = NULL;
	}
}

/* Carries a value of a step that has another name in the new version; newest: its last. */
static void
carry_value(BrokerState *state, const Event *event, const Step *old, int step,
			const StepValue *value, bool newest)
{
	Event	   *carried = emit(state, EVENT_STEP_CARRIED, &state->playbook->steps[step],
							   value->visit, event->event_id);
	JsonBuilder builder;
	JsonbValue	meta;

	carried->result = json_to_jsonb(&value->envelope);
	json_begin_object(&builder);
	json_add_text(&builder, "was", old->name);
	if (state->values.event_meta(state->values.arg, value->event_id, &meta, NULL) &&
		skipped_waiting(value, &meta))
		json_add_bool(&builder, "skipped", true);
	json_end_object(&builder, &meta);
	carried->meta = json_to_jsonb(&meta);
	if (newest)
		scope_set_newest_value(state, step, value->visit, carried->event_id, &value->envelope);
	else
		scope_set_step_value(state, step, value->visit, carried->event_id, &value->envelope);
}

/* Returns the visits of a step that live runs descend from, in ascending order. */
static List *
seen_visits(BrokerState *state, const Step *step)
{
	List	   *visits = NIL;
	ListCell   *lc;

	if (step->tracked < 0)
		return NIL;
	foreach(lc, state->runs)
	{
		int			visit = lineage_visit(lineage_of(state, (Run *) lfirst(lc)), step);

		if (visit > 0)
			visits = lappend_int(visits, visit);
	}
	list_sort(visits, list_int_cmp);
	return visits;
}

/*
 * Carries the values of a step that has another name in the new version: those that live
 * runs see, and the newest at last.
 */
static void
carry_values(BrokerState *state, const Event *event, const Step *old, int step)
{
	StepValue	newest;
	StepValue	value;
	int			before = 0;
	ListCell   *lc;

	state->values.step_value(state->values.arg, old, 0, 0, &newest);
	if (!newest.found)
		return;
	foreach(lc, seen_visits(state, &state->playbook->steps[step]))
	{
		CHECK_FOR_INTERRUPTS();
		if (lfirst_int(lc) == before || lfirst_int(lc) == newest.visit)
			continue;
		before = lfirst_int(lc);
		state->values.step_value(state->values.arg, old, before, 0, &value);
		if (value.found)
			carry_value(state, event, old, step, &value, false);
	}
	carry_value(state, event, old, step, &newest, true);
}

/* Carries the values of all steps that have another name in the new version. */
static void
carry_renamed(BrokerState *state, const Event *event)
{
	const Migration *migration = state->migration;

	for (int i = 0; i < migration->from->nwritten; i++)
	{
		Step		old = migration->from->steps[i];
		int			step = migrate_step(migration, i);

		if (step < 0 || strcmp(old.name, migration->to->steps[step].name) == 0)
			continue;
		old.index = -1;			/* it is none of the playbook's */
		carry_values(state, event, &old, step);
	}
}

/* For list_sort: in document order. */
static int
compare_runs(const ListCell *a, const ListCell *b)
{
	const Run  *left = (const Run *) lfirst(a);
	const Run  *right = (const Run *) lfirst(b);

	return left->step != right->step ? left->step - right->step : left->visit - right->visit;
}

/*
 * execution_migrated: gives the live runs their places in the new version.  All that have
 * another row there give the old one up before the first new one is written: two may
 * change their names.
 */
void
migrate_state(BrokerState *state, const Event *event)
{
	ListCell   *lc;

	carry_renamed(state, event);
	list_sort(state->runs, compare_runs);
	foreach(lc, state->runs)
	{
		Run		   *run = (Run *) lfirst(lc);

		if (run->is_task)
			continue;
		if (state->playbook->steps[run->step].kind == STEP_ITERATOR &&
			run->state != RUN_WAITING)
			run->rewritten = true;	/* its items stay with its row */
		else
		{
			decision_add(state, DECIDE_FORGET, run);
			run->stored = false;
		}
	}
	foreach(lc, state->runs)
	{
		Run		   *run = (Run *) lfirst(lc);

		if (run->is_task)
			continue;
		if (run->state != RUN_WAITING)
			decision_add(state, DECIDE_KEEP, run);
		else
		{
			run->changed = true;
			run->at_once = state->playbook->steps[run->step].join != JOIN_ALL;
		}
	}
}
