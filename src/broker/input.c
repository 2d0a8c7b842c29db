/*
 * broker/input.c
 *		The input of an action, put together from its layers.
 */
#include "common/common.h"

#include "broker/broker.h"
#include "broker/input.h"

/*
 * Lays the members of an input over a rendered layer; a layer that is no map is
 * the member "input".
 */
static void
lay_under(const JsonbValue *layer, JsonbValue *input)
{
	JsonBuilder builder;
	JsonbValue	map = *layer;

	if (layer->type == jbvNull)
		return;
	if (!json_is_object(layer))
	{
		json_begin_object(&builder);
		json_add(&builder, "input", layer);
		json_end_object(&builder, &map);
	}
	if (JsonContainerSize(input->val.binary.data) == 0)
		*input = map;
	else
		input_overlay(&map, input, input);
}

/*
 * Renders the layers and lays them over each other, the last on top, and "above"
 * (or NULL) over all.  The strings of a layer see the members of what is above it
 * as names.  values (or NULL) gets each layer as rendered.  False and *error when
 * a template raises.
 */
bool
input_render(const InputLayers *layers, Scope *scope, const JsonbValue *above,
			 JsonbValue *values, JsonbValue *result, SourceError *error)
{
	const JsonbValue *members = scope->members;
	JsonBuilder empty;
	JsonbValue	input;
	bool		rendered = true;

	if (above != NULL)
		input = *above;
	else
	{
		json_begin_object(&empty);
		json_end_object(&empty, &input);
	}
	for (int i = layers->count - 1; rendered && i >= 0; i--)
	{
		JsonbValue	layer;

		scope->members = &input;
		rendered = template_doc_render(layers->layers[i], &scope->template, &layer, error);
		if (!rendered)
			break;
		if (values != NULL)
			values[i] = layer;
		lay_under(&layer, &input);
	}
	scope->members = members;
	*result = input;
	return rendered;
}

/*
 * Compares two arrivals: the order of the playbook, not of time, decides which
 * branch wins.
 */
static int
compare_arrivals(const ListCell *a, const ListCell *b)
{
	const Arrival *left = (const Arrival *) lfirst(a);
	const Arrival *right = (const Arrival *) lfirst(b);

	if (left->from != right->from)
		return left->from < right->from ? -1 : 1;
	if (left->visit != right->visit)
		return left->visit < right->visit ? -1 : 1;
	return left->event_id < right->event_id ? -1 :
		left->event_id > right->event_id;
}

/*
 * Lays the transition-level inputs of arrivals over each other, in document
 * order.
 */
void
input_of_arrivals(const List *arrivals, JsonbValue *result)
{
	JsonBuilder builder;
	List	   *sorted = list_copy(arrivals);
	ListCell   *lc;

	list_sort(sorted, compare_arrivals);
	json_begin_object(&builder);
	foreach(lc, sorted)
	{
		Arrival    *arrival = (Arrival *) lfirst(lc);

		if (arrival->has_data)
			json_add_members(&builder, &arrival->data);
	}
	json_end_object(&builder, result);
}

/* Lays one input over another, member by member. */
void
input_overlay(const JsonbValue *below, const JsonbValue *above,
			  JsonbValue *result)
{
	json_merge(below, above, false, result);
}
