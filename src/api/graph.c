/*
 * api/graph.c
 *		The graph of a playbook is listed, marked with an execution's progress, and
 *		laid out in layers.
 *
 *		edges ──> those that close a cycle are marked ──> layers by the longest
 *		way from a step without predecessors ──> wide layers become rows ──> the
 *		order in a layer follows that of the neighbours
 */
#include "common/common.h"

#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "miscadmin.h"
#include "utils/builtins.h"

#include "api/graph.h"
#include "catalog/catalog.h"

/* How often the order in the layers is improved */
#define ORDER_SWEEPS	6

/*
 * Runs a query with one bigint parameter in the caller's snapshot; the rows are
 * in SPI_tuptable.  SPI must be connected.
 */
void
graph_query(const char *text, int64 parameter)
{
	Oid			type = INT8OID;
	Datum		value = Int64GetDatum(parameter);
	int			result = SPI_execute_with_args(text, 1, &type, &value, NULL, true, 0);

	if (result != SPI_OK_SELECT)
		elog(ERROR, "SPI_execute failed: %s", SPI_result_code_string(result));
}

/* Returns the text of a column of a row in SPI_tuptable; NULL for null. */
char *
graph_value(uint64 row, int column)
{
	return SPI_getvalue(SPI_tuptable->vals[row], SPI_tuptable->tupdesc, column);
}

/* Returns what a step is, in one word. */
const char *
graph_kind_name(const Step *step)
{
	switch (step->kind)
	{
		case STEP_ROUTER:
			return "router";
		case STEP_NOOP:
			return "noop";
		case STEP_SAVE:
			return "save";
		case STEP_SQL:
			return "sql";
		case STEP_PLAYBOOK:
			return "playbook";
		case STEP_ITERATOR:
			return "iterator";
		case STEP_WAIT:
			return "wait";
		case STEP_END:
			return "end";
		case STEP_ACTION:
			break;
	}
	return step->type[0] ? step->type : "action";
}

/* Returns the label of an edge, or NULL. */
const char *
graph_edge_label(const GraphEdge *edge)
{
	switch (edge->kind)
	{
		case GRAPH_EDGE_NEXT:
			return edge->when;
		case GRAPH_EDGE_ELSE:
			return edge->when ? psprintf("else of %s", edge->when) : "else";
		case GRAPH_EDGE_ERROR:
			return edge->when ? psprintf("on error, %s", edge->when) : "on error";
	}
	return NULL;
}

/* ---------------------------------------------------------------------------
 * Edges
 * ---------------------------------------------------------------------------
 */

/* Adds an edge. */
static void
add_edge(Graph *graph, int from, int to, GraphEdgeKind kind, const Condition *when)
{
	GraphEdge  *edge;

	if (graph->nedges == graph->maxedges)
	{
		graph->maxedges = Max(16, graph->maxedges * 2);
		graph->edges = graph->edges == NULL ?
			palloc(sizeof(GraphEdge) * graph->maxedges) :
			repalloc_huge(graph->edges, sizeof(GraphEdge) * graph->maxedges);
	}
	edge = &graph->edges[graph->nedges++];
	edge->from = from;
	edge->to = to;
	edge->kind = kind;
	edge->when = when ? when->source : NULL;
	edge->back = false;
	edge->taken = false;
}

/* Adds the edges of a list of transitions. */
static void
add_transitions(Graph *graph, int from, const TransitionList *list, bool on_error)
{
	for (int i = 0; i < list->count; i++)
	{
		const Transition *entry = &list->entries[i];
		GraphEdgeKind kind = on_error ? GRAPH_EDGE_ERROR :
			entry->is_else ? GRAPH_EDGE_ELSE : GRAPH_EDGE_NEXT;

		for (int j = 0; j < entry->ntargets; j++)
			add_edge(graph, from, entry->targets[j].step, kind, entry->when);
		for (int j = 0; j < entry->nelse; j++)
			add_edge(graph, from, entry->else_targets[j].step,
					 on_error ? GRAPH_EDGE_ERROR : GRAPH_EDGE_ELSE, entry->when);
	}
}

/* Returns the graph of a compiled playbook, which must outlive it, without a path. */
Graph *
graph_of(const Playbook *playbook)
{
	Graph	   *graph = palloc0(sizeof(Graph));

	graph->playbook = playbook;
	graph->nnodes = playbook->nwritten;
	/* compensations have no place in the picture, but states */
	graph->nodes = palloc0(sizeof(GraphNode) * playbook->nsteps);
	for (int i = 0; i < playbook->nwritten; i++)
	{
		const Step *step = &playbook->steps[i];

		graph->nodes[i].step = step;
		add_transitions(graph, i, &step->next, false);
		if (step->on_error == ON_ERROR_HANDLER)
			add_transitions(graph, i, &step->on_error_next, true);
	}
	return graph;
}

/* Returns the graph of a registered playbook, in CurrentMemoryContext. */
Graph *
graph_build(int64 catalog_id)
{
	Graph	   *graph = graph_of(playbook_get(catalog_id));

	if (!catalog_describe(catalog_id, &graph->path, &graph->version))
		elog(ERROR, "playbook " INT64_FORMAT " has vanished", catalog_id);
	return graph;
}

/* Reads the states of the steps in an execution; SPI must be connected. */
void
graph_load_progress(Graph *graph, int64 execution_id)
{
	graph->execution_id = execution_id;
	graph_query("SELECT p.step, p.state, p.visits, p.attempts,"
				" to_char(p.started_at, 'YYYY-MM-DD HH24:MI:SS.MSOF'),"
				" to_char(p.ended_at, 'YYYY-MM-DD HH24:MI:SS.MSOF'),"
				" round(extract(epoch FROM p.ended_at - p.started_at)::numeric, 3) || ' s',"
				" left(p.error, 2000)"
				" FROM noetl.progress_unchecked($1) AS p", execution_id);
	for (uint64 row = 0; row < SPI_processed; row++)
	{
		char	   *name = graph_value(row, 1);
		int			index = name ? playbook_find_step(graph->playbook, name, strlen(name)) : -1;
		GraphNode  *node;

		if (index < 0)
			continue;
		node = &graph->nodes[index];
		node->state = graph_value(row, 2);
		node->visits = pg_strtoint32(graph_value(row, 3));
		node->attempts = pg_strtoint32(graph_value(row, 4));
		node->started_at = graph_value(row, 5);
		node->ended_at = graph_value(row, 6);
		node->took = graph_value(row, 7);
		node->error = graph_value(row, 8);
	}
	/* the entry leaves no event where it has nothing to do */
	if (graph->nodes[graph->playbook->entry].state == NULL && SPI_processed > 0)
	{
		graph->nodes[graph->playbook->entry].state = "completed";
		graph->nodes[graph->playbook->entry].visits = 1;
		graph->nodes[graph->playbook->entry].attempts = 1;
	}
}

/* ---------------------------------------------------------------------------
 * Layers
 * ---------------------------------------------------------------------------
 */

/* Edges by the step that they leave: those of s are list[first[s]] … */
typedef struct Adjacency
{
	int		   *first;
	int		   *list;			/* indexes of edges */
} Adjacency;

/* Lists the edges by their beginnings, or by their ends. */
static void
list_by_node(const Graph *graph, bool incoming, Adjacency *by)
{
	int		   *fill;

	by->first = palloc0(sizeof(int) * (graph->nnodes + 1));
	by->list = palloc_extended(sizeof(int) * (graph->nedges + 1), MCXT_ALLOC_HUGE);
	fill = palloc0(sizeof(int) * (graph->nnodes + 1));
	for (int i = 0; i < graph->nedges; i++)
		by->first[(incoming ? graph->edges[i].to : graph->edges[i].from) + 1]++;
	for (int i = 0; i < graph->nnodes; i++)
		by->first[i + 1] += by->first[i];
	for (int i = 0; i < graph->nedges; i++)
	{
		int			node = incoming ? graph->edges[i].to : graph->edges[i].from;

		by->list[by->first[node] + fill[node]++] = i;
	}
}

/* Marks the edges that lead back to a step on the way from "root". */
static void
mark_back_edges(Graph *graph, const Adjacency *out, char *seen, int *next, int *walk, int root)
{
	int			depth = 0;

	if (seen[root])
		return;
	walk[0] = root;
	seen[root] = 1;
	while (depth >= 0)
	{
		int			node = walk[depth];
		GraphEdge  *edge;

		CHECK_FOR_INTERRUPTS();
		if (next[node] == out->first[node + 1] - out->first[node])
		{
			seen[node] = 2;
			depth--;
			continue;
		}
		edge = &graph->edges[out->list[out->first[node] + next[node]++]];
		edge->back = seen[edge->to] == 1;
		if (seen[edge->to] == 0)
		{
			seen[edge->to] = 1;
			walk[++depth] = edge->to;
		}
	}
}

/* Sets layer to the longest way from a step that nothing leads to. */
static void
assign_layers(Graph *graph, const Adjacency *out)
{
	int		   *missing = palloc0(sizeof(int) * graph->nnodes);
	int		   *ready = palloc(sizeof(int) * graph->nnodes);
	int			nready = 0;

	for (int i = 0; i < graph->nedges; i++)
		if (!graph->edges[i].back)
			missing[graph->edges[i].to]++;
	for (int i = 0; i < graph->nnodes; i++)
		if (missing[i] == 0)
			ready[nready++] = i;
	for (int done = 0; done < nready; done++)
	{
		int			node = ready[done];

		for (int i = out->first[node]; i < out->first[node + 1]; i++)
		{
			const GraphEdge *edge = &graph->edges[out->list[i]];

			if (edge->back)
				continue;
			graph->nodes[edge->to].layer = Max(graph->nodes[edge->to].layer,
											   graph->nodes[node].layer + 1);
			if (--missing[edge->to] == 0)
				ready[nready++] = edge->to;
		}
	}
}

/* Compares nodes by layer, then by order, then by document order. */
static int
compare_places(const void *a, const void *b)
{
	const GraphNode *left = *(GraphNode *const *) a;
	const GraphNode *right = *(GraphNode *const *) b;

	if (left->layer != right->layer)
		return left->layer < right->layer ? -1 : 1;
	if (left->order != right->order)
		return left->order < right->order ? -1 : 1;
	return left->step->index < right->step->index ? -1 : 1;
}

/*
 * Sorts the nodes by their places and numbers those of each layer, centred
 * around 0.
 */
static void
number_layers(Graph *graph, GraphNode **sorted)
{
	int			begin = 0;

	qsort(sorted, graph->nnodes, sizeof(GraphNode *), compare_places);
	for (int i = 1; i <= graph->nnodes; i++)
		if (i == graph->nnodes || sorted[i]->layer != sorted[begin]->layer)
		{
			for (int j = begin; j < i; j++)
				sorted[j]->order = (j - begin) - (i - begin - 1) / 2.0;
			begin = i;
		}
}

/* Breaks wide layers into rows, which become layers. */
static void
break_layers(Graph *graph, GraphNode **sorted)
{
	int			layer = -1;
	int			old = -1;
	int			inside = 0;

	for (int i = 0; i < graph->nnodes; i++)
	{
		if (sorted[i]->layer != old || inside == GRAPH_ROW_WIDTH)
		{
			old = sorted[i]->layer;
			inside = 0;
			layer++;
		}
		inside++;
		sorted[i]->layer = layer;
	}
	graph->nlayers = layer + 1;
	number_layers(graph, sorted);
}

/* Moves each node to the mean place of its neighbours on one side. */
static void
follow_neighbours(Graph *graph, const Adjacency *neighbours, bool incoming, double *places)
{
	for (int i = 0; i < graph->nnodes; i++)
	{
		double		sum = 0;
		int			count = 0;

		for (int j = neighbours->first[i]; j < neighbours->first[i + 1]; j++)
		{
			const GraphEdge *edge = &graph->edges[neighbours->list[j]];

			if (edge->back)
				continue;
			sum += graph->nodes[incoming ? edge->from : edge->to].order;
			count++;
		}
		places[i] = count > 0 ? sum / count : graph->nodes[i].order;
	}
	for (int i = 0; i < graph->nnodes; i++)
		graph->nodes[i].order = places[i];
}

/* Gives every node a layer and a place in it. */
void
graph_lay_out(Graph *graph)
{
	int			n = graph->nnodes;
	char	   *seen = palloc0(n);
	int		   *next = palloc0(sizeof(int) * n);
	int		   *walk = palloc(sizeof(int) * n);
	double	   *places = palloc(sizeof(double) * n);
	GraphNode **sorted = palloc(sizeof(GraphNode *) * n);
	Adjacency	out;
	Adjacency	in;

	list_by_node(graph, false, &out);
	list_by_node(graph, true, &in);
	mark_back_edges(graph, &out, seen, next, walk, graph->playbook->entry);
	for (int i = 0; i < n; i++)
		mark_back_edges(graph, &out, seen, next, walk, i);
	assign_layers(graph, &out);
	for (int i = 0; i < n; i++)
		sorted[i] = &graph->nodes[i];
	number_layers(graph, sorted);
	for (int sweep = 0; sweep < ORDER_SWEEPS; sweep++)
	{
		follow_neighbours(graph, sweep % 2 == 0 ? &in : &out, sweep % 2 == 0, places);
		number_layers(graph, sorted);
	}
	break_layers(graph, sorted);
}
