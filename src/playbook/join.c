/*
 * playbook/join.c
 *		How arrivals join at each step, and which steps have parallel visits.
 *
 * Branches that do not wait for each other begin where a step can take more
 * than one transition at once: it forks.  What a fork leads to and what may be
 * visited again can be live twice at the same time:
 *
 *		start -> fetch -> [save, fetch]		fetch forks and is revisited, so
 *											that save and fetch are parallel
 *		start -> fetch -> {when: more, fetch; else: end}
 *											nothing forks, nothing is parallel
 *
 * The newest visit of a parallel step depends on who is asked: a run sees the
 * one that it descends from.  Runs carry the visits of such steps along, but
 * only of those that some template mentions; a playbook without any pays
 * nothing.
 */
#include "common/common.h"

#include "miscadmin.h"

#include "playbook/internal.h"

/* Reads the join of a step; the graph decides where there is none. */
void
playbook_compile_join(Compiler *compiler, Step *step, const YamlNode *join)
{
	char	   *word = playbook_scalar_text(join);

	if (join == NULL)
		return;
	if (word != NULL && pg_strcasecmp(word, "each") == 0)
		step->join = JOIN_EACH;
	else if (word != NULL && pg_strcasecmp(word, "all") == 0)
		step->join = JOIN_ALL;
	else if (word != NULL && pg_strcasecmp(word, "any") == 0)
		step->join = JOIN_ANY;
	else
		playbook_issue(compiler, ISSUE_ERROR, ERRCODE_INVALID_OBJECT_DEFINITION,
					   join, "It is each, all or any.",
					   "unknown join \"%s\"", word ? word : "");
	if (step->is_end && step->join != JOIN_ALL && step->join != JOIN_DEFAULT)
		playbook_issue(compiler, ISSUE_WARNING, ERRCODE_WARNING, join,
					   "It has no effect.", "the end of a playbook waits for all branches");
}

/*
 * Looks at targets: *only is the step that all targets name so far; -1: they name
 * several, -2: there is none yet.
 */
static void
look_at_targets(const Target *targets, int ntargets, int *only)
{
	for (int i = 0; i < ntargets; i++)
	{
		if (*only == -2)
			*only = targets[i].step;
		else if (*only != targets[i].step)
			*only = -1;
	}
}

/* Returns whether all targets of a list name the same step. */
static bool
has_one_target(const TransitionList *list)
{
	int			only = -2;

	for (int i = 0; i < list->count; i++)
	{
		look_at_targets(list->entries[i].targets, list->entries[i].ntargets, &only);
		look_at_targets(list->entries[i].else_targets, list->entries[i].nelse, &only);
	}
	return only != -1;
}

/* Returns whether more than one transition of a list can be taken at once. */
static bool
list_forks(const TransitionList *list)
{
	int			held = 0;		/* targets if conditions hold … */
	int			failed = 0;		/* … or none does */

	if (has_one_target(list))
		return false;
	for (int i = 0; i < list->count; i++)
	{
		const Transition *entry = &list->entries[i];

		if (list->exclusive)
		{
			held = Max(held, Max(entry->ntargets, entry->nelse));
			continue;
		}
		if (!entry->is_else)
			held += Max(entry->ntargets, entry->nelse);
		failed += entry->when != NULL ? entry->nelse : entry->ntargets;
	}
	return held > 1 || failed > 1;
}

/* Returns whether several branches can leave a step at once. */
static bool
step_forks(const Step *step)
{
	return list_forks(&step->next) || list_forks(&step->on_error_next);
}

/* Returns, for each step, how many steps lead to it. */
static int *
count_sources(const Playbook *playbook, const EdgeList *edges)
{
	int		   *sources = palloc0(sizeof(int) * playbook->nsteps);
	int		   *last = palloc0(sizeof(int) * playbook->nsteps);

	for (int s = 0; s < playbook->nsteps; s++)
		for (int edge = edges->first[s]; edge < edges->first[s + 1]; edge++)
		{
			int			target = edges->targets[edge];

			if (last[target] == s + 1)
				continue;		/* it leads there twice */
			last[target] = s + 1;
			sources[target]++;
		}
	pfree(last);
	return sources;
}

/* Returns the steps in the order of their components. */
static int *
order_by_component(const Playbook *playbook)
{
	int			n = playbook->nsteps;
	int		   *place = palloc0(sizeof(int) * (n + 1));
	int		   *order = palloc(sizeof(int) * n);

	for (int i = 0; i < n; i++)
		place[playbook->steps[i].component + 1]++;
	for (int i = 0; i < n; i++)
		place[i + 1] += place[i];
	for (int i = 0; i < n; i++)
		order[place[playbook->steps[i].component]++] = i;
	pfree(place);
	return order;
}

/*
 * Fills revisited and parallel of the steps of one component and hands both on
 * along the edges that leave it.
 */
static void
mark_component(Playbook *playbook, const EdgeList *edges, const int *members, int count)
{
	bool		parallel = false;

	for (int i = 0; i < count; i++)
	{
		const Step *step = &playbook->steps[members[i]];

		parallel = parallel || step->parallel || (step->cyclic && step_forks(step));
	}
	for (int i = 0; i < count; i++)
	{
		Step	   *step = &playbook->steps[members[i]];
		bool		forks = step_forks(step);

		step->parallel = parallel;
		step->revisited = step->revisited || step->cyclic;
		for (int edge = edges->first[step->index]; edge < edges->first[step->index + 1]; edge++)
		{
			Step	   *target = &playbook->steps[edges->targets[edge]];

			if (target->component == step->component)
				continue;
			target->parallel = target->parallel || parallel || forks;
			if (target->join == JOIN_EACH && step->revisited)
				target->revisited = true;
		}
	}
}

/*
 * Returns whether a template refers to the value of a step, perhaps by the name of
 * its task.
 */
static bool
is_mentioned(const NameTable *mentioned, const Step *step)
{
	return name_table_find(mentioned, step->name, strlen(step->name)) >= 0 ||
		(step->task_name != NULL &&
		 name_table_find(mentioned, step->task_name, strlen(step->task_name)) >= 0) ||
		name_table_find(mentioned, "results", strlen("results")) >= 0;
}

/*
 * Fills in the joins that were not written, and which steps are revisited, parallel
 * and tracked.
 */
void
playbook_resolve_joins(Compiler *compiler, const EdgeList *edges)
{
	Playbook   *playbook = compiler->playbook;
	int			n = playbook->nsteps;
	int		   *sources = count_sources(playbook, edges);
	int		   *order = order_by_component(playbook);
	int			end;

	for (int i = 0; i < n; i++)
	{
		Step	   *step = &playbook->steps[i];

		if (step->is_end)
			step->join = JOIN_ALL;
		else if (step->join == JOIN_DEFAULT)
			step->join = sources[i] > 1 ? JOIN_ALL : JOIN_EACH;
		step->revisited = step->join == JOIN_EACH && sources[i] > 1;
	}
	for (int i = 0; i < n; i = end)
	{
		CHECK_FOR_INTERRUPTS();
		for (end = i + 1; end < n; end++)
			if (playbook->steps[order[end]].component != playbook->steps[order[i]].component)
				break;
		mark_component(playbook, edges, order + i, end - i);
	}
	playbook->tracked = palloc(sizeof(int) * n);
	for (int i = 0; i < n; i++)
	{
		Step	   *step = &playbook->steps[i];

		step->parallel = step->parallel && step->revisited;
		step->tracked = -1;
		if (step->parallel && (is_mentioned(&compiler->mentioned, step) || step->join == JOIN_ANY))
		{
			step->tracked = playbook->ntracked;
			playbook->tracked[playbook->ntracked++] = i;
		}
	}
	pfree(sources);
	pfree(order);
}
