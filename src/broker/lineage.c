/*
 * broker/lineage.c
 *		Which visits of parallel steps a run descends from.
 *
 *		fetch 1 ──> save 1		lineage {fetch: 1}
 *		   └──> fetch 2 ──> save 2		lineage {fetch: 2}
 *
 * An arrival carries the lineage of the run that it comes from, that run's own
 * visit included.  A run has the newest of each step of all its arrivals.  Its
 * step_started says so in meta.sees, from where it is read when the run ends.
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

/* What the log says of a run that has started. */
static const int *
read_started(BrokerState *state, int64 started_event_id)
{
	JsonbValue	meta;

	if (!state->values.event_meta(state->values.arg, started_event_id, &meta))
		return lineage_read(state->playbook, NULL);
	return lineage_read(state->playbook, &meta);
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
		run->lineage = read_started(state, run->started_event_id);
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
