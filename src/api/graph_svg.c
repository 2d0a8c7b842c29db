/*
 * api/graph_svg.c
 *		A graph with its layout as an SVG element, for an HTML page.  Colours come
 *		from the classes of the page's style sheet.
 *
 * Each step, edge and label is a line that begins with its tag, and its tag has its
 * number (data-step), the numbers of the steps that it connects (data-from, data-to),
 * or that of its edge (data-edge): who has another layout moves them by these.
 */
#include "common/common.h"

#include <math.h>

#include "mb/pg_wchar.h"

#include "api/graph.h"

#define NODE_WIDTH		150
#define NODE_HEIGHT		44
#define COLUMN_WIDTH	180
#define LAYER_HEIGHT	96
#define MARGIN			40
/* Larger graphs have no labels at their edges */
#define MAX_LABELLED	60

/* Appends text with what HTML gives a meaning replaced. */
void
html_append(StringInfo out, const char *text)
{
	for (; *text; text++)
	{
		unsigned char c = (unsigned char) *text;

		switch (c)
		{
			case '<':
				appendStringInfoString(out, "&lt;");
				break;
			case '>':
				appendStringInfoString(out, "&gt;");
				break;
			case '&':
				appendStringInfoString(out, "&amp;");
				break;
			case '"':
				appendStringInfoString(out, "&quot;");
				break;
			case '\'':
				appendStringInfoString(out, "&#39;");
				break;
			default:
				/* control characters have no place in a document */
				if (c >= ' ' || c == '\n' || c == '\t')
					appendStringInfoChar(out, c);
				else
					appendStringInfoString(out, "\xef\xbf\xbd");
		}
	}
}

/* Appends at most "width" characters of a text on one line. */
static void
append_cut(StringInfo out, const char *text, int width)
{
	int			length = strlen(text);
	int			clipped = pg_mbcharcliplen(text, length, width);

	html_append(out, pnstrdup(text, clipped));
	if (clipped < length)
		appendStringInfoString(out, "\xe2\x80\xa6");
}

/* Returns where the middle of a node is, from the left. */
static double
node_x(const GraphNode *node, double centre)
{
	return centre + node->order * COLUMN_WIDTH;
}

/* Returns where the upper side of a node is. */
static double
node_y(const GraphNode *node)
{
	return MARGIN / 2 + node->layer * LAYER_HEIGHT;
}

/* Appends the line of an edge. */
static void
append_edge_path(StringInfo out, const Graph *graph, int index, double centre)
{
	const GraphEdge *edge = &graph->edges[index];
	const GraphNode *from = &graph->nodes[edge->from];
	const GraphNode *to = &graph->nodes[edge->to];
	double		x1 = node_x(from, centre);
	double		y1 = node_y(from) + NODE_HEIGHT;
	double		x2 = node_x(to, centre);
	double		y2 = node_y(to);
	double		side;

	if (to->layer == from->layer + 1)
		appendStringInfo(out, "M%.0f %.0fC%.0f %.0f %.0f %.0f %.0f %.0f", x1, y1,
						 x1, y1 + 28, x2, y2 - 28, x2, y2);
	else if (to->layer > from->layer)
	{
		side = (x1 + x2) / 2 + (x2 >= x1 ? 1 : -1) * (COLUMN_WIDTH / 2.0 - 8 + index % 4 * 5) *
			(fabs(x1 - x2) < 1 ? 1 : 0);
		appendStringInfo(out, "M%.0f %.0fC%.0f %.0f %.0f %.0f %.0f %.0fS%.0f %.0f %.0f %.0f",
						 x1, y1, x1, y1 + 40, side, y1 + 16, side, (y1 + y2) / 2,
						 x2, y2 - 40, x2, y2);
	}
	else
	{
		/* back: leaves and enters at the right-hand side */
		x1 += NODE_WIDTH / 2.0;
		x2 += NODE_WIDTH / 2.0;
		y1 -= NODE_HEIGHT / 2.0;
		y2 += NODE_HEIGHT / 2.0;
		side = Max(x1, x2) + 24 + index % 3 * 5;
		appendStringInfo(out, "M%.0f %.0fC%.0f %.0f %.0f %.0f %.0f %.0f", x1, y1,
						 side, y1, side, y2, x2, y2);
	}
}

/* Appends an edge. */
static void
append_edge(StringInfo out, const Graph *graph, int index, double centre)
{
	const GraphEdge *edge = &graph->edges[index];
	const char *label = graph_edge_label(edge);

	appendStringInfo(out,
					 "<path class=\"edge%s%s%s%s\" marker-end=\"url(#arrow)\" data-from=\"%d\""
					 " data-to=\"%d\" d=\"",
					 edge->kind == GRAPH_EDGE_ERROR ? " on-error" : "", edge->back ? " back" : "",
					 edge->taken ? " taken" : "",
					 graph->nodes[edge->to].layer - graph->nodes[edge->from].layer > 3 ? " long" :
																						 "",
					 edge->from, edge->to);
	append_edge_path(out, graph, index, centre);
	appendStringInfoString(out, "\"><title>");
	html_append(out, graph->nodes[edge->from].step->name);
	appendStringInfoString(out, " \xe2\x86\x92 ");
	html_append(out, graph->nodes[edge->to].step->name);
	if (label)
	{
		appendStringInfoString(out, ": ");
		append_cut(out, label, 500);
	}
	appendStringInfoString(out, "</title></path>\n");
}

/*
 * Appends the labels of the edges below the steps that the edges leave, at most
 * two for a step.
 */
static void
append_labels(StringInfo out, const Graph *graph, double centre)
{
	int			from = -1;
	int			count = 0;

	for (int i = 0; i < graph->nedges; i++)
	{
		const GraphEdge *edge = &graph->edges[i];
		const char *label = graph_edge_label(edge);
		double		x1 = node_x(&graph->nodes[edge->from], centre);
		double		x2 = node_x(&graph->nodes[edge->to], centre);

		if (edge->from != from)
			count = 0;
		from = edge->from;
		if (label == NULL || ++count > 2)
			continue;
		appendStringInfo(out, "<text class=\"label\" data-edge=\"%d\" x=\"%.0f\" y=\"%.0f\">", i,
						 x1 + Max(-60, Min(60, (x2 - x1) / 4)),
						 node_y(&graph->nodes[edge->from]) + NODE_HEIGHT + 5 + 13 * count);
		append_cut(out, label, 24);
		appendStringInfoString(out, "</text>\n");
	}
}

/* Appends a step as a box with its name, its kind and its state. */
static void
append_node(StringInfo out, const GraphNode *node, double centre)
{
	appendStringInfoString(out, "<g class=\"node s-");
	for (const char *p = node->state ? node->state : "none"; *p && *p != ','; p++)
		appendStringInfoChar(out, *p);
	appendStringInfo(out, "\" data-step=\"%d\" transform=\"translate(%.0f %.0f)\">"
					 "<rect x=\"%d\" y=\"0\" width=\"%d\" height=\"%d\" rx=\"6\"/>",
					 node->step->index, node_x(node, centre), node_y(node),
					 -NODE_WIDTH / 2, NODE_WIDTH, NODE_HEIGHT);
	appendStringInfoString(out, "<text class=\"name\" x=\"0\" y=\"18\">");
	append_cut(out, node->step->name, 18);
	appendStringInfoString(out, "</text><text class=\"kind\" x=\"0\" y=\"34\">");
	append_cut(out, node->state ? node->state : graph_kind_name(node->step), 14);
	if (node->visits > 1)
		appendStringInfo(out, " \xc3\x97%d", node->visits);
	if (node->state && node->took)
	{
		appendStringInfoString(out, " \xc2\xb7 ");
		append_cut(out, node->took, 10);
	}
	appendStringInfoString(out, "</text><title>");
	html_append(out, node->step->name);
	appendStringInfoString(out, " \xc2\xb7 ");
	html_append(out, graph_kind_name(node->step));
	if (node->state)
		appendStringInfo(out, " \xc2\xb7 %s, %d visits, %d attempts", node->state, node->visits,
						 node->attempts);
	appendStringInfoString(out, "</title></g>\n");
}

/* Raises when a graph is too large to be drawn. */
void
graph_check_size(const Graph *graph)
{
	if (graph->nnodes > GRAPH_MAX_DRAWN)
		ereport(ERROR,
				(errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
				 errmsg("a graph of more than %d steps is not drawn", GRAPH_MAX_DRAWN),
				 errhint("The format dot is for Graphviz, which draws larger ones.")));
}

/* Appends the graph as an SVG element. */
void
graph_append_svg(StringInfo out, const Graph *graph)
{
	double		half = 0;
	double		width;
	double		height = MARGIN + graph->nlayers * LAYER_HEIGHT - (LAYER_HEIGHT - NODE_HEIGHT);

	for (int i = 0; i < graph->nnodes; i++)
		half = Max(half, fabs(graph->nodes[i].order));
	width = half * 2 * COLUMN_WIDTH + NODE_WIDTH + 2 * MARGIN + COLUMN_WIDTH / 2.0;
	appendStringInfo(out, "<svg viewBox=\"0 0 %.0f %.0f\" width=\"%.0f\" height=\"%.0f\" role=\"img\""
					 " aria-label=\"graph of the playbook\">\n"
					 "<defs><marker id=\"arrow\" viewBox=\"0 0 8 8\" refX=\"7\" refY=\"4\""
					 " markerWidth=\"8\" markerHeight=\"8\" markerUnits=\"userSpaceOnUse\""
					 " orient=\"auto\">"
					 "<path class=\"tip\" d=\"M0 0L8 4L0 8z\"/></marker></defs>\n",
					 width, height, width, height);
	for (int i = 0; i < graph->nedges; i++)
		append_edge(out, graph, i, width / 2);
	for (int i = 0; i < graph->nnodes; i++)
		append_node(out, &graph->nodes[i], width / 2);
	if (graph->nnodes <= MAX_LABELLED)
		append_labels(out, graph, width / 2);
	appendStringInfoString(out, "</svg>\n");
}
