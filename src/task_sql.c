/*
 * task_sql.c
 *		What the broker leaves raw in an action, rendered for the worker that
 *		has the names: noetl.task_action(), noetl.save_tasks().
 */
#include "noetl.h"

#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/tuplestore.h"

#include "json.h"
#include "rows.h"
#include "save.h"
#include "task_action.h"

PG_FUNCTION_INFO_V1(noetl_task_action);
PG_FUNCTION_INFO_V1(noetl_save_tasks);

/* Names that lie over those of a context, without being copied into it. */
typedef struct LayeredScope
{
	TemplateScope template;
	TemplateScope above;
	TemplateScope below;
	const Jsonb *names;			/* what "above" is made of */
	bool		has_result;		/* result and this are values of a step */
} LayeredScope;

/* Is it the name of what the action has just given? */
static bool
is_result(const LayeredScope *scope, const char *name, int length)
{
	return scope->has_result &&
		((length == strlen("result") && memcmp(name, "result", length) == 0) ||
		 (length == strlen("this") && memcmp(name, "this", length) == 0));
}

/* The upper layer first. */
static TemplateBinding
layered_lookup(void *arg, const char *name, int length, JsonbValue *value)
{
	LayeredScope *scope = (LayeredScope *) arg;
	TemplateBinding binding;

	binding = scope->above.lookup(scope->above.arg, name, length, value);
	if (binding == TEMPLATE_UNKNOWN)
		return scope->below.lookup(scope->below.arg, name, length, value);
	return is_result(scope, name, length) ? TEMPLATE_STEP_VALUE : binding;
}

/* The envelope of what a name stands for; that of the result is "this". */
static TemplateBinding
layered_envelope(void *arg, const char *name, int length, JsonbValue *value)
{
	LayeredScope *scope = (LayeredScope *) arg;
	JsonbValue	names;
	JsonbValue	member;

	json_from_jsonb(scope->names, &names);
	if (is_result(scope, name, length))
		return json_get(&names, "this", value) ? TEMPLATE_VALUE : TEMPLATE_UNDEFINED;
	if (json_get_n(&names, name, length, &member))
		return TEMPLATE_UNDEFINED;
	return scope->below.envelope(scope->below.arg, name, length, value);
}

/* A scope over two objects. */
static void
layered_scope(LayeredScope *scope, Jsonb *context, Jsonb *names, bool has_result)
{
	scope->below = template_context_scope(context);
	scope->above = template_object_scope(names);
	scope->names = names;
	scope->has_result = has_result;
	scope->template = scope->below;
	scope->template.lookup = layered_lookup;
	scope->template.envelope = layered_envelope;
	scope->template.arg = scope;
}

/* noetl.task_action(task jsonb, context jsonb, names jsonb, input jsonb) */
Datum
noetl_task_action(PG_FUNCTION_ARGS)
{
	LayeredScope scope;
	JsonbValue	task;
	JsonbValue	input;
	JsonbValue	action;
	SourceError error;

	layered_scope(&scope, PG_GETARG_JSONB_P(1), PG_GETARG_JSONB_P(2), false);
	json_from_jsonb(PG_GETARG_JSONB_P(0), &task);
	json_from_jsonb(PG_GETARG_JSONB_P(3), &input);
	if (!json_is_object(&task))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("a task must be a JSON object")));
	if (!task_action(&task, &scope.template, &input, &action, &error))
		template_raise(&error);
	PG_RETURN_JSONB_P(json_to_jsonb(&action));
}

/* One row (index, type, action, data, summary) for a save. */
static void
put_task(ReturnSetInfo *result, int index, const SaveTask *task)
{
	JsonBuilder builder;
	JsonbValue	summary;
	Datum		values[5];
	bool		nulls[5] = {false};

	json_begin_object(&builder);
	json_add_text(&builder, "storage", task->type);
	if (task->table != NULL)
		json_add_text(&builder, "table", task->table);
	if (task->table != NULL)
		json_add_int(&builder, "rows", task->rows);
	json_end_object(&builder, &summary);
	values[0] = Int32GetDatum(index);
	values[1] = CStringGetTextDatum(task->type);
	values[2] = JsonbPGetDatum(json_to_jsonb(&task->action));
	values[3] = JsonbPGetDatum(json_to_jsonb(&task->data));
	values[4] = JsonbPGetDatum(json_to_jsonb(&summary));
	tuplestore_putvalues(result->setResult, result->setDesc, values, nulls);
}

/* noetl.save_tasks(save jsonb, context jsonb, names jsonb) */
Datum
noetl_save_tasks(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *result;
	LayeredScope scope;
	JsonbValue	save;
	List	   *tasks;
	ListCell   *lc;
	SourceError error;
	int			index = 0;

	layered_scope(&scope, PG_GETARG_JSONB_P(1), PG_GETARG_JSONB_P(2), true);
	json_from_jsonb(PG_GETARG_JSONB_P(0), &save);
	if (!save_tasks(&save, &scope.template, &tasks, &error))
		template_raise(&error);
	result = rows_begin(fcinfo);
	foreach(lc, tasks)
		put_task(result, index++, (SaveTask *) lfirst(lc));
	return (Datum) 0;
}
