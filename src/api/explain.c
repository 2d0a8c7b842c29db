/*
 * api/explain.c
 *		noetl.explain(): the graph of a playbook or of an execution as text, for
 *		Mermaid or Graphviz, or as JSON.
 */
#include "common/common.h"

#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "mb/pg_wchar.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/json.h"
#include "utils/timestamp.h"

#include "api/graph.h"
#include "api/unchecked.h"
#include "catalog/catalog.h"
#include "engine/engine.h"

PG_FUNCTION_INFO_V1(noetl_explain);
PG_FUNCTION_INFO_V1(noetl_explain_unchecked);

/* A state has the same colours in every format. */
typedef struct StateColour
{
	const char *state;
	const char *fill;
	const char *line;
} StateColour;

static const StateColour state_colours[] = {
	{"completed", "#d5f0dd", "#1f7a3d"},
	{"skipped", "#eeeeee", "#777777"},
	{"failed", "#fbd9d5", "#b3261e"},
	{"cancelled", "#eeeeee", "#777777"},
	{"abandoned", "#eeeeee", "#777777"},
	{"leased", "#d3e5fb", "#1a5fb4"},
	{"queued", "#e6ecf5", "#4a6a94"},
	{"retry", "#fdeec2", "#8a6100"},
	{"waiting", "#ece3fb", "#6a3fb0"},
	{"open", "#d3f0f2", "#0f6d75"},
	{"held", "#fbd9d5", "#b3261e"},
	{"awaiting", "#fde3f1", "#a0246a"},
	{"paused", "#fdeec2", "#8a6100"},
	{"blocked", "#fdeec2", "#8a6100"},
};

/* Returns whether a step has a state; of several, "leased, queued", the first counts. */
static bool
has_state(const GraphNode *node, const char *state)
{
	size_t		length = strlen(state);

	return node->state && strncmp(node->state, state, length) == 0 &&
		(node->state[length] == '\0' || node->state[length] == ',');
}

/* Returns the state of a step in words: "completed, 2 visits, 0.2 s"; or NULL. */
static char *
progress_text(const GraphNode *node)
{
	StringInfoData text;

	if (node->state == NULL)
		return NULL;
	initStringInfo(&text);
	appendStringInfoString(&text, node->state);
	if (node->visits > 1)
		appendStringInfo(&text, ", %d visits", node->visits);
	if (node->attempts > node->visits)
		appendStringInfo(&text, ", %d attempts", node->attempts);
	if (node->took)
		appendStringInfo(&text, ", %s", node->took);
	else if (node->started_at)
		appendStringInfo(&text, ", since %s", node->started_at);
	return text.data;
}

/* Appends text on one line, long text cut. */
static void
append_line(StringInfo out, const char *text, int width)
{
	int			length = pg_mbcliplen(text, strlen(text), width);

	for (int i = 0; i < length; i++)
		appendStringInfoChar(out, (unsigned char) text[i] < ' ' ? ' ' : text[i]);
	if (text[length] != '\0')
		appendStringInfoString(out, "...");
}

/* ---------------------------------------------------------------------------
 * text
 * ---------------------------------------------------------------------------
 */

/* Appends a step and its edges as lines. */
static void
append_text_step(StringInfo out, const Graph *graph, int index, int *edge)
{
	const GraphNode *node = &graph->nodes[index];
	char	   *progress = progress_text(node);

	append_line(out, node->step->name, 512);
	appendStringInfo(out, " (%s", graph_kind_name(node->step));
	if (index == graph->playbook->entry)
		appendStringInfoString(out, ", entry");
	if (node->step->cyclic)
		appendStringInfoString(out, ", in a cycle");
	appendStringInfoChar(out, ')');
	if (progress)
		appendStringInfo(out, " [%s]", progress);
	appendStringInfoChar(out, '\n');
	if (node->error)
	{
		appendStringInfoString(out, "    error: ");
		append_line(out, node->error, 300);
		appendStringInfoChar(out, '\n');
	}
	for (; *edge < graph->nedges && graph->edges[*edge].from == index; (*edge)++)
	{
		const char *label = graph_edge_label(&graph->edges[*edge]);

		appendStringInfoString(out, "    -> ");
		append_line(out, graph->nodes[graph->edges[*edge].to].step->name, 512);
		if (label)
		{
			appendStringInfoString(out, graph->edges[*edge].kind == GRAPH_EDGE_NEXT ?
								   "  when " : "  ");
			append_line(out, label, 200);
		}
		appendStringInfoChar(out, '\n');
	}
}

/* Appends the graph as text, in the order of the document. */
static void
append_text(StringInfo out, const Graph *graph)
{
	int			edge = 0;

	appendStringInfoString(out, "playbook ");
	append_line(out, graph->path, PLAYBOOK_MAX_PATH);
	appendStringInfo(out, ", version %d, %d steps\n", graph->version, graph->nnodes);
	if (graph->execution_id != 0)
		appendStringInfo(out, "execution " INT64_FORMAT ", %s\n", graph->execution_id,
						 graph->status);
	appendStringInfoChar(out, '\n');
	for (int i = 0; i < graph->nnodes; i++)
		append_text_step(out, graph, i, &edge);
}

/* ---------------------------------------------------------------------------
 * Mermaid
 * ---------------------------------------------------------------------------
 */

/* Appends a label with what Mermaid gives a meaning as entities. */
static void
append_mermaid(StringInfo out, const char *text)
{
	for (const unsigned char *p = (const unsigned char *) text; *p; p++)
		if (*p >= 0x80 || isalnum(*p) || strchr(" _-./,:", *p) != NULL)
			appendStringInfoChar(out, *p);
		else if (*p >= ' ')
			appendStringInfo(out, "#%d;", *p);
		else
			appendStringInfoChar(out, ' ');
}

/* Appends the graph as a Mermaid flowchart. */
static void
append_mermaid_graph(StringInfo out, const Graph *graph)
{
	appendStringInfoString(out, "flowchart TD\n");
	for (int i = 0; i < graph->nnodes; i++)
	{
		char	   *progress = progress_text(&graph->nodes[i]);

		appendStringInfo(out, "    n%d[\"", i);
		append_mermaid(out, graph->nodes[i].step->name);
		appendStringInfoString(out, "<br/>");
		append_mermaid(out, graph_kind_name(graph->nodes[i].step));
		if (progress)
		{
			appendStringInfoString(out, "<br/>");
			append_mermaid(out, progress);
		}
		appendStringInfoString(out, "\"]\n");
	}
	for (int i = 0; i < graph->nedges; i++)
	{
		const GraphEdge *edge = &graph->edges[i];
		const char *label = graph_edge_label(edge);

		appendStringInfo(out, "    n%d %s", edge->from,
						 edge->kind == GRAPH_EDGE_ERROR ? "-.->" : "-->");
		if (label)
		{
			appendStringInfoString(out, "|\"");
			append_mermaid(out, label);
			appendStringInfoString(out, "\"|");
		}
		appendStringInfo(out, " n%d\n", edge->to);
	}
	for (int c = 0; c < lengthof(state_colours); c++)
	{
		const char *separator = "    class ";

		for (int i = 0; i < graph->nnodes; i++)
			if (has_state(&graph->nodes[i], state_colours[c].state))
			{
				appendStringInfo(out, "%sn%d", separator, i);
				separator = ",";
			}
		if (separator[0] == ',')
			appendStringInfo(out, " %s\n    classDef %s fill:%s,stroke:%s,color:#111111\n",
							 state_colours[c].state, state_colours[c].state,
							 state_colours[c].fill, state_colours[c].line);
	}
}

/* ---------------------------------------------------------------------------
 * Graphviz
 * ---------------------------------------------------------------------------
 */

/* Appends text for a quoted string of Graphviz. */
static void
append_dot(StringInfo out, const char *text)
{
	for (; *text; text++)
	{
		if (*text == '"' || *text == '\\')
			appendStringInfoChar(out, '\\');
		appendStringInfoChar(out, (unsigned char) *text < ' ' ? ' ' : *text);
	}
}

/* Appends the graph in the language of Graphviz. */
static void
append_dot_graph(StringInfo out, const Graph *graph)
{
	appendStringInfoString(out, "digraph \"");
	append_dot(out, graph->path);
	appendStringInfoString(out, "\" {\n    node [shape=box, style=\"rounded,filled\", fillcolor=white];\n");
	for (int i = 0; i < graph->nnodes; i++)
	{
		const GraphNode *node = &graph->nodes[i];
		char	   *progress = progress_text(node);

		appendStringInfo(out, "    n%d [label=\"", i);
		append_dot(out, node->step->name);
		appendStringInfoString(out, "\\n");
		append_dot(out, graph_kind_name(node->step));
		if (progress)
		{
			appendStringInfoString(out, "\\n");
			append_dot(out, progress);
		}
		appendStringInfoChar(out, '"');
		for (int c = 0; c < lengthof(state_colours); c++)
			if (has_state(node, state_colours[c].state))
				appendStringInfo(out, ", fillcolor=\"%s\", color=\"%s\"",
								 state_colours[c].fill, state_colours[c].line);
		appendStringInfoString(out, "];\n");
	}
	for (int i = 0; i < graph->nedges; i++)
	{
		const GraphEdge *edge = &graph->edges[i];
		const char *label = graph_edge_label(edge);

		appendStringInfo(out, "    n%d -> n%d [label=\"", edge->from, edge->to);
		append_dot(out, label ? label : "");
		appendStringInfo(out, "\"%s];\n", edge->kind == GRAPH_EDGE_ERROR ? ", style=dashed" : "");
	}
	appendStringInfoString(out, "}\n");
}

/* ---------------------------------------------------------------------------
 * JSON
 * ---------------------------------------------------------------------------
 */

/* Appends a member whose value is text, or null. */
static void
append_member(StringInfo out, const char *key, const char *text)
{
	appendStringInfo(out, "\"%s\": ", key);
	if (text)
		escape_json(out, text);
	else
		appendStringInfoString(out, "null");
}

/* Appends a step as a JSON object. */
static void
append_json_step(StringInfo out, const Graph *graph, const GraphNode *node)
{
	appendStringInfoString(out, "{");
	append_member(out, "step", node->step->name);
	appendStringInfoString(out, ", ");
	append_member(out, "type", graph_kind_name(node->step));
	appendStringInfo(out, ", \"entry\": %s, \"layer\": %d, \"line\": %d",
					 node->step->index == graph->playbook->entry ? "true" : "false",
					 node->layer, node->step->line);
	if (graph->execution_id != 0)
	{
		appendStringInfoString(out, ", ");
		append_member(out, "state", node->state);
		appendStringInfo(out, ", \"visits\": %d, \"attempts\": %d, ", node->visits, node->attempts);
		append_member(out, "started_at", node->started_at);
		appendStringInfoString(out, ", ");
		append_member(out, "ended_at", node->ended_at);
		appendStringInfoString(out, ", ");
		append_member(out, "error", node->error);
	}
	appendStringInfoString(out, "}");
}

/* Appends the graph as a JSON object. */
static void
append_json_graph(StringInfo out, Graph *graph)
{
	graph_lay_out(graph);
	appendStringInfoString(out, "{");
	append_member(out, "path", graph->path);
	appendStringInfo(out, ", \"version\": %d", graph->version);
	if (graph->execution_id != 0)
	{
		/* as text: the number is larger than what JavaScript counts to */
		appendStringInfo(out, ", \"execution_id\": \"" INT64_FORMAT "\", ", graph->execution_id);
		append_member(out, "status", graph->status);
	}
	appendStringInfoString(out, ", \"steps\": [");
	for (int i = 0; i < graph->nnodes; i++)
	{
		appendStringInfoString(out, i == 0 ? "\n  " : ",\n  ");
		append_json_step(out, graph, &graph->nodes[i]);
	}
	appendStringInfoString(out, "\n], \"edges\": [");
	for (int i = 0; i < graph->nedges; i++)
	{
		const GraphEdge *edge = &graph->edges[i];
		static const char *const kinds[] = {"next", "else", "on_error"};

		appendStringInfoString(out, i == 0 ? "\n  {" : ",\n  {");
		append_member(out, "from", graph->nodes[edge->from].step->name);
		appendStringInfoString(out, ", ");
		append_member(out, "to", graph->nodes[edge->to].step->name);
		appendStringInfo(out, ", \"kind\": \"%s\", ", kinds[edge->kind]);
		append_member(out, "when", edge->when);
		appendStringInfo(out, ", \"back\": %s}", edge->back ? "true" : "false");
	}
	appendStringInfoString(out, "\n]}\n");
}

/* ---------------------------------------------------------------------------
 * SVG
 * ---------------------------------------------------------------------------
 */

/* Appends the graph as an SVG element, whose classes a style sheet colours. */
static void
append_svg_graph(StringInfo out, Graph *graph)
{
	graph_check_size(graph);
	graph_lay_out(graph);
	graph_append_svg(out, graph);
}

/* ---------------------------------------------------------------------------
 * The function
 * ---------------------------------------------------------------------------
 */

/* Returns whether a text is a number that an execution can have. */
static bool
parse_execution_id(const char *text, int64 *execution_id)
{
	char	   *end;

	errno = 0;
	*execution_id = strtoll(text, &end, 10);
	return text[0] >= '0' && text[0] <= '9' && *end == '\0' && errno == 0;
}

/* Sets *execution_id when text is a number that an execution has. */
static bool
find_execution(const char *text, int64 *execution_id, int64 *catalog_id, const char **status)
{
	bool		isnull;

	if (!parse_execution_id(text, execution_id))
		return false;
	graph_query("SELECT catalog_id, status FROM noetl.execution WHERE execution_id = $1",
				*execution_id);
	if (SPI_processed == 0)
		return false;
	*catalog_id = DatumGetInt64(SPI_getbinval(SPI_tuptable->vals[0], SPI_tuptable->tupdesc,
											  1, &isnull));
	*status = graph_value(0, 2);
	return true;
}

/*
 * noetl.explain(path_or_execution, format): raises unless the current role may act
 * for the execution, or start the playbook; returns what noetl.explain_unchecked()
 * says.
 */
Datum
noetl_explain(PG_FUNCTION_ARGS)
{
	char	   *name = text_to_cstring(PG_GETARG_TEXT_PP(0));
	int64		execution_id;
	int64		catalog_id;
	Oid			role;

	if (parse_execution_id(name, &execution_id) && store_started_by(execution_id, &role))
		engine_check_owner_of(execution_id);
	else if (catalog_find(name, 0, DT_NOEND, &catalog_id))
		catalog_check_execute(catalog_id, GetUserId());
	return call_unchecked(fcinfo);
}

/* noetl.explain_unchecked(path_or_execution, format) */
Datum
noetl_explain_unchecked(PG_FUNCTION_ARGS)
{
	char	   *name = text_to_cstring(PG_GETARG_TEXT_PP(0));
	char	   *format = text_to_cstring(PG_GETARG_TEXT_PP(1));
	StringInfoData out;
	Graph	   *graph;
	int64		execution_id;
	int64		catalog_id;
	const char *status = NULL;
	bool		is_execution;

	initStringInfo(&out);
	if (SPI_connect() != SPI_OK_CONNECT)
		elog(ERROR, "SPI_connect failed");
	is_execution = find_execution(name, &execution_id, &catalog_id, &status);
	if (!is_execution && !catalog_find(name, 0, DT_NOEND, &catalog_id))
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_OBJECT),
				 errmsg("there is neither a playbook nor an execution \"%s\"", name),
				 errhint("Give the path of a registered playbook or an execution_id.")));
	graph = graph_build(catalog_id);
	graph->status = status;
	if (is_execution)
		graph_load_progress(graph, execution_id);
	if (strcmp(format, "text") == 0)
		append_text(&out, graph);
	else if (strcmp(format, "mermaid") == 0)
		append_mermaid_graph(&out, graph);
	else if (strcmp(format, "dot") == 0)
		append_dot_graph(&out, graph);
	else if (strcmp(format, "json") == 0)
		append_json_graph(&out, graph);
	else if (strcmp(format, "svg") == 0)
		append_svg_graph(&out, graph);
	else
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("unknown format \"%s\"", format),
				 errhint("The formats are text, mermaid, dot, json and svg.")));
	if (SPI_finish() != SPI_OK_FINISH)
		elog(ERROR, "SPI_finish failed");
	PG_RETURN_TEXT_P(cstring_to_text_with_len(out.data, out.len));
}
