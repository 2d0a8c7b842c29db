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

#include "broker/lineage.h"

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

/* See lineage.h. */
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
	lineage = palloc0(sizeof(int) * playbook->ntracked);
	foreach(lc, run->arrivals)
		merge(playbook, lineage, ((Arrival *) lfirst(lc))->lineage);
	run->lineage = lineage;
	return lineage;
}

/* See lineage.h. */
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

/* See lineage.h. */
int
lineage_visit(const int *lineage, const Step *step)
{
	return lineage != NULL && step->tracked >= 0 ? lineage[step->tracked] : 0;
}

/* See lineage.h. */
void
lineage_write(const Playbook *playbook, const int *lineage, JsonBuilder *builder)
{
	JsonBuilder visits;
	JsonbValue	value;
	bool		any = false;

	for (int i = 0; lineage != NULL && i < playbook->ntracked; i++)
	{
		if (lineage[i] == 0)
			continue;
		if (!any)
			json_begin_object(&visits);
		any = true;
		json_add_int(&visits, playbook->steps[playbook->tracked[i]].name, lineage[i]);
	}
	if (!any)
		return;
	json_end_object(&visits, &value);
	json_add(builder, "sees", &value);
}

/* See lineage.h. */
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
