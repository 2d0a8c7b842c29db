/*
 * playbook/graph.c
 *		Which step can reach which.
 *
 * The algorithm is Tarjan's for strongly connected components, without recursion
 * because the depth of the graph is the author's choice.  A component is finished only
 * after everything it can reach, so that in the order of finishing each
 * one's reach is the union of what is already known:
 *
 *		a -> b <-> c -> d		finished: {d} {b,c} {a}
 *		reach(b) = reach(c) = {b,c,d}, reach(a) = {b,c,d}
 *
 * Numbering the components backwards makes every edge go from a lower
 * number to a higher one, or stay inside.
 */
#include "common/common.h"

#include "miscadmin.h"

#include "playbook/internal.h"

typedef struct Graph
{
	Playbook   *playbook;
	const int  *first;			/* edges of s: targets[first[s]] … */
	const int  *targets;
	int		   *order;			/* number by first sight of a step; 0: not seen */
	int		   *low;
	int		   *next_edge;		/* where the walk goes on at a step */
	int		   *walk;			/* the way from the root to here */
	int		   *stack;			/* steps of unfinished components */
	int			nstack;
	int			nseen;
	int			ncomponents;
} Graph;

static int	list_edges(const TransitionList *list, int *targets);
static void walk_from(Graph *graph, int root);
static void finish_component(Graph *graph, int root);

/* Fills in component, cyclic and reach from the transitions. */
void
graph_analyse(Playbook *playbook, const EdgeList *edges)
{
	Graph		graph = {0};
	int			n = playbook->nsteps;
	int		   *memory;
	int			i;

	playbook->reach_words = (n + 63) / 64;
	playbook->reach = MemoryContextAllocZero(playbook->context,
											 sizeof(uint64) * n *
											 playbook->reach_words);
	memory = palloc0(sizeof(int) * 5 * (n + 1));
	graph.playbook = playbook;
	graph.first = edges->first;
	graph.targets = edges->targets;
	graph.order = memory;
	graph.low = memory + (n + 1);
	graph.next_edge = memory + (n + 1) * 2;
	graph.walk = memory + (n + 1) * 3;
	graph.stack = memory + (n + 1) * 4;
	for (i = 0; i < n; i++)
		if (graph.order[i] == 0)
			walk_from(&graph, i);
	for (i = 0; i < n; i++)
		playbook->steps[i].component =
			graph.ncomponents - 1 - playbook->steps[i].component;
	pfree(memory);
}

/*
 * Counts the targets of a list of transitions, and writes them where "targets"
 * is given.
 */
static int
list_edges(const TransitionList *list, int *targets)
{
	int			count = 0;
	int			i;
	int			j;

	for (i = 0; i < list->count; i++)
	{
		const Transition *entry = &list->entries[i];

		for (j = 0; j < entry->ntargets; j++, count++)
			if (targets)
				targets[count] = entry->targets[j].step;
		for (j = 0; j < entry->nelse; j++, count++)
			if (targets)
				targets[count] = entry->else_targets[j].step;
	}
	return count;
}

/* Lists the transitions and error handlers of all steps, in CurrentMemoryContext. */
void
graph_list_edges(const Playbook *playbook, EdgeList *edges)
{
	int			count = 0;

	edges->first = palloc(sizeof(int) * (playbook->nsteps + 1));
	for (int i = 0; i < playbook->nsteps; i++)
	{
		edges->first[i] = count;
		count += list_edges(&playbook->steps[i].next, NULL);
		count += list_edges(&playbook->steps[i].on_error_next, NULL);
	}
	edges->first[playbook->nsteps] = count;
	edges->targets = palloc_extended(sizeof(int) * (count + 1), MCXT_ALLOC_HUGE);
	for (int i = 0; i < playbook->nsteps; i++)
	{
		int		   *targets = edges->targets + edges->first[i];

		targets += list_edges(&playbook->steps[i].next, targets);
		list_edges(&playbook->steps[i].on_error_next, targets);
	}
}

/* Walks depth first from a step that was not seen before. */
static void
walk_from(Graph *graph, int root)
{
	int			depth = 0;

	graph->walk[0] = root;
	graph->order[root] = graph->low[root] = ++graph->nseen;
	graph->next_edge[root] = graph->first[root];
	graph->stack[graph->nstack++] = root;
	graph->playbook->steps[root].component = -1;
	while (depth >= 0)
	{
		int			step = graph->walk[depth];
		int			target;

		CHECK_FOR_INTERRUPTS();
		if (graph->next_edge[step] == graph->first[step + 1])
		{
			if (graph->low[step] == graph->order[step])
				finish_component(graph, step);
			if (--depth >= 0)
				graph->low[graph->walk[depth]] =
					Min(graph->low[graph->walk[depth]], graph->low[step]);
			continue;
		}
		target = graph->targets[graph->next_edge[step]++];
		if (graph->order[target] == 0)
		{
			graph->walk[++depth] = target;
			graph->order[target] = graph->low[target] = ++graph->nseen;
			graph->next_edge[target] = graph->first[target];
			graph->stack[graph->nstack++] = target;
			graph->playbook->steps[target].component = -1;
		}
		else if (graph->playbook->steps[target].component < 0)
			graph->low[step] = Min(graph->low[step], graph->order[target]);
	}
}

/* Takes a component off the stack and computes what its members reach. */
static void
finish_component(Graph *graph, int root)
{
	Playbook   *playbook = graph->playbook;
	int			words = playbook->reach_words;
	uint64	   *reach = playbook->reach + (size_t) root * words;
	int			bottom = graph->nstack;
	bool		cyclic;
	int			i;
	int			edge;
	int			word;

	do
		playbook->steps[graph->stack[--bottom]].component = graph->ncomponents;
	while (graph->stack[bottom] != root);
	cyclic = graph->nstack - bottom > 1;
	for (i = bottom; i < graph->nstack; i++)
	{
		int			member = graph->stack[i];

		CHECK_FOR_INTERRUPTS();
		for (edge = graph->first[member]; edge < graph->first[member + 1]; edge++)
		{
			int			target = graph->targets[edge];
			const uint64 *other = playbook->reach + (size_t) target * words;

			cyclic = cyclic || target == member;
			if ((reach[target / 64] >> (target % 64)) & 1)
				continue;		/* and so is everything that it reaches */
			reach[target / 64] |= UINT64CONST(1) << (target % 64);
			if (playbook->steps[target].component != graph->ncomponents)
				for (word = 0; word < words; word++)
					reach[word] |= other[word];
		}
	}
	for (i = bottom; i < graph->nstack; i++)
	{
		playbook->steps[graph->stack[i]].cyclic = cyclic;
		if (graph->stack[i] != root)
			memcpy(playbook->reach + (size_t) graph->stack[i] * words, reach,
				   sizeof(uint64) * words);
	}
	graph->nstack = bottom;
	graph->ncomponents++;
}
