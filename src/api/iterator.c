/*
 * api/iterator.c
 *		noetl.iterator_items(), noetl.items_done(): the items of an iterator, and
 *		which of them have ended, for a worker that goes through them itself.
 */
#include "common/common.h"

#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/memutils.h"
#include "utils/tuplestore.h"

#include "broker/broker.h"
#include "engine/engine.h"
#include "store/store.h"
#include "value/value.h"

PG_FUNCTION_INFO_V1(noetl_iterator_items);
PG_FUNCTION_INFO_V1(noetl_items_done);

/* Raises because the arguments are not the action of an iterator. */
static void
refuse_action(const char *message)
{
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 errmsg("%s", message),
			 errhint("Pass the action and the context of a queue row of type iterator.")));
}

/* Compiles the condition "where" of an action; NULL: there is none. */
static const Condition *
read_where(const JsonbValue *action)
{
	JsonbValue	where;
	Condition  *condition;
	SourceError error;

	if (!json_get(action, "where", &where) || where.type == jbvNull)
		return NULL;
	condition = palloc0(sizeof(Condition));
	if (where.type != jbvString)
		condition->constant = value_json_truth(&where);
	else
	{
		condition->template = template_compile(where.val.string.val, where.val.string.len,
											   TEMPLATE_CONDITION, &error);
		if (condition->template == NULL)
			template_raise(&error);
	}
	return condition;
}

/* Compiles the "order_by" of an action; NULL: there is none. */
static const IteratorOrder *
read_order(const JsonbValue *action)
{
	JsonbValue	order_by;
	IteratorOrder *order;
	SourceError error;

	if (!json_get(action, "order_by", &order_by) || order_by.type == jbvNull)
		return NULL;
	if (order_by.type != jbvString)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("order_by must be text"),
				 errhint("Write an expression: order_by: \"{{ item.age }}\".")));
	order = palloc(sizeof(IteratorOrder));
	if (!iterator_compile_order(order_by.val.string.val, order_by.val.string.len,
								order, &error))
		template_raise(&error);
	return order;
}

/* Reads limit or chunk, which is at least "minimum"; "otherwise" when it is missing. */
static int
read_count(const JsonbValue *action, const char *key, int minimum, int otherwise)
{
	JsonbValue	value;
	SourceError error;
	int			count;

	if (!json_get(action, key, &value))
		return otherwise;
	if (!iterator_count(&value, key, minimum, otherwise, &count, &error))
		template_raise(&error);
	return count;
}

/* Reads the query of an action; raises when it is not the action of an iterator. */
static void
read_query(const JsonbValue *action, JsonbValue *collection, IteratorQuery *query)
{
	memset(query, 0, sizeof(IteratorQuery));
	if (!json_is_object(action))
		refuse_action("the action of an iterator must be a JSON object");
	query->element = json_get_text(action, "element");
	if (query->element == NULL)
		refuse_action("the iterator does not say how its items are called");
	if (!json_get(action, "collection", collection))
		refuse_action("the iterator has no collection");
	query->collection = collection;
	query->where = read_where(action);
	query->order_by = read_order(action);
	query->limit = read_count(action, "limit", 0, -1);
	query->chunk = read_count(action, "chunk", 1, 0);
}

/* Puts items into the result set (index, item, names). */
static void
put_items(ReturnSetInfo *result, const IteratorQuery *query, const IteratorItems *items,
		  const JsonbValue *parent)
{
	MemoryContext scratch = AllocSetContextCreate(CurrentMemoryContext, "row of an item",
												  ALLOCSET_DEFAULT_SIZES);
	ItemScope	scope;

	memset(&scope, 0, sizeof(scope));
	scope.element = query->element;
	scope.step = query->step;
	scope.count = items->count;
	scope.chunked = query->chunk > 0;
	scope.parent = parent;
	for (int i = 0; i < items->count; i++)
	{
		MemoryContext old = MemoryContextSwitchTo(scratch);
		JsonbValue	names;
		Datum		values[3];
		bool		nulls[3] = {false};

		CHECK_FOR_INTERRUPTS();
		scope.index = i;
		scope.item = &items->values[i];
		iterator_item_names(&scope, &names);
		values[0] = Int32GetDatum(i);
		values[1] = JsonbPGetDatum(json_to_jsonb(&items->values[i]));
		values[2] = JsonbPGetDatum(json_to_jsonb(&names));
		tuplestore_putvalues(result->setResult, result->setDesc, values, nulls);
		MemoryContextSwitchTo(old);
		MemoryContextReset(scratch);
	}
}

/*
 * noetl.iterator_items(action jsonb, context jsonb, step text): returns the items.
 *
 * The context of an iterator inside an iterator has a member "_item": the names of
 * the outer item, which the inner items know as "parent".
 */
Datum
noetl_iterator_items(PG_FUNCTION_ARGS)
{
	TemplateScope scope;
	JsonbValue	action;
	JsonbValue	context;
	JsonbValue	collection;
	JsonbValue	parent;
	IteratorQuery query;
	IteratorItems items;
	SourceError error;

	if (PG_ARGISNULL(0))
		refuse_action("the action of an iterator must not be null");
	if (PG_ARGISNULL(1))
		refuse_action("the context of an iterator must not be null");
	scope = template_context_scope(PG_GETARG_JSONB_P(1));
	json_from_jsonb(PG_GETARG_JSONB_P(0), &action);
	read_query(&action, &collection, &query);
	if (!PG_ARGISNULL(2))
		query.step = text_to_cstring(PG_GETARG_TEXT_PP(2));
	if (!iterator_items(&query, &scope, &items, &error))
		template_raise(&error);
	json_from_jsonb(PG_GETARG_JSONB_P(1), &context);
	put_items(rows_begin(fcinfo), &query, &items,
			  json_get(&context, "_item", &parent) ? &parent : NULL);
	return (Datum) 0;
}

/* Puts an item that has ended into the result set (index, failed, value, error, item). */
static void
put_done(ReturnSetInfo *result, const WorkerItem *item)
{
	Datum		values[5];
	bool		nulls[5] = {false, false, item->value == NULL, item->error == NULL,
	item->item == NULL};

	values[0] = Int32GetDatum(item->index);
	values[1] = BoolGetDatum(item->failed);
	values[2] = JsonbPGetDatum(item->value);
	values[3] = item->error == NULL ? (Datum) 0 : CStringGetTextDatum(item->error);
	values[4] = JsonbPGetDatum(item->item);
	tuplestore_putvalues(result->setResult, result->setDesc, values, nulls);
}

/*
 * noetl.items_done(queue_id, worker_id): returns the items of a leased iterator that
 * have ended in its current attempt, and those that had completed before the step was
 * given new ones (noetl.redrive, noetl.retry without an input).  Empty when the worker
 * does not hold the lease; raises when the current role has not leased the task.
 */
Datum
noetl_items_done(PG_FUNCTION_ARGS)
{
	char	   *worker_id = text_to_cstring(PG_GETARG_TEXT_PP(1));
	ReturnSetInfo *result = rows_begin(fcinfo);
	Store	   *store = store_open(InvalidOid);
	QueueRow	row;
	List	   *items = NIL;
	ListCell   *lc;

	if (store_get_task(store, PG_GETARG_INT64(0), &row) && row.worker_id != NULL &&
		strcmp(row.worker_id, worker_id) == 0 && strcmp(row.status, "leased") == 0)
	{
		engine_check_lease(store, &row);
		items = store_worker_items(store, &row);
	}
	foreach(lc, items)
		put_done(result, (WorkerItem *) lfirst(lc));
	store_close(store);
	return (Datum) 0;
}
