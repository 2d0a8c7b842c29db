/*
 * api/task.c
 *		noetl.task_action() and noetl.save_tasks(): parts of an action that the
 *		broker leaves unrendered, rendered for the worker that knows their names.
 */
#include "common/common.h"

#include "catalog/pg_type.h"
#include "miscadmin.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/tuplestore.h"

#include "api/names_scope.h"
#include "save/save.h"
#include "playbook/playbook.h"

PG_FUNCTION_INFO_V1(noetl_task_action);
PG_FUNCTION_INFO_V1(noetl_save_tasks);
PG_FUNCTION_INFO_V1(noetl_render_left);

/*
 * noetl.task_action(task jsonb, context jsonb, names jsonb, input jsonb): returns
 * the rendered action of a task.
 */
Datum
noetl_task_action(PG_FUNCTION_ARGS)
{
	NamesScope scope;
	JsonbValue	task;
	JsonbValue	names;
	JsonbValue	input;
	JsonbValue	action;
	SourceError error;

	names_scope_init(&scope, PG_GETARG_JSONB_P(1), PG_GETARG_JSONB_P(2), false);
	scope.template.quotes = true;
	json_from_jsonb(PG_GETARG_JSONB_P(0), &task);
	json_from_jsonb(PG_GETARG_JSONB_P(2), &names);
	json_from_jsonb(PG_GETARG_JSONB_P(3), &input);
	if (!json_is_object(&task))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("a task must be a JSON object")));
	if (!task_action(&task, &scope.template, &names, &input, &action, &error))
		template_raise(&error);
	PG_RETURN_JSONB_P(json_to_jsonb(&action));
}

/* Puts one task of a save into the result set (index, type, action, data, summary). */
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

/*
 * noetl.save_tasks(save jsonb, context jsonb, names jsonb): returns the tasks that a
 * save consists of.
 */
Datum
noetl_save_tasks(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *result;
	NamesScope scope;
	JsonbValue	save;
	List	   *tasks;
	ListCell   *lc;
	SourceError error;
	int			index = 0;

	if (PG_ARGISNULL(0) || PG_ARGISNULL(1))
		ereport(ERROR,
				(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
				 errmsg("a save and its context must not be null")));
	if (!PG_ARGISNULL(2))
		names_scope_init(&scope, PG_GETARG_JSONB_P(1), PG_GETARG_JSONB_P(2), true);
	scope.template.quotes = true;
	json_from_jsonb(PG_GETARG_JSONB_P(0), &save);
	if (!save_tasks(&save, PG_ARGISNULL(2) ? NULL : &scope.template, &tasks, &error))
		template_raise(&error);
	result = rows_begin(fcinfo);
	foreach(lc, tasks)
		put_task(result, index++, (SaveTask *) lfirst(lc));
	return (Datum) 0;
}

/* Returns a place, a list of keys and indexes, as text[]. */
static Datum
place_path(const JsonbValue *place)
{
	JsonbIterator *it = json_walk(place);
	ArrayBuildState *path = initArrayResult(TEXTOID, CurrentMemoryContext, false);
	JsonbValue	step;

	while (json_next_element(&it, &step))
		path = accumArrayResult(path, step.type == jbvString ?
								PointerGetDatum(cstring_to_text_with_len(step.val.string.val,
																		 step.val.string.len)) :
								CStringGetTextDatum(""), false, TEXTOID, CurrentMemoryContext);
	return makeArrayResult(path, CurrentMemoryContext);
}

/*
 * Renders the strings at the places that a member of the context lists, in a
 * document; raises the error of a template.
 */
static Jsonb *
render_places(Jsonb *document, Jsonb *context, const char *member, Jsonb *names)
{
	NamesScope	scope;
	JsonbValue	root;
	JsonbValue	places;
	JsonbValue	place;
	JsonbIterator *it;
	bool		of_context = document == context;

	json_from_jsonb(context, &root);
	if (!json_get(&root, member, &places) || !json_is_array(&places))
		return document;
	it = json_walk(&places);
	while (json_next_element(&it, &place))
	{
		Datum		path = json_is_array(&place) ? place_path(&place) : (Datum) 0;
		Datum		found;
		JsonbValue	value;
		SourceError error;
		LOCAL_FCINFO(call, 2);

		CHECK_FOR_INTERRUPTS();
		if (path == (Datum) 0)
			continue;
		InitFunctionCallInfoData(*call, NULL, 2, InvalidOid, NULL, NULL);
		call->args[0].value = JsonbPGetDatum(document);
		call->args[0].isnull = false;
		call->args[1].value = path;
		call->args[1].isnull = false;
		found = jsonb_extract_path(call);
		if (call->isnull)
			continue;
		json_from_jsonb(DatumGetJsonbP(found), &value);
		/* what is rendered in a context is seen by what is rendered after it */
		names_scope_init(&scope, of_context ? document : context, names, false);
		scope.strict = true;
		scope.template.quotes = true;
		memset(&error, 0, sizeof(error));
		if (!template_render_value(&value, &scope.template, &value, &error))
			template_raise(&error);
		document = DatumGetJsonbP(DirectFunctionCall4(jsonb_set, JsonbPGetDatum(document), path,
													  JsonbPGetDatum(json_to_jsonb(&value)),
													  BoolGetDatum(false)));
	}
	return document;
}

/*
 * Returns a context with names added that it does not have; what else its templates
 * render sees them, and "_strict" lists them.
 */
static Jsonb *
add_names(Jsonb *context, Jsonb *names)
{
	JsonBuilder object;
	JsonBuilder list;
	JsonbIterator *it;
	JsonbValue	root;
	JsonbValue	key;
	JsonbValue	value;
	JsonbValue	known;

	json_begin_object(&object);
	json_begin_array(&list);
	json_from_jsonb(names, &root);
	it = json_walk(&root);
	json_from_jsonb(context, &root);
	while (json_next_member(&it, &key, &value))
	{
		if (json_get_n(&root, key.val.string.val, key.val.string.len, &known))
			continue;
		json_add_n(&object, key.val.string.val, key.val.string.len, &value);
		json_push(&list, &key);
	}
	json_end_array(&list, &value);
	json_add(&object, "_strict", &value);
	json_end_object(&object, &value);
	return DatumGetJsonbP(DirectFunctionCall2(jsonb_concat, JsonbPGetDatum(context),
											  JsonbPGetDatum(json_to_jsonb(&value))));
}

/*
 * noetl.render_left(action jsonb, context jsonb, names jsonb): returns the action
 * and the context with what only the worker can render, rendered.
 */
Datum
noetl_render_left(PG_FUNCTION_ARGS)
{
	Jsonb	   *action = PG_GETARG_JSONB_P(0);
	Jsonb	   *context = PG_GETARG_JSONB_P(1);
	Jsonb	   *names = PG_GETARG_JSONB_P(2);
	ReturnSetInfo *result;
	Datum		values[2];
	bool		nulls[2] = {false, false};

	if (!JB_ROOT_IS_OBJECT(context) || !JB_ROOT_IS_OBJECT(names))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("a context and names must be JSON objects")));
	context = render_places(context, context, "_left_context", names);
	context = add_names(context, names);
	action = render_places(action, context, "_left_action", names);
	result = rows_begin(fcinfo);
	values[0] = JsonbPGetDatum(action);
	values[1] = JsonbPGetDatum(context);
	tuplestore_putvalues(result->setResult, result->setDesc, values, nulls);
	return (Datum) 0;
}
