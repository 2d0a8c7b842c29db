/*
 * graph.c
 *		The graph that the database has drawn, with its steps where Graphviz wants them.
 *
 * The drawing says which tag is of which step, edge or label (api/graph_svg.c); a value
 * in it cannot look like a tag, because it is escaped.  Graphviz is told the numbers
 * of the steps and sizes, and its answer replaces the places.  All else, such as names,
 * states and colours, stays as the database has drawn it.
 */
#define _GNU_SOURCE
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "graph.h"
#include "layout.h"

#ifdef HAVE_GRAPHVIZ

/* Around the graph, in pixels */
#define MARGIN			20
/* Of a label: pixels of a character, and more */
#define CHARACTER		6
#define BESIDE			12

typedef enum Kind
{
	STEP,
	EDGE,
	LABEL,
	KINDS
} Kind;

/* How the line of a tag begins, and the first of the attributes that have its place. */
static const struct
{
	const char *begin;
	const char *place;
}			kinds[KINDS] = {
	{"\n<g class=\"node ", " transform=\""},
	{"\n<path class=\"edge", " d=\""},
	{"\n<text class=\"label\" data-edge=\"", " x=\""},
};

typedef struct Edge
{
	int			from;
	int			to;
	int			width;			/* of its label, 0: it has none */
} Edge;

/* What a drawing has. */
typedef struct Drawing
{
	int			nsteps;
	int			nedges;
	int			nlabels;
	int			width;			/* of a step */
	int			height;
	Edge		edges[LAYOUT_EDGES];
} Drawing;

/* Returns the number that an attribute of a tag has; -1: there is none. */
static int
number_of(const char *tag, const char *attribute)
{
	const char *end = strchr(tag, '>');
	const char *found = strstr(tag, attribute);

	return found && end && found < end ? atoi(found + strlen(attribute)) : -1;
}

/* Finds the next tag of a step, an edge or a label; returns its "<", NULL: there is none. */
static const char *
next_tag(const char *svg, Kind *kind)
{
	for (const char *p = strchr(svg, '\n'); p; p = strchr(p + 1, '\n'))
		for (int k = 0; k < KINDS; k++)
			if (strncmp(p, kinds[k].begin, strlen(kinds[k].begin)) == 0)
			{
				*kind = k;
				return p + 1;
			}
	return NULL;
}

/* Returns how wide the text of a tag is. */
static int
text_width(const char *tag)
{
	int			characters = 0;
	bool		inside = false;

	for (const char *p = strchr(tag, '>') + 1; *p && *p != '<'; p++)
	{
		/* an entity is a character, and so are the bytes of one in UTF-8 */
		if (!inside && (*p & 0xc0) != 0x80)
			characters++;
		inside = *p == '&' || (inside && *p != ';');
	}
	return characters * CHARACTER + BESIDE;
}

/* Takes note of a tag; returns false when it has what a drawing does not have. */
static bool
note_tag(Drawing *drawing, Kind kind, const char *tag)
{
	int			edge;

	switch (kind)
	{
		case STEP:
			if (drawing->nsteps == 0)
			{
				const char *box = strchr(tag, '>') + 1;

				drawing->width = number_of(box, " width=\"");
				drawing->height = number_of(box, " height=\"");
			}
			return drawing->nsteps < LAYOUT_STEPS &&
				number_of(tag, " data-step=\"") == drawing->nsteps++;
		case EDGE:
			if (drawing->nedges == LAYOUT_EDGES)
				return false;
			drawing->edges[drawing->nedges].from = number_of(tag, " data-from=\"");
			drawing->edges[drawing->nedges++].to = number_of(tag, " data-to=\"");
			return true;
		default:
			edge = number_of(tag, " data-edge=\"");
			if (edge < 0 || edge >= drawing->nedges)
				return false;
			drawing->edges[edge].width = text_width(tag);
			drawing->nlabels++;
			return true;
	}
}

/* Reads what a drawing has; returns false when it is none that can be laid out. */
static bool
read_drawing(const char *svg, Drawing *drawing)
{
	Kind		kind;

	memset(drawing, 0, sizeof(*drawing));
	for (const char *tag = svg; (tag = next_tag(tag, &kind)) != NULL;)
		if (strchr(tag, '>') == NULL || !note_tag(drawing, kind, tag))
			return false;
	return strstr(svg, " role=\"") && drawing->nsteps > 0 && drawing->width > 0 &&
		drawing->height > 0;
}

/* Returns Graphviz's answer about a drawing, to be freed, or NULL. */
static char *
ask(const Drawing *drawing)
{
	PQExpBufferData question;
	char	   *answer;

	initPQExpBuffer(&question);
	appendPQExpBuffer(&question, "%d %d %d %d %d\n", drawing->nsteps, drawing->nedges,
					  drawing->nlabels, drawing->width, drawing->height);
	for (int i = 0; i < drawing->nedges; i++)
		appendPQExpBuffer(&question, "%d %d %d\n", drawing->edges[i].from, drawing->edges[i].to,
						  drawing->edges[i].width);
	answer = PQExpBufferDataBroken(question) ? NULL : layout_ask(question.data);
	termPQExpBuffer(&question);
	return answer;
}

/*
 * Splits an answer into its lines; returns them, to be freed, or NULL when it does not
 * have as many as it must.
 */
static char **
split(char *answer, int count)
{
	char	  **lines = xcalloc(count, sizeof(char *));
	int			found = 0;

	while (found < count && answer && *answer)
		lines[found++] = strsep(&answer, "\n");
	if (found == count && answer && *answer == '\0')
		return lines;
	free(lines);
	return NULL;
}

/* Appends the values of the attributes of a tag that have its place. */
static void
append_place(PQExpBuffer out, Kind kind, const char *line)
{
	double		x = 0;
	double		y = 0;

	if (kind == EDGE)
	{
		appendPQExpBuffer(out, " d=\"%s\"", line);
		return;
	}
	sscanf(line, "%lf %lf", &x, &y);
	if (kind == STEP)
		appendPQExpBuffer(out, " transform=\"translate(%.1f %.1f)\"", x, y);
	else
		appendPQExpBuffer(out, " x=\"%.1f\" y=\"%.1f\"", x, y + 4);
}

/* Appends a drawing with other places: "lines" is the answer. */
static void
append_moved(PQExpBuffer out, const char *svg, const Drawing *drawing, char **lines)
{
	int			steps = 0;
	int			edges = 0;
	const char *done = strstr(svg, " role=\"");
	double		width = 0;
	double		height = 0;
	Kind		kind;

	sscanf(lines[0], "%lf %lf", &width, &height);
	width += 2 * MARGIN;
	height += 2 * MARGIN;
	appendPQExpBuffer(out, "<svg class=\"spread\" viewBox=\"%d %d %.0f %.0f\" width=\"%.0f\" height=\"%.0f\"",
					  -MARGIN, -MARGIN,
					  width, height, width, height);
	for (const char *tag = svg; (tag = next_tag(tag, &kind)) != NULL;)
	{
		const char *end = strchr(tag, '>');
		const char *place = strstr(tag, kinds[kind].place);
		int			line = kind == STEP ? 1 + steps++ :
			kind == EDGE ? 1 + drawing->nsteps + edges++ :
			1 + drawing->nsteps + drawing->nedges + number_of(tag, " data-edge=\"");

		if (place == NULL || place > end)
			continue;
		appendBinaryPQExpBuffer(out, done, place - done);
		append_place(out, kind, lines[line]);
		done = end;
	}
	appendPQExpBufferStr(out, done);
}

/* Appends a drawing in Graphviz's layout; returns false when there is none. */
static bool
append_laid_out(PQExpBuffer out, const char *svg)
{
	Drawing    *drawing = xcalloc(1, sizeof(Drawing));
	char	   *answer = read_drawing(svg, drawing) ? ask(drawing) : NULL;
	char	  **lines = answer ? split(answer, 1 + drawing->nsteps + 2 * drawing->nedges) : NULL;

	if (lines)
		append_moved(out, svg, drawing, lines);
	free(drawing);
	free(answer);
	free(lines);
	return lines != NULL;
}

#else

/* Without Graphviz there is no other layout. */
static bool
append_laid_out(PQExpBuffer out, const char *svg)
{
	return false;
}

#endif

/* Appends a graph (graph.h). */
void
graph_append(PQExpBuffer out, const char *svg)
{
	html(out, "<div class=\"graph\" tabindex=\"0\">");
	if (!append_laid_out(out, svg))
		appendPQExpBufferStr(out, svg);
	html(out, "</div>\n");
}
