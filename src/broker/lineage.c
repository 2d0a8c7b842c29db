/*
 * broker/lineage.c
 *		Which visits of parallel steps a run descends from.
 *
 *		fetch 1 ──> save 1		lineage {fetch: 1}
 *		   └──> fetch 2 ──> save 2		lineage {fetch: 2}
 *
 * An arrival carries the lineage of the run that it comes from, that run's own
 * visit included.  A run has the newest of each step of all its arrivals.  Its
 * step_started says so in meta.sees, from where it is read when the run ends.  If a
 * migration has renamed steps meanwhile, the maps of steps lead to their new names.
 */
#include "common/common.h"

#include "broker/broker.h"

/* Lays the newer visits of one lineage over another. */
static void
merge(const Playbook *playbook, int *lineage, const int *other)
{
	for (int i = 0; other != NULL && i < playbook->ntracked; i++)
		lineage[i] = Max(lineage[i], other[i]);
}

/* Returns the tracked step that a step of an older version has become; NULL: there is none. */
static const Step *
renamed_step(const Playbook *playbook, const List *maps, const char *name)
{
	int			step;

	name = migrate_name(maps, name);
	step = playbook_find_step(playbook, name, strlen(name));
	return step >= 0 && playbook->steps[step].tracked >= 0 ? &playbook->steps[step] : NULL;
}

/* Reads the member "sees" of an object that has the names of an older version. */
static const int *
read_renamed(const Playbook *playbook, const List *maps, const JsonbValue *object)
{
	int		   *lineage = palloc0(sizeof(int) * playbook->ntracked);
	JsonbValue	visits;
	JsonbIterator *it;
	JsonbValue	key;
	JsonbValue	value;

	if (!json_get(object, "sees", &visits) || !json_is_object(&visits))
		return lineage;
	it = json_walk(&visits);
	while (json_next_member(&it, &key, &value))
	{
		char	   *name = pnstrdup(key.val.string.val, key.val.string.len);
		const Step *step = renamed_step(playbook, maps, name);
		int64		visit;

		if (step != NULL && json_get_int(&visits, name, &visit) &&
			visit > 0 && visit <= PG_INT32_MAX)
			lineage[step->tracked] = Max(lineage[step->tracked], (int) visit);
	}
	return lineage;
}

/* Returns whether the execution has another version than it had when a run started. */
static bool
has_migrated(const BrokerState *state, const Run *run)
{
	return run->started_in != 0 && run->started_in != state->playbook->catalog_id;
}

/* What the log says of a run that has started. */
static const int *
read_started(BrokerState *state, Run *run)
{
	JsonbValue	meta;

	if (!state->values.event_meta(state->values.arg, run->started_event_id, &meta,
								  &run->started_in))
		return lineage_read(state->playbook, NULL);
	if (!has_migrated(state, run))
		return lineage_read(state->playbook, &meta);
	return read_renamed(state->playbook,
						state->values.step_maps(state->values.arg, run->started_event_id),
						&meta);
}

/*
 * Returns the event before which the values of the visits were stored that a run descends
 * from; 0: now.  Those of steps that a migration has renamed came with it.
 */
int64
lineage_before(BrokerState *state, Run *run)
{
	JsonbValue	meta;

	if (run->started_event_id != 0 && run->started_in == 0)
		(void) state->values.event_meta(state->values.arg, run->started_event_id, &meta,
										&run->started_in);
	return has_migrated(state, run) ? 0 : run->started_event_id;
}

/*
 * Returns the visits that a run of a step as a whole, or of one of its items,
 * descends from; its own is not among them.
 */
const int *
lineage_of(BrokerState *state, Run *run)
{
	const Playbook *playbook = state->playbook;
	int		   *lineage;
	ListCell   *lc;

	if (playbook->ntracked == 0 || run->lineage != NULL)
		return run->lineage;
	if (run->arrivals == NIL && run->started_event_id != 0)
	{
		run->lineage = read_started(state, run);
		return run->lineage;
	}
	all_arrivals(state, run);
	lineage = palloc0(sizeof(int) * playbook->ntracked);
	foreach(lc, run->arrivals)
		merge(playbook, lineage, ((Arrival *) lfirst(lc))->lineage);
	run->lineage = lineage;
	return lineage;
}

/*
 * Returns the same with the run itself: what its successors descend from.  NULL
 * stands for the start of the execution.
 */
const int *
lineage_after(BrokerState *state, Run *run)
{
	const Playbook *playbook = state->playbook;
	const Step *step;
	int		   *lineage;

	if (playbook->ntracked == 0)
		return NULL;
	lineage = palloc0(sizeof(int) * playbook->ntracked);
	if (run == NULL)
		return lineage;
	merge(playbook, lineage, lineage_of(state, run));
	step = &playbook->steps[run->step];
	if (step->tracked >= 0)
		lineage[step->tracked] = Max(lineage[step->tracked], run->visit);
	return lineage;
}

/* Returns the newest visit of a step in a lineage; 0: none, or it is not tracked. */
int
lineage_visit(const int *lineage, const Step *step)
{
	return lineage != NULL && step->tracked >= 0 ? lineage[step->tracked] : 0;
}

/* Finds a lineage as an object, {step: visit}; false: there is no visit in it. */
static bool
find_visits(const Playbook *playbook, const int *lineage, JsonbValue *visits)
{
	JsonBuilder builder;
	bool		any = false;

	for (int i = 0; lineage != NULL && i < playbook->ntracked; i++)
	{
		if (lineage[i] == 0)
			continue;
		if (!any)
			json_begin_object(&builder);
		any = true;
		json_add_int(&builder, playbook->steps[playbook->tracked[i]].name, lineage[i]);
	}
	if (any)
		json_end_object(&builder, visits);
	return any;
}

/* Adds the member "sees", {step: visit}, to an object; nothing where there is no visit. */
void
lineage_write(const Playbook *playbook, const int *lineage, JsonBuilder *builder)
{
	JsonbValue	visits;

	if (find_visits(playbook, lineage, &visits))
		json_add(builder, "sees", &visits);
}

/* Returns an object with the member "sees" alone; NULL: there is no visit. */
Jsonb *
lineage_meta(const Playbook *playbook, const int *lineage)
{
	JsonBuilder builder;
	JsonbValue	visits;
	JsonbValue	meta;

	if (!find_visits(playbook, lineage, &visits))
		return NULL;
	json_begin_object(&builder);
	json_add(&builder, "sees", &visits);
	json_end_object(&builder, &meta);
	return json_to_jsonb(&meta);
}

/* Reads the member "sees" of an object; without one, or without object (NULL), no visit. */
const int *
lineage_read(const Playbook *playbook, const JsonbValue *object)
{
	int		   *lineage;
	JsonbValue	visits;

	if (playbook->ntracked == 0)
		return NULL;
	lineage = palloc0(sizeof(int) * playbook->ntracked);
	if (object == NULL || !json_get(object, "sees", &visits))
		return lineage;
	for (int i = 0; i < playbook->ntracked; i++)
	{
		int64		visit;

		if (json_get_int(&visits, playbook->steps[playbook->tracked[i]].name, &visit) &&
			visit > 0 && visit <= PG_INT32_MAX)
			lineage[i] = (int) visit;
	}
	return lineage;
}
