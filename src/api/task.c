/*
 * api/task.c
 *		noetl.task_action() and noetl.save_tasks(): parts of an action that the
 *		broker leaves unrendered, rendered for the worker that knows their names.
 */
#include "common/common.h"

#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/tuplestore.h"

#include "api/names_scope.h"
#include "save/save.h"
#include "playbook/playbook.h"

PG_FUNCTION_INFO_V1(noetl_task_action);
PG_FUNCTION_INFO_V1(noetl_save_tasks);

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
	json_from_jsonb(PG_GETARG_JSONB_P(0), &save);
	if (!save_tasks(&save, PG_ARGISNULL(2) ? NULL : &scope.template, &tasks, &error))
		template_raise(&error);
	result = rows_begin(fcinfo);
	foreach(lc, tasks)
		put_task(result, index++, (SaveTask *) lfirst(lc));
	return (Datum) 0;
}
