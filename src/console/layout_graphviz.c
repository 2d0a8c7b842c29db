/*
 * layout_graphviz.c
 *		The process that lays a graph out by libgvc.
 *
 * libgvc is made for programs that end soon: it is not safe for threads, ends the
 * process when it lacks memory, keeps memory, and takes minutes for some graphs.  So it
 * has a process whose time and memory are bounded, and which exits without tidying up.
 */
#define _GNU_SOURCE
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <unistd.h>

#include <graphviz/gvc.h>
#include <graphviz/graphviz_version.h>

#include "layout.h"

/* Seconds of processor time, and bytes */
#define MAX_SECONDS		2
#define MAX_MEMORY		(512L * 1024 * 1024)
/* Of the box of a label; and where its text begins, below its middle */
#define LABEL_HEIGHT	"0.22"
#define PIXELS_PER_INCH	72.0

typedef struct Edge
{
	Agedge_t   *edge;			/* to its end, or to its label */
	Agnode_t   *label;			/* a box between two edges, or NULL */
	Agedge_t   *rest;			/* from the label to the end */
} Edge;

/* Bounds what the process may take.  AddressSanitizer needs all addresses there are. */
static void
limit_resources(void)
{
	struct rlimit cpu = {MAX_SECONDS, MAX_SECONDS + 1};
	struct rlimit none = {0, 0};

	setrlimit(RLIMIT_CPU, &cpu);
	setrlimit(RLIMIT_CORE, &none);
#ifndef __SANITIZE_ADDRESS__
	setrlimit(RLIMIT_AS, &(struct rlimit) {MAX_MEMORY, MAX_MEMORY});
#endif
}

/* Sets the width of a box. */
static void
set_width(Agnode_t *node, double points)
{
	char		inches[32];

	snprintf(inches, sizeof(inches), "%.4f", points / PIXELS_PER_INCH);
	agsafeset(node, "width", inches, "");
}

/* Makes an empty graph whose steps are boxes of that size; nothing in it has text. */
static Agraph_t *
make_graph(int width, int height, int labelled)
{
	Agraph_t   *graph = agopen("graph", Agdirected, NULL);
	char		inches[32];

	agattr(graph, AGRAPH, "nodesep", "0.35");
	/* a label takes a rank of its own */
	agattr(graph, AGRAPH, "ranksep", labelled > 0 ? "0.4" : "0.6");
	agattr(graph, AGNODE, "shape", "box");
	agattr(graph, AGNODE, "fixedsize", "true");
	agattr(graph, AGNODE, "label", "");
	snprintf(inches, sizeof(inches), "%.4f", width / PIXELS_PER_INCH);
	agattr(graph, AGNODE, "width", inches);
	snprintf(inches, sizeof(inches), "%.4f", height / PIXELS_PER_INCH);
	agattr(graph, AGNODE, "height", inches);
	agattr(graph, AGEDGE, "arrowhead", "none");
	agattr(graph, AGEDGE, "headclip", "true");
	agattr(graph, AGEDGE, "tailclip", "true");
	return graph;
}

/* Reads the edges of the question; returns false when it is none. */
static bool
read_edges(Agraph_t *graph, Agnode_t **nodes, int nsteps, Edge *edges, int nedges)
{
	for (int i = 0; i < nedges; i++)
	{
		int			from;
		int			to;
		int			width;

		if (scanf("%d %d %d", &from, &to, &width) != 3 || from < 0 || from >= nsteps || to < 0 ||
			to >= nsteps)
			return false;
		if (width <= 0)
		{
			edges[i].edge = agedge(graph, nodes[from], nodes[to], NULL, 1);
			continue;
		}
		edges[i].label = agnode(graph, NULL, 1);
		set_width(edges[i].label, width);
		agsafeset(edges[i].label, "height", LABEL_HEIGHT, "");
		/* both halves meet in the middle of the label */
		edges[i].edge = agedge(graph, nodes[from], edges[i].label, NULL, 1);
		edges[i].rest = agedge(graph, edges[i].label, nodes[to], NULL, 1);
		agsafeset(edges[i].edge, "headclip", "false", "");
		agsafeset(edges[i].rest, "tailclip", "false", "");
	}
	return true;
}

/* Prints a line of an edge; Graphviz counts from below. */
static bool
print_line(Agedge_t *edge, double height, bool begins)
{
	const bezier *line;

	if (ED_spl(edge) == NULL || ED_spl(edge)->size < 1 || ED_spl(edge)->list[0].size < 4)
		return false;
	line = &ED_spl(edge)->list[0];
	for (int i = 0; i < line->size; i++)
		if (i > 0 || begins)
			printf("%s%.1f %.1f", i == 0 ? "M" : i % 3 == 1 ? "C" : " ", line->list[i].x,
				   height - line->list[i].y);
	return true;
}

/* Prints the answer; returns false when an edge has no line. */
static bool
print_places(Agraph_t *graph, Agnode_t **nodes, int nsteps, const Edge *edges, int nedges,
			 int step_height)
{
	double		height = GD_bb(graph).UR.y;

	printf("%.0f %.0f\n", GD_bb(graph).UR.x, height);
	for (int i = 0; i < nsteps; i++)
		printf("%.1f %.1f\n", ND_coord(nodes[i]).x,
			   height - ND_coord(nodes[i]).y - step_height / 2.0);
	for (int i = 0; i < nedges; i++)
	{
		if (!print_line(edges[i].edge, height, true) ||
			(edges[i].rest && !print_line(edges[i].rest, height, false)))
			return false;
		printf("\n");
	}
	for (int i = 0; i < nedges; i++)
		if (edges[i].label)
			printf("%.1f %.1f\n", ND_coord(edges[i].label).x,
				   height - ND_coord(edges[i].label).y);
		else
			printf("0 0\n");
	return true;
}

/* Answers the question in its input (layout.h). */
int
layout_answer(void)
{
	int			nsteps;
	int			nedges;
	int			labelled;
	int			width;
	int			height;
	GVC_t	   *context;
	Agraph_t   *graph;
	Agnode_t   *nodes[LAYOUT_STEPS];
	static Edge edges[LAYOUT_EDGES];

	limit_resources();
	if (scanf("%d %d %d %d %d", &nsteps, &nedges, &labelled, &width, &height) != 5 ||
		nsteps < 1 || nsteps > LAYOUT_STEPS || nedges < 0 || nedges > LAYOUT_EDGES)
		return 1;
	context = gvContext();
	graph = make_graph(width, height, labelled);
	for (int i = 0; i < nsteps; i++)
		nodes[i] = agnode(graph, NULL, 1);
	if (!read_edges(graph, nodes, nsteps, edges, nedges) || gvLayout(context, graph, "dot") != 0 ||
		!print_places(graph, nodes, nsteps, edges, nedges, height) || fflush(stdout) != 0)
		_exit(1);
	_exit(0);
}

/* Returns the version of Graphviz (layout.h). */
const char *
layout_version(void)
{
	return PACKAGE_VERSION;
}
