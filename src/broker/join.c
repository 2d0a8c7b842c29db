/*
 * broker/join.c
 *		Branches arrive at steps and join there.
 *
 *		each	an arrival begins a visit of its own, which starts at once
 *		all		it waits, and others join it, while a live run can reach the step
 *		any		the first begins a visit; its siblings, which descend from the
 *				same visit of the step, are dropped
 *
 * Of the visits that wait one starts at a time, and then all others are looked at
 * again: what the first one leads to may hold them up.
 */
#include "common/common.h"

#include "broker/internal.h"

/* Returns the live run of a visit of a step (0: of its oldest), if it is known; else NULL. */
static Run *
known_run(BrokerState *state, int step, int visit)
{
	Run		   *found = NULL;
	ListCell   *lc;

	foreach(lc, state->runs)
	{
		Run		   *run = (Run *) lfirst(lc);

		if (run->step == step && run_is_live(run) && (visit == 0 || run->visit == visit) &&
			(found == NULL || run->visit < found->visit))
			found = run;
	}
	return found;
}

/* Returns the live run of a visit of a step (0: of its oldest live visit), or NULL. */
Run *
live_run(BrokerState *state, int step, int visit)
{
	bool		one = visit != 0 || !state->playbook->steps[step].revisited;
	Run		   *found = one ? known_run(state, step, visit) : NULL;

	if (found != NULL || !state->more_tasks)
		return found != NULL ? found : known_run(state, step, visit);
	all_runs(state);
	return known_run(state, step, visit);
}

/*
 * Returns whether a step, as the first of an execution, has no event of its own:
 * an unconditional router is no more than a list of steps.
 */
bool
is_silent_entry(const Playbook *playbook, const Step *step)
{
	return step->index == playbook->entry && step->kind == STEP_ROUTER &&
		step->when == NULL && step->pass == NULL;
}

/* Returns the newest of the events that released the arrivals of a run. */
int64
released_by(const Run *run)
{
	int64		newest = 0;
	ListCell   *lc;

	foreach(lc, run->arrivals)
		newest = Max(newest, ((Arrival *) lfirst(lc))->event_id);
	return newest;
}

/* Returns how many visits of a step have begun. */
static int
visits_begun(BrokerState *state, const Step *step)
{
	const StepValue *value = scope_step_value(state, step->index);
	int			visits;
	ListCell   *lc;

	visits = value->found ? value->visit : is_silent_entry(state->playbook, step) ? 1 : 0;
	if (!step_counts_visits(step))
		all_runs(state);
	foreach(lc, state->runs)
	{
		const Run  *run = (Run *) lfirst(lc);

		if (run->step == step->index)
			visits = Max(visits, run->visit);
	}
	if (state->more_tasks)
		visits = Max(visits, state->values.newest_visit(state->values.arg, step, visits));
	return visits;
}

/* Returns the run of a step that waits for other branches, or NULL. */
static Run *
waiting_run(BrokerState *state, int step)
{
	ListCell   *lc;

	foreach(lc, state->runs)
	{
		Run		   *run = (Run *) lfirst(lc);

		if (run->step == step && run->state == RUN_WAITING && !run->at_once)
			return run;
	}
	return NULL;
}

/*
 * Returns whether a value, with the meta of its event, is that of a step that was skipped
 * while it waited: nothing had led to its end (broker/internal.h).
 */
bool
skipped_waiting(const StepValue *value, const JsonbValue *meta)
{
	JsonbValue	member;

	return json_get(meta, "skipped", &member) &&
		(value->parent_event_id == 0 || json_get(meta, "was", &member));
}

/*
 * Returns whether a step that joins its branches once has ended before all of them
 * arrived, as it was skipped while it waited.  One that has been done, or skipped after they
 * had arrived, comes again where the execution goes on with another version.
 */
static bool
was_skipped(BrokerState *state, const Step *step)
{
	const StepValue *value;
	JsonbValue	meta;
	JsonbValue	member;
	int64		ended_in = 0;
	bool		has_meta;

	if (step->join != JOIN_ALL || step->revisited ||
		waiting_run(state, step->index) != NULL)
		return false;
	value = scope_step_value(state, step->index);
	if (!value->found)
		return false;
	has_meta = state->values.event_meta(state->values.arg, value->event_id, &meta, &ended_in);
	if (has_meta && skipped_waiting(value, &meta))
		return true;
	if (step->kind == STEP_END)	/* its result may have failed to be found */
		return false;
	if (has_meta && (json_get(&meta, "forked", &member) || json_get(&meta, "was", &member)))
		return false;
	return ended_in == 0 || ended_in == state->playbook->catalog_id;
}

/*
 * Returns whether a step takes an arrival with this lineage.  With "any" it takes
 * one for each visit that arrivals descend from; without parallel branches there
 * are no more of them.
 */
static bool
takes_arrival(BrokerState *state, const Step *step, const int *lineage)
{
	if (was_skipped(state, step))
		return false;
	if (step->join != JOIN_ANY || (step->revisited && !step->parallel))
		return true;
	return visits_begun(state, step) <= lineage_visit(lineage, step);
}

/*
 * A branch reaches a step, from a run that has ended (NULL: from the start): a new
 * run waits there, or the branch joins the run that waits.  It has no effect where
 * the step takes no more arrivals.
 */
void
arrive(BrokerState *state, const Departure *departure, Run *source, int64 event_id)
{
	const Step *step = &state->playbook->steps[departure->step];
	const int  *lineage = lineage_after(state, source);
	Run		   *run = step->join == JOIN_ALL ? waiting_run(state, step->index) : NULL;
	Arrival    *arrival;

	if (!takes_arrival(state, step, lineage))
		return;
	if (run == NULL)
	{
		run = run_make(departure->step, step->revisited ? visits_begun(state, step) + 1 : 1,
					   RUN_WAITING);
		run->at_once = step->join != JOIN_ALL;
		state->runs = lappend(state->runs, run);
	}
	arrival = palloc0(sizeof(Arrival));
	arrival->from = source != NULL ? source->step : -1;
	arrival->visit = source != NULL ? source->visit : 1;
	arrival->event_id = event_id;
	arrival->has_data = departure->has_data;
	arrival->data = departure->data;
	arrival->lineage = lineage;
	run->arrivals = lappend(run->arrivals, arrival);
	run->lineage = NULL;
	run->changed = true;
}

/*
 * execution_forked: a run of a step waits for nothing, with the input and the lineage that
 * it had in the other execution.
 */
void
arrive_by_fork(BrokerState *state, const Event *event)
{
	JsonbValue	context;
	Arrival    *arrival = palloc0(sizeof(Arrival));
	char	   *name;
	int			index;
	Run		   *run;

	json_from_jsonb(event->context, &context);
	name = json_get_text(&context, "step");
	index = name == NULL ? -1 : playbook_find_step(state->playbook, name, strlen(name));
	if (index < 0)
		return;
	run = run_make(index, state->playbook->steps[index].revisited ?
				   visits_begun(state, &state->playbook->steps[index]) + 1 : 1, RUN_WAITING);
	run->at_once = true;
	run->changed = true;
	arrival->from = -1;
	arrival->visit = 1;
	arrival->event_id = event->event_id;
	arrival->has_data = json_get(&context, "data", &arrival->data);
	arrival->lineage = lineage_read(state->playbook, &context);
	run->arrivals = list_make1(arrival);
	state->runs = lappend(state->runs, run);
}

/* Returns whether a departure will have no effect, as its step takes no more arrivals. */
static bool
is_dropped(BrokerState *state, const Departure *departure, Run *source)
{
	const Step *step = &state->playbook->steps[departure->step];

	return step->join != JOIN_EACH && !takes_arrival(state, step, lineage_after(state, source));
}

/* Returns whether some of the departures will have no effect. */
bool
any_dropped(BrokerState *state, const List *departures, Run *source)
{
	ListCell   *lc;

	foreach(lc, departures)
		if (is_dropped(state, (Departure *) lfirst(lc), source))
			return true;
	return false;
}

/*
 * Notes in meta the departures that will have no effect.  Without the note the log would
 * promise a step that never starts.
 */
void
note_dropped(BrokerState *state, const List *departures, Run *source, JsonBuilder *meta)
{
	JsonBuilder names;
	JsonbValue	value;
	ListCell   *lc;

	if (!any_dropped(state, departures, source))
		return;
	json_begin_array(&names);
	foreach(lc, departures)
	{
		const Departure *departure = (Departure *) lfirst(lc);

		if (!is_dropped(state, departure, source))
			continue;
		json_string(&value, state->playbook->steps[departure->step].name);
		json_push(&names, &value);
	}
	json_end_array(&names, &value);
	json_add(meta, "dropped", &value);
}

/* Returns whether a run that waits has to wait for one of the runs that are known. */
static bool
is_held_up(BrokerState *state, const Run *waiting)
{
	const Playbook *playbook = state->playbook;
	const Step *step = &playbook->steps[waiting->step];
	ListCell   *lc;

	foreach(lc, state->runs)
	{
		const Run  *other = (Run *) lfirst(lc);
		const Step *at = &playbook->steps[other->step];
		bool		waits = other->state == RUN_WAITING;

		if (other == waiting || !run_is_live(other))
			continue;
		if (step->kind == STEP_END)
		{
			if (!waits || at->kind != STEP_END)
				return true;
			continue;
		}
		if (waits && at->component >= step->component)
			continue;
		if (playbook_reaches(playbook, other->step, waiting->step))
			return true;
	}
	return false;
}

/*
 * Returns whether a run that waits for other branches need not wait any more.  No
 * run that starts at once is left when this is asked.  Of many tasks mostly one of the first
 * shows that it has to wait.
 */
static bool
can_start(BrokerState *state, const Run *waiting)
{
	if (is_held_up(state, waiting))
		return false;
	if (!state->more_tasks)
		return true;
	all_runs(state);
	return !is_held_up(state, waiting);
}

/*
 * Returns the run that is to be started next, or NULL: one whose attempt begins
 * again; else the first that waits for nothing, in the order of arrival; else the
 * first in document order that need not wait any more.
 */
Run *
next_to_start(BrokerState *state)
{
	Run		   *next = NULL;
	int			after;
	ListCell   *lc;

	foreach(lc, state->runs)
		if (((Run *) lfirst(lc))->restart)
			return (Run *) lfirst(lc);
	foreach(lc, state->runs)
		if (((Run *) lfirst(lc))->at_once && ((Run *) lfirst(lc))->state == RUN_WAITING)
			return (Run *) lfirst(lc);
	do
	{
		after = next != NULL ? next->step : -1;
		next = NULL;
		foreach(lc, state->runs)
		{
			Run		   *run = (Run *) lfirst(lc);

			if (run->state == RUN_WAITING && run->step > after &&
				(next == NULL || run->step < next->step))
				next = run;
		}
	} while (next != NULL && !can_start(state, next));
	return next;
}
