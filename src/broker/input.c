/*
 * broker/input.c
 *		The input of an action, put together from its layers.
 */
#include "common/common.h"

#include "broker/broker.h"
#include "broker/input.h"

/*
 * Lays one rendered layer on the object under construction; a value that is no
 * map becomes its member "input".
 */
static void
add_layer(JsonBuilder *builder, const JsonbValue *layer)
{
	if (json_is_object(layer))
		json_add_members(builder, layer);
	else if (layer->type != jbvNull)
		json_add(builder, "input", layer);
}

/*
 * Renders the layers and lays them over each other, the last on top.  False
 * and *error when a template raises.
 */
bool
input_render(const InputLayers *layers, Scope *scope, JsonbValue *result,
			 SourceError *error)
{
	JsonBuilder builder;

	json_begin_object(&builder);
	for (int i = 0; i < layers->count; i++)
	{
		JsonbValue	layer;

		if (!template_doc_render(layers->layers[i], &scope->template, &layer, error))
			return false;
		add_layer(&builder, &layer);
	}
	json_end_object(&builder, result);
	return true;
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
