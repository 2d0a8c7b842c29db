/*
 * api/graph.h
 *		The graph of a playbook, to be shown: its edges, the state of its steps in
 *		an execution, and places in layers.
 */
#ifndef NOETL_API_GRAPH_H
#define NOETL_API_GRAPH_H

#include "lib/stringinfo.h"

#include "playbook/playbook.h"

/* Wider layers are broken into rows of this many steps. */
#define GRAPH_ROW_WIDTH		6
/* Graphs with more steps are not drawn. */
#define GRAPH_MAX_DRAWN		5000

typedef enum GraphEdgeKind
{
	GRAPH_EDGE_NEXT,
	GRAPH_EDGE_ELSE,
	GRAPH_EDGE_ERROR			/* of on_error */
} GraphEdgeKind;

typedef struct GraphEdge
{
	int			from;
	int			to;
	GraphEdgeKind kind;
	const char *when;			/* the condition as written, or NULL */
	bool		back;			/* it closes a cycle */
	bool		taken;			/* it is known that the execution went along it */
} GraphEdge;

/* A step, and what an execution has made of it. */
typedef struct GraphNode
{
	const Step *step;
	const char *state;			/* NULL: not reached, or no execution is asked about */
	int			visits;
	int			attempts;
	const char *started_at;		/* text of a time, or NULL; so are the next three */
	const char *ended_at;
	const char *took;
	const char *error;
	int			layer;
	double		order;			/* place in the layer, from the left */
} GraphNode;

typedef struct Graph
{
	const Playbook *playbook;
	const char *path;
	int			version;
	int64		execution_id;	/* 0: none is asked about */
	const char *status;			/* of the execution, or NULL */
	int			nnodes;
	GraphNode  *nodes;
	int			nedges;
	int			maxedges;
	GraphEdge  *edges;
	int			nlayers;
} Graph;

/* Returns the graph of a compiled playbook, which must outlive it, without a path. */
extern Graph *graph_of(const Playbook *playbook);
/* Returns the graph of a registered playbook, in CurrentMemoryContext. */
extern Graph *graph_build(int64 catalog_id);
/* Reads the states of the steps in an execution; SPI must be connected. */
extern void graph_load_progress(Graph *graph, int64 execution_id);
/* Gives every node a layer and a place in it. */
extern void graph_lay_out(Graph *graph);
/* Returns what a step is, in one word. */
extern const char *graph_kind_name(const Step *step);
/* Returns the label of an edge, or NULL. */
extern const char *graph_edge_label(const GraphEdge *edge);

/* Appends text with what HTML gives a meaning replaced. */
extern void html_append(StringInfo out, const char *text);
/* Raises when a graph is too large to be drawn. */
extern void graph_check_size(const Graph *graph);
/* Appends the graph as an SVG element. */
extern void graph_append_svg(StringInfo out, const Graph *graph);

/*
 * Runs a query with one bigint parameter in the caller's snapshot; the rows are
 * in SPI_tuptable.  SPI must be connected.
 */
extern void graph_query(const char *text, int64 parameter);
/* Returns the text of a column of a row in SPI_tuptable; NULL for null. */
extern char *graph_value(uint64 row, int column);

#endif							/* NOETL_API_GRAPH_H */
