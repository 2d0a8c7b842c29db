/*
 * api/workflow.c
 *		What the views workflow, workbook and transition show of a playbook:
 *		noetl.playbook_steps(), playbook_tasks() and playbook_transitions().
 *
 * The answers come from the compiled playbook.  The views pass the digest of the
 * catalog row, which they read with their owner's rights: a caller that does not
 * know the digest gets no rows, so anybody may be allowed to call the functions.
 */
#include "common/common.h"

#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/memutils.h"
#include "utils/tuplestore.h"

#include "catalog/catalog.h"

PG_FUNCTION_INFO_V1(noetl_playbook_steps);
PG_FUNCTION_INFO_V1(noetl_playbook_tasks);
PG_FUNCTION_INFO_V1(noetl_playbook_transitions);

/*
 * Returns the compiled playbook that the arguments (catalog_id, digest) name, and
 * its parsed document, if payload is not NULL.  Returns NULL when there is none, and when this
 * version cannot compile it.
 */
static const Playbook *
playbook_argument(FunctionCallInfo fcinfo, JsonbValue *payload)
{
	int64		catalog_id = PG_GETARG_INT64(0);
	Jsonb	   *document = catalog_read_payload(catalog_id, PG_GETARG_BYTEA_PP(1));

	if (document == NULL)
		return NULL;
	json_from_jsonb(document, payload);
	return playbook_try(catalog_id);
}

/* Reads the member of a document that is there under one of two names. */
static bool
read_part(const JsonbValue *payload, const char *key, const char *other, JsonbValue *part)
{
	return (json_get(payload, key, part) && part->type != jbvNull) ||
		json_get(payload, other, part);
}

/* Sets a text column; a NULL string is NULL. */
static void
set_text(Datum *value, bool *isnull, const char *text)
{
	*isnull = text == NULL;
	*value = text == NULL ? (Datum) 0 : CStringGetTextDatum(text);
}

/* noetl.playbook_steps(catalog_id, digest): the steps, in document order. */
Datum
noetl_playbook_steps(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *result = rows_begin(fcinfo);
	JsonbValue	payload;
	JsonbValue	steps;
	const Playbook *playbook = playbook_argument(fcinfo, &payload);

	if (playbook == NULL || !read_part(&payload, "workflow", "steps", &steps))
		return (Datum) 0;
	for (int i = 0; i < playbook->nwritten; i++)
	{
		const Step *step = &playbook->steps[i];
		Datum		values[4];
		bool		nulls[4] = {false};

		CHECK_FOR_INTERRUPTS();
		set_text(&values[0], &nulls[0], step->name);
		set_text(&values[1], &nulls[1], step->written_type);
		set_text(&values[2], &nulls[2], step->description);
		values[3] = JsonbPGetDatum(json_to_jsonb(
			getIthJsonbValueFromContainer(steps.val.binary.data, i)));
		tuplestore_putvalues(result->setResult, result->setDesc, values, nulls);
	}
	return (Datum) 0;
}

/* Reads a task of the workbook, by its number or (in a map) by its name. */
static void
read_task(const JsonbValue *tasks, int number, const char *name, JsonbValue *task)
{
	if (json_is_array(tasks))
		*task = *getIthJsonbValueFromContainer(tasks->val.binary.data, number);
	else
		(void) json_get(tasks, name, task);
}

/* noetl.playbook_tasks(catalog_id, digest): the workbook's tasks, in document order. */
Datum
noetl_playbook_tasks(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *result = rows_begin(fcinfo);
	JsonbValue	payload;
	JsonbValue	tasks;
	const Playbook *playbook = playbook_argument(fcinfo, &payload);

	if (playbook == NULL || !read_part(&payload, "workbook", "tasks", &tasks))
		return (Datum) 0;
	for (int i = 0; i < playbook->ntasks; i++)
	{
		const TaskOutline *task = &playbook->tasks[i];
		JsonbValue	written;
		Datum		values[3];
		bool		nulls[3] = {false};

		CHECK_FOR_INTERRUPTS();
		set_text(&values[0], &nulls[0], task->name);
		set_text(&values[1], &nulls[1], task->type);
		read_task(&tasks, i, task->name, &written);
		values[2] = JsonbPGetDatum(json_to_jsonb(&written));
		tuplestore_putvalues(result->setResult, result->setDesc, values, nulls);
	}
	return (Datum) 0;
}

/* ---------------------------------------------------------------------------
 * Transitions
 * ---------------------------------------------------------------------------
 */

/* Returns a compiled document as it was written. */
static void
written_value(const TemplateDoc *doc, JsonbValue *value)
{
	JsonBuilder builder;

	check_stack_depth();
	if (doc->kind != DOC_ARRAY && doc->kind != DOC_OBJECT)
	{
		*value = doc->value;
		return;
	}
	if (doc->kind == DOC_ARRAY)
		json_begin_array(&builder);
	else
		json_begin_object(&builder);
	for (int i = 0; i < doc->count; i++)
	{
		JsonbValue	child;

		CHECK_FOR_INTERRUPTS();
		written_value(doc->children[i], &child);
		if (doc->kind == DOC_ARRAY)
			json_push(&builder, &child);
		else
			json_add_n(&builder, doc->keys[i].val.string.val, doc->keys[i].val.string.len,
					   &child);
	}
	if (doc->kind == DOC_ARRAY)
		json_end_array(&builder, value);
	else
		json_end_object(&builder, value);
}

/*
 * Returns the input of a transition as it was written, or NULL when there is none.
 * A layer that is no object is the member "input", as for the broker.
 */
static Jsonb *
written_input(const InputLayers *input)
{
	JsonBuilder empty;
	JsonbValue	merged;

	json_begin_object(&empty);
	json_end_object(&empty, &merged);
	for (int i = 0; i < input->count; i++)
	{
		JsonBuilder builder;
		JsonbValue	layer;

		written_value(input->layers[i], &layer);
		if (!json_is_object(&layer))
		{
			json_begin_object(&builder);
			json_add(&builder, "input", &layer);
			json_end_object(&builder, &layer);
		}
		json_merge(&merged, &layer, false, &merged);
	}
	return JsonContainerSize(merged.val.binary.data) == 0 ? NULL : json_to_jsonb(&merged);
}

/* Puts the transitions from a step to some targets into the result set. */
static void
put_transitions(ReturnSetInfo *result, const Playbook *playbook, const Step *from,
				int ntargets, const Target *targets, const char *condition)
{
	MemoryContext memory = AllocSetContextCreate(CurrentMemoryContext, "noetl transition",
												 ALLOCSET_SMALL_SIZES);

	for (int i = 0; i < ntargets; i++)
	{
		MemoryContext old = MemoryContextSwitchTo(memory);
		Jsonb	   *input = written_input(&targets[i].input);
		Datum		values[4];
		bool		nulls[4] = {false};

		CHECK_FOR_INTERRUPTS();
		set_text(&values[0], &nulls[0], from->name);
		set_text(&values[1], &nulls[1], playbook->steps[targets[i].step].name);
		set_text(&values[2], &nulls[2], condition);
		nulls[3] = input == NULL;
		values[3] = JsonbPGetDatum(input);
		tuplestore_putvalues(result->setResult, result->setDesc, values, nulls);
		MemoryContextSwitchTo(old);
		MemoryContextReset(memory);
	}
	MemoryContextDelete(memory);
}

/*
 * noetl.playbook_transitions(catalog_id, digest): the targets of every "next"
 * entry, in document order.
 */
Datum
noetl_playbook_transitions(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *result = rows_begin(fcinfo);
	JsonbValue	payload;
	const Playbook *playbook = playbook_argument(fcinfo, &payload);

	for (int i = 0; playbook != NULL && i < playbook->nwritten; i++)
	{
		const Step *step = &playbook->steps[i];

		for (int j = 0; j < step->next.count; j++)
		{
			const Transition *entry = &step->next.entries[j];
			const char *condition = entry->when == NULL ? NULL : entry->when->source;

			put_transitions(result, playbook, step, entry->ntargets, entry->targets,
							entry->is_else ? "else" : condition);
			if (entry->nelse > 0)
				put_transitions(result, playbook, step, entry->nelse, entry->else_targets,
								psprintf("else of %s", condition));
		}
	}
	return (Datum) 0;
}
