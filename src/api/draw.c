/*
 * api/draw.c
 *		noetl.draw(): the graph of a text that need not be registered, with states of
 *		its steps that the caller gives.
 */
#include "common/common.h"

#include "utils/builtins.h"
#include "utils/jsonb.h"

#include "api/graph.h"
#include "catalog/catalog.h"

PG_FUNCTION_INFO_V1(noetl_draw);

/* Returns whether a list of texts has a name. */
static bool
list_has(const JsonbValue *list, const char *name)
{
	int			length = strlen(name);

	if (!json_is_array(list))
		return false;
	for (uint32 i = 0; i < JsonContainerSize(list->val.binary.data); i++)
	{
		JsonbValue *element = getIthJsonbValueFromContainer(list->val.binary.data, i);

		if (element->type == jbvString && element->val.string.len == length &&
			memcmp(element->val.string.val, name, length) == 0)
			return true;
	}
	return false;
}

/* Marks the edges to the steps that a list names as those that were taken. */
static void
mark_taken(Graph *graph, int from, const JsonbValue *targets)
{
	for (int i = 0; i < graph->nedges; i++)
		if (graph->edges[i].from == from &&
			list_has(targets, graph->nodes[graph->edges[i].to].step->name))
			graph->edges[i].taken = true;
}

/* Returns a copy of a state; raises unless it is a word, which can name a class. */
static char *
copy_state(const JsonbValue *given)
{
	char	   *state = pnstrdup(given->val.string.val, given->val.string.len);

	if (state[0] == '\0' || state[strspn(state, "abcdefghijklmnopqrstuvwxyz")] != '\0')
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("\"%s\" is no state of a step", state),
				 errhint("A state is a word of small letters, such as completed or failed.")));
	return state;
}

/* Gives a step the state that the caller has for it: {"state", "visits", "to"}. */
static void
set_state(Graph *graph, int index, const JsonbValue *given)
{
	GraphNode  *node = &graph->nodes[index];
	JsonbValue	value;

	if (json_get(given, "state", &value) && value.type == jbvString)
		node->state = copy_state(&value);
	node->visits = node->attempts = node->state != NULL ? 1 : 0;
	if (json_get(given, "visits", &value) && value.type == jbvNumeric)
		node->visits = DatumGetInt32(DirectFunctionCall1(numeric_int4,
														 NumericGetDatum(value.val.numeric)));
	node->attempts = Max(node->attempts, node->visits);
	if (json_get(given, "to", &value))
		mark_taken(graph, index, &value);
}

/* Gives the steps their states; returns whether any has one. */
static bool
set_states(Graph *graph, const JsonbValue *states)
{
	bool		any = false;

	for (int i = 0; i < graph->nnodes && json_is_object(states); i++)
	{
		JsonbValue	given;

		if (!json_get(states, graph->nodes[i].step->name, &given) || !json_is_object(&given))
			continue;
		set_state(graph, i, &given);
		any = any || graph->nodes[i].state != NULL;
	}
	return any;
}

/* The entry leaves no event where it has nothing to do: it leads to what has a state. */
static void
set_entry(Graph *graph)
{
	int			entry = graph->playbook->entry;
	GraphNode  *node = &graph->nodes[entry];

	if (node->state != NULL)
		return;
	node->state = "completed";
	node->visits = node->attempts = 1;
	for (int i = 0; i < graph->nedges; i++)
		if (graph->edges[i].from == entry && graph->nodes[graph->edges[i].to].state != NULL)
			graph->edges[i].taken = true;
}

/*
 * noetl.draw(content, states): returns the graph as an SVG element.  Raises the error of
 * noetl.register() for an invalid playbook; names of states that no step has are
 * ignored.
 */
Datum
noetl_draw(PG_FUNCTION_ARGS)
{
	Document	document;
	Playbook   *playbook = catalog_compile_document(PG_GETARG_TEXT_PP(0), false, &document);
	JsonbValue	states;
	StringInfoData out;
	Graph	   *graph;

	if (playbook == NULL)
		catalog_report_issues(&document, document.path);
	json_from_jsonb(PG_GETARG_JSONB_P(1), &states);
	graph = graph_of(playbook);
	graph_check_size(graph);
	if (set_states(graph, &states))
		set_entry(graph);
	graph_lay_out(graph);
	initStringInfo(&out);
	graph_append_svg(&out, graph);
	PG_RETURN_TEXT_P(cstring_to_text_with_len(out.data, out.len));
}
