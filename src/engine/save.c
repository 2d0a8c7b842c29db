/*
 * engine/save.c
 *		Saves inside the database: SQL, as the role that started the execution.
 *
 *		{"a": 1, "b": [2]}  ─>  INSERT INTO public.t (a, b)
 *		                        SELECT r.a, r.b
 *		                        FROM jsonb_to_record($1) AS r (a int4, b int4[])
 *
 * The values are one jsonb parameter, and PostgreSQL converts them to the types of
 * the columns.  Only names become part of a statement, quoted.
 *
 * All saves of a task run in one subtransaction, as a security-restricted operation
 * with the search path of a maintenance command: pg_catalog and nothing else.  The
 * session belongs to some worker and must not influence what the role does.
 */
#include "common/common.h"

#include "access/htup_details.h"
#include "access/xact.h"
#include "catalog/namespace.h"
#include "catalog/pg_attribute.h"
#include "catalog/pg_type.h"
#include "common/hashfn.h"
#include "executor/spi.h"
#include "mb/pg_wchar.h"
#include "miscadmin.h"
#include "parser/parse_param.h"
#include "tcop/cmdtag.h"
#include "tcop/utility.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/guc.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/plancache.h"
#include "utils/resowner.h"
#include "utils/syscache.h"
#include "utils/varlena.h"

#include "engine/internal.h"
#include "engine/role.h"
#include "engine/save_session.h"
#include "playbook/playbook.h"

/* ---------------------------------------------------------------------------
 * Kept plans
 * ---------------------------------------------------------------------------
 */

#define KEPT_PLANS	64

typedef struct KeptPlan
{
	uint32		hash;
	Oid			role;			/* under which names were resolved, rights looked up */
	char	   *text;
	int			nparams;
	Oid		   *types;			/* of the parameters, as the parser found them */
	SPIPlanPtr	plan;
	MemoryContext memory;		/* of text and types */
	uint64		used;			/* the value of "uses" when it was used last */
	int			running;		/* how often it is in use: triggers may save, too */
} KeptPlan;

static KeptPlan kept_plans[KEPT_PLANS];
static uint64 uses = 0;

/* Parser hook: the parser infers the types of the parameters. */
static void
infer_types(ParseState *pstate, void *arg)
{
	KeptPlan   *kept = (KeptPlan *) arg;

#if PG_VERSION_NUM >= 150000
	setup_parse_variable_parameters(pstate, &kept->types, &kept->nparams);
#else
	parse_variable_parameters(pstate, &kept->types, &kept->nparams);
#endif
}

/* Returns a free place; frees that of the least recently used plan. */
static KeptPlan *
take_place(void)
{
	KeptPlan   *kept = NULL;

	for (int i = 0; i < KEPT_PLANS; i++)
		if (kept_plans[i].running == 0 && (kept == NULL || kept_plans[i].used < kept->used))
			kept = &kept_plans[i];
	if (kept == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_STATEMENT_TOO_COMPLEX),
				 errmsg("saves nest too deeply")));
	if (kept->plan != NULL)
		SPI_freeplan(kept->plan);
	if (kept->memory != NULL)
		MemoryContextDelete(kept->memory);
	memset(kept, 0, sizeof(KeptPlan));
	return kept;
}

/* Returns the kept plan of a statement, a new one if need be. */
static KeptPlan *
keep_plan(const char *text, int nparams)
{
	uint32		hash = DatumGetUInt32(hash_any((const unsigned char *) text, strlen(text)));
	MemoryContext old;
	KeptPlan   *kept;
	SPIPlanPtr	plan;

	for (int i = 0; i < KEPT_PLANS; i++)
		if (kept_plans[i].plan != NULL && kept_plans[i].hash == hash &&
			kept_plans[i].role == GetUserId() &&
			strcmp(kept_plans[i].text, text) == 0)
		{
			kept_plans[i].used = ++uses;
			return &kept_plans[i];
		}
	kept = take_place();
	kept->memory = AllocSetContextCreate(TopMemoryContext, "noetl save", ALLOCSET_SMALL_SIZES);
	old = MemoryContextSwitchTo(kept->memory);
	kept->hash = hash;
	kept->role = GetUserId();
	kept->text = pstrdup(text);
	kept->nparams = nparams;
	kept->types = palloc0(sizeof(Oid) * Max(nparams, 1));
	MemoryContextSwitchTo(old);
	plan = SPI_prepare_params(kept->text, infer_types, kept, 0);
	if (plan == NULL)
		elog(ERROR, "could not prepare a save: %s", SPI_result_code_string(SPI_result));
	if (SPI_keepplan(plan) != 0)
		elog(ERROR, "could not keep the plan of a save");
	kept->plan = plan;
	kept->used = ++uses;
	return kept;
}

/* What the statement that is executed belongs to, for error messages. */
static const char *executing = "a save";

/*
 * Raises when a text is more than one statement or no query, and when it uses a
 * temporary table of the session, whose triggers would run as the role.
 */
static void
check_plan(KeptPlan *kept)
{
	List	   *sources = SPI_plan_get_plan_sources(kept->plan);
	CachedPlanSource *source;
	ListCell   *lc;

	if (list_length(sources) != 1)
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("%s has exactly one statement", executing)));
	source = (CachedPlanSource *) linitial(sources);
	foreach(lc, source->query_list)
		if (((Query *) lfirst(lc))->commandType == CMD_UTILITY)
			ereport(ERROR,
					(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
					 errmsg("%s is not allowed in %s",
							CreateCommandName(((Query *) lfirst(lc))->utilityStmt), executing),
					 errhint("Use INSERT, UPDATE, DELETE, MERGE or SELECT.")));
	foreach(lc, source->relationOids)
		if (isAnyTempNamespace(get_rel_namespace(lfirst_oid(lc))))
			ereport(ERROR,
					(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
					 errmsg("%s cannot use the temporary table \"%s\"", executing,
							get_rel_name(lfirst_oid(lc)))));
}

/* Returns whether a statement returns rows. */
static bool
returns_rows(const KeptPlan *kept)
{
	CachedPlanSource *source = linitial(SPI_plan_get_plan_sources(kept->plan));

	return source->resultDesc != NULL;
}

/* Brings the plan up to date, so that check_plan() sees what will be executed. */
static void
revalidate(KeptPlan *kept)
{
	CachedPlan *plan = SPI_plan_get_cached_plan(kept->plan);

	if (plan != NULL)
		ReleaseCachedPlan(plan, CurrentResourceOwner);
}

/*
 * Executes a statement; returns the number of rows that it processed.  The rows
 * that it returns go to the receiver, or with NULL to SPI.
 */
static int64
execute(KeptPlan *kept, ParamListInfo params, DestReceiver *receiver)
{
	SPIExecuteOptions options = {.params = params, .dest = receiver};
	volatile int code = 0;

	kept->running++;
	PG_TRY();
	{
		/* functions that the planner calls may save, too */
		revalidate(kept);
		check_plan(kept);
		code = SPI_execute_plan_extended(kept->plan, &options);
	}
	PG_FINALLY();
	{
		kept->running--;
	}
	PG_END_TRY();
	if (code < 0)
		elog(ERROR, "could not execute a save: %s", SPI_result_code_string(code));
	return (int64) SPI_processed;
}

/* Executes a statement that has one jsonb parameter. */
static int64
execute_with_json(const char *text, const JsonbValue *value)
{
	ParamListInfo params = makeParamList(1);

	params->params[0].value = PointerGetDatum(json_to_jsonb(value));
	params->params[0].isnull = false;
	params->params[0].pflags = PARAM_FLAG_CONST;
	params->params[0].ptype = JSONBOID;
	return execute(keep_plan(text, 1), params, NULL);
}

/* ---------------------------------------------------------------------------
 * Rows of a table
 * ---------------------------------------------------------------------------
 */

typedef struct SaveTable
{
	Oid			relid;
	const char *name;			/* as written */
	char	   *qualified;		/* quoted */
	const SaveRequest *request;
} SaveTable;

/* Finds the table of a request; a name without schema is in "public". */
static void
find_table(const SaveRequest *request, SaveTable *table)
{
	RangeVar   *name;

	if (request->table == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_TABLE),
				 errmsg("the save names no table")));
	name = makeRangeVarFromNameList(textToQualifiedNameList(cstring_to_text(request->table)));
	if (name->schemaname == NULL)
		name->schemaname = "public";
	table->request = request;
	table->name = request->table;
	table->relid = RangeVarGetRelid(name, NoLock, false);
	table->qualified = quote_qualified_identifier(name->schemaname, name->relname);
}

/* A column of the row being written. */
typedef struct SaveColumn
{
	const char *member;			/* what the data call it, quoted */
	const char *name;			/* folded */
	const char *quoted;
	bool		is_key;
} SaveColumn;

/* Returns whether a column is a key of the request. */
static bool
is_key(const SaveTable *table, const char *column)
{
	ListCell   *lc;

	foreach(lc, table->request->keys)
		if (strcmp((char *) lfirst(lc), column) == 0)
			return true;
	return false;
}

/* Returns the columns of a row (SaveColumn *): the members of the object. */
static List *
row_columns(const SaveTable *table, const JsonbValue *row)
{
	List	   *columns = NIL;
	JsonbIterator *it;
	JsonbValue	key;
	JsonbIteratorToken token;

	if (!json_is_object(row) || JsonContainerSize(row->val.binary.data) == 0)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 row->type == jbvNull ? errmsg("the save has no data") :
				 errmsg("the data of a save must be a map of columns, or a list of such maps")));
	it = JsonbIteratorInit(row->val.binary.data);
	while ((token = JsonbIteratorNext(&it, &key, true)) != WJB_DONE)
	{
		SaveColumn *column;
		char	   *member;

		if (token != WJB_KEY)
			continue;
		member = pnstrdup(key.val.string.val, key.val.string.len);
		column = palloc(sizeof(SaveColumn));
		column->member = quote_identifier(member);
		column->name = save_fold_name(member);
		column->quoted = quote_identifier(column->name);
		column->is_key = is_key(table, column->name);
		columns = lappend(columns, column);
	}
	return columns;
}

/* Returns "member type", which defines a column of the parameter's row. */
static char *
column_definition(const SaveTable *table, const SaveColumn *column)
{
	HeapTuple	tuple = SearchSysCacheAttName(table->relid, column->name);
	Form_pg_attribute attribute;
	char	   *type;
	char	   *definition;

	if (!HeapTupleIsValid(tuple) ||
		((Form_pg_attribute) GETSTRUCT(tuple))->attnum <= 0)
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_COLUMN),
				 errmsg("table \"%s\" has no column \"%s\"", table->name, column->name)));
	attribute = (Form_pg_attribute) GETSTRUCT(tuple);
	type = format_type_extended(attribute->atttypid, attribute->atttypmod,
								FORMAT_TYPE_TYPEMOD_GIVEN | FORMAT_TYPE_FORCE_QUALIFY);
	definition = psprintf("%s %s", column->member, type);
	ReleaseSysCache(tuple);
	return definition;
}

/* Appends FROM: the row of the parameter, with the types of the table. */
static void
append_source(StringInfo sql, const SaveTable *table, const List *columns)
{
	ListCell   *lc;

	appendStringInfoString(sql, " FROM pg_catalog.jsonb_to_record($1::pg_catalog.jsonb) AS r (");
	foreach(lc, columns)
		appendStringInfo(sql, "%s%s", foreach_current_index(lc) > 0 ? ", " : "",
						 column_definition(table, (SaveColumn *) lfirst(lc)));
	appendStringInfoChar(sql, ')');
}

/* Appends "a = s.a, …" for columns that are no keys; returns how many. */
static int
append_assignments(StringInfo sql, const List *columns, bool excluded)
{
	ListCell   *lc;
	int			count = 0;

	foreach(lc, columns)
	{
		const SaveColumn *column = (SaveColumn *) lfirst(lc);

		if (!column->is_key)
			appendStringInfo(sql, "%s%s = %s.%s", count++ > 0 ? ", " : "", column->quoted,
							 excluded ? "excluded" : "r",
							 excluded ? column->quoted : column->member);
	}
	return count;
}

/* Raises unless there are keys and all of them are among the columns. */
static void
check_keys(const SaveTable *table, const List *columns)
{
	ListCell   *lc;

	if (table->request->keys == NIL)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("mode %s needs a key", save_mode_name(table->request->mode))));
	foreach(lc, table->request->keys)
	{
		const char *key = (char *) lfirst(lc);
		bool		found = false;
		ListCell   *other;

		foreach(other, columns)
			found = found || strcmp(((SaveColumn *) lfirst(other))->name, key) == 0;
		if (!found)
			ereport(ERROR,
					(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
					 errmsg("the data of the save lack the key \"%s\"", key)));
	}
}

/* Appends ON CONFLICT: a row that exists is updated. */
static void
append_conflict(StringInfo sql, const SaveTable *table, const List *columns)
{
	ListCell   *lc;
	int			end;

	check_keys(table, columns);
	appendStringInfoString(sql, " ON CONFLICT (");
	foreach(lc, table->request->keys)
		appendStringInfo(sql, "%s%s", foreach_current_index(lc) > 0 ? ", " : "",
						 quote_identifier((char *) lfirst(lc)));
	appendStringInfoString(sql, ") DO ");
	end = sql->len;
	appendStringInfoString(sql, "UPDATE SET ");
	if (append_assignments(sql, columns, true) > 0)
		return;
	sql->len = end;
	appendStringInfoString(sql, "NOTHING");
}

/* Returns the statement that inserts, or upserts, a row. */
static char *
insert_statement(const SaveTable *table, const List *columns)
{
	StringInfoData sql;
	ListCell   *lc;

	initStringInfo(&sql);
	appendStringInfo(&sql, "INSERT INTO %s (", table->qualified);
	foreach(lc, columns)
		appendStringInfo(&sql, "%s%s", foreach_current_index(lc) > 0 ? ", " : "",
						 ((SaveColumn *) lfirst(lc))->quoted);
	appendStringInfoString(&sql, ") SELECT ");
	foreach(lc, columns)
		appendStringInfo(&sql, "%sr.%s", foreach_current_index(lc) > 0 ? ", " : "",
						 ((SaveColumn *) lfirst(lc))->member);
	append_source(&sql, table, columns);
	if (table->request->mode == SAVE_UPSERT)
		append_conflict(&sql, table, columns);
	return sql.data;
}

/* Returns the statement that updates the rows that have the keys of a row. */
static char *
update_statement(const SaveTable *table, const List *columns)
{
	StringInfoData sql;
	ListCell   *lc;
	const char *word = "WHERE";

	check_keys(table, columns);
	initStringInfo(&sql);
	appendStringInfo(&sql, "UPDATE %s AS t SET ", table->qualified);
	if (append_assignments(&sql, columns, false) == 0)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("the save has nothing to update but its key")));
	append_source(&sql, table, columns);
	foreach(lc, columns)
	{
		const SaveColumn *column = (SaveColumn *) lfirst(lc);

		if (!column->is_key)
			continue;
		appendStringInfo(&sql, " %s t.%s = r.%s", word, column->quoted, column->member);
		word = "AND";
	}
	return sql.data;
}

/*
 * Replaces text that wholly is a JSON object or array by that value, where the type
 * is json or jsonb: {{ x | tojson }} means x there.  Replaces a number like 2.0 by 2
 * where the type is an integer.  A domain counts as what it is over.
 */
static void
adapt_value(Oid type, JsonbValue *value)
{
	JsonbValue	read;

	if (!OidIsValid(type) || (value->type != jbvString && value->type != jbvNumeric))
		return;
	type = getBaseType(type);
	if (type == INT2OID || type == INT4OID || type == INT8OID)
	{
		if (save_read_whole(value, &read))
			*value = read;
	}
	else if ((type == JSONOID || type == JSONBOID) && save_read_json(value, &read))
		*value = read;
}

/* Does the same to the values of a row, by the types of its columns. */
static void
adapt_members(const SaveTable *table, const List *columns, JsonbValue *row)
{
	JsonbIterator *it = json_walk(row);
	JsonBuilder builder;
	JsonbValue	key;
	JsonbValue	value;
	int			column = 0;

	json_begin_object(&builder);
	while (json_next_member(&it, &key, &value))
	{
		const SaveColumn *written = (SaveColumn *) list_nth(columns, column++);
		AttrNumber	number = get_attnum(table->relid, written->name);

		if (number != InvalidAttrNumber)
			adapt_value(get_atttype(table->relid, number), &value);
		json_add_n(&builder, key.val.string.val, key.val.string.len, &value);
	}
	json_end_object(&builder, row);
}

/* Writes one row; returns how many rows were written. */
static int64
save_row(const SaveTable *table, const JsonbValue *written)
{
	List	   *columns;
	JsonbValue	typed = *written;
	const JsonbValue *row = &typed;

	CHECK_FOR_INTERRUPTS();
	columns = row_columns(table, written);
	adapt_members(table, columns, &typed);
	return execute_with_json(table->request->mode == SAVE_UPDATE ?
							 update_statement(table, columns) :
							 insert_statement(table, columns), row);
}

/* Writes all rows of a request; returns how many rows were written. */
static int64
save_rows(const SaveRequest *request)
{
	const JsonbValue *data = &request->data;
	MemoryContext memory;
	MemoryContext old;
	SaveTable	table;
	int64		rows = 0;

	find_table(request, &table);
	if (request->mode == SAVE_OVERWRITE)
		(void) execute(keep_plan(psprintf("DELETE FROM %s", table.qualified), 0), NULL, NULL);
	if (!json_is_array(data))
		return save_row(&table, data);
	memory = AllocSetContextCreate(CurrentMemoryContext, "noetl saved row",
								   ALLOCSET_DEFAULT_SIZES);
	for (int i = 0; i < JsonContainerSize(data->val.binary.data); i++)
	{
		old = MemoryContextSwitchTo(memory);
		rows += save_row(&table, getIthJsonbValueFromContainer(data->val.binary.data, i));
		MemoryContextSwitchTo(old);
		MemoryContextReset(memory);
	}
	MemoryContextDelete(memory);
	return rows;
}

/* ---------------------------------------------------------------------------
 * Statements
 * ---------------------------------------------------------------------------
 */

/* Returns the statement that converts JSON values to the types of the parameters. */
static char *
conversion_statement(const KeptPlan *kept, int nvalues)
{
	StringInfoData sql;

	initStringInfo(&sql);
	appendStringInfoString(&sql, "SELECT * FROM pg_catalog.jsonb_to_record($1::pg_catalog.jsonb) AS r (");
	for (int i = 0; i < nvalues; i++)
	{
		if (!OidIsValid(kept->types[i]) || kept->types[i] == UNKNOWNOID)
			ereport(ERROR,
					(errcode(ERRCODE_INDETERMINATE_DATATYPE),
					 errmsg("could not determine data type of parameter $%d", i + 1)));
		appendStringInfo(&sql, "%s\"%d\" %s", i > 0 ? ", " : "", i + 1,
						 format_type_extended(kept->types[i], -1, FORMAT_TYPE_TYPEMOD_GIVEN |
											  FORMAT_TYPE_FORCE_QUALIFY));
	}
	appendStringInfoChar(&sql, ')');
	return sql.data;
}

/* Converts the values ({"1": …}) to the types of a statement's parameters. */
static ParamListInfo
convert_params(const KeptPlan *kept, int nvalues, const JsonbValue *values)
{
	ParamListInfo params;
	JsonBuilder builder;
	JsonbValue	typed;

	if (nvalues == 0)
		return NULL;
	json_begin_object(&builder);
	for (int i = 0; i < nvalues; i++)
	{
		char	   *name = psprintf("%d", i + 1);
		JsonbValue	value;

		if (!json_get(values, name, &value))
			json_null(&value);
		adapt_value(kept->types[i], &value);
		json_add(&builder, name, &value);
	}
	json_end_object(&builder, &typed);
	(void) execute_with_json(conversion_statement(kept, nvalues), &typed);
	params = makeParamList(nvalues);
	for (int i = 0; i < nvalues; i++)
	{
		params->params[i].value = SPI_getbinval(SPI_tuptable->vals[0], SPI_tuptable->tupdesc,
												i + 1, &params->params[i].isnull);
		params->params[i].pflags = PARAM_FLAG_CONST;
		params->params[i].ptype = kept->types[i];
	}
	return params;
}

/* Adds the value of a parameter to an object {"1": …}; a SaveNumbering's "add". */
static void
add_parameter(void *arg, int number, const JsonbValue *value)
{
	json_add((JsonBuilder *) arg, psprintf("%d", number), value);
}

/* Returns the text that PostgreSQL gets, and the values of its parameters. */
static char *
number_statement(const SaveRequest *request, SaveNumbering *numbering, JsonbValue *values)
{
	JsonBuilder builder;
	char	   *text;

	json_begin_object(&builder);
	text = save_number_params(numbering, request->statement, &request->data, add_parameter,
							  &builder);
	json_end_object(&builder, values);
	return text;
}

/*
 * Executes the plan of the statement of a request; returns the number of rows processed.
 * What it returns stays in the memory context.
 */
static int64
execute_statement(SaveRequest *request, KeptPlan *kept, int nvalues, const JsonbValue *values,
				  MemoryContext memory)
{
	DestReceiver *receiver = NULL;
	int64		rows;

	check_plan(kept);
	if (request->wants_rows)
		receiver = save_rows_begin(memory, request->max_bytes);
	rows = execute(kept, convert_params(kept, nvalues, values), receiver);
	if (receiver != NULL && returns_rows(kept))
	{
		request->returns = true;
		save_rows_end(receiver, &request->returned);
	}
	return rows;
}

/*
 * Executes the statement of a request; returns the number of rows processed.  Its plan stays
 * where it is meanwhile: the check of a parameter's domain may save, too.
 */
static int64
save_statement(SaveRequest *request, MemoryContext memory)
{
	SaveNumbering numbering;
	JsonbValue	values;
	KeptPlan   *kept;
	char	   *text;
	volatile int64 rows = 0;

	if (request->statement == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("%s has no statement", executing)));
	text = number_statement(request, &numbering, &values);
	kept = keep_plan(text, list_length(numbering.names));
	kept->running++;
	PG_TRY();
	{
		rows = execute_statement(request, kept, list_length(numbering.names), &values, memory);
	}
	PG_FINALLY();
	{
		kept->running--;
	}
	PG_END_TRY();
	return rows;
}

/* ---------------------------------------------------------------------------
 * The subtransaction
 * ---------------------------------------------------------------------------
 */

/* Executes all requests, in order; error->number is the one at hand. */
static void
execute_requests(List *requests, SaveError *error)
{
	MemoryContext memory = CurrentMemoryContext;
	ListCell   *lc;

	SPI_connect();
	foreach(lc, requests)
	{
		SaveRequest *request = (SaveRequest *) lfirst(lc);

		CHECK_FOR_INTERRUPTS();
		error->number = foreach_current_index(lc);
		request->rows = request->mode == SAVE_STATEMENT ?
			save_statement(request, memory) : save_rows(request);
	}
	SPI_finish();
}

/*
 * Returns the text of an error with all that says its cause, worded as noetl-worker words
 * errors of its statements; a name that was not found may lack its schema, and the text
 * says so.
 */
static const char *
error_text(const ErrorData *data, const SaveRequest *request, int position)
{
	StringInfoData text;

	initStringInfo(&text);
	appendStringInfoString(&text, data->message);
	if (request->mode == SAVE_STATEMENT &&
		(data->sqlerrcode == ERRCODE_UNDEFINED_TABLE ||
		 data->sqlerrcode == ERRCODE_UNDEFINED_FUNCTION))
		appendStringInfoString(&text, " (write the schema before names that are not in pg_catalog)");
	appendStringInfo(&text, " (SQLSTATE %s", unpack_sql_state(data->sqlerrcode));
	if (position > 0)
		appendStringInfo(&text, ", at character %d", position);
	appendStringInfoChar(&text, ')');
	if (data->detail != NULL)
		appendStringInfo(&text, "; detail: %s", data->detail);
	if (data->hint != NULL)
		appendStringInfo(&text, "; hint: %s", data->hint);
	else if (request->mode == SAVE_STATEMENT && data->sqlerrcode == ERRCODE_SYNTAX_ERROR &&
			 strstr(data->message, "\":\"") != NULL)
		appendStringInfoString(&text, "; hint: Each :name needs a member of that name in params.");
	return text.data;
}

/*
 * Returns the place of an error in the statement as it is written, in characters
 * from 1; 0: the error is not about a place in it.
 */
static int
error_position(const ErrorData *data, const SaveRequest *request)
{
	SaveNumbering numbering;
	JsonbValue	values;
	char	   *text;
	int			offset;

	if (request->mode != SAVE_STATEMENT || request->statement == NULL ||
		data->internalpos <= 0 || data->internalquery == NULL)
		return 0;
	text = number_statement(request, &numbering, &values);
	if (strcmp(text, data->internalquery) != 0)
		return 0;				/* in a function that the statement calls */
	offset = pg_mbcharcliplen(text, strlen(text), data->internalpos - 1);
	return pg_mbstrlen_with_len(request->statement, save_place_of(&numbering, offset)) + 1;
}

/* Fills in what is known of an error; timeout: that ended the statement, or 0. */
static void
describe_error(const ErrorData *data, const SaveRequest *request, int64 timeout, SaveError *error)
{
	error->sqlstate = pstrdup(unpack_sql_state(data->sqlerrcode));
	error->primary = pstrdup(data->message);
	error->position = error_position(data, request);
	error->timed_out = timeout > 0;
	if (error->timed_out)
		error->message = timeout_error(timeout);
	else
		error->message = error_text(data, request, error->position);
	if (data->detail != NULL)
		error->detail = pstrdup(data->detail);
	if (data->hint != NULL)
		error->hint = pstrdup(data->hint);
}

/* Returns whether an error ends the transaction, so that a save must not handle it. */
static bool
ends_transaction(int sqlerrcode)
{
	return ERRCODE_TO_CATEGORY(sqlerrcode) == ERRCODE_TRANSACTION_ROLLBACK ||
		ERRCODE_TO_CATEGORY(sqlerrcode) == ERRCODE_OPERATOR_INTERVENTION;
}

/* Executes all requests in a subtransaction; returns what one of them raised, or NULL. */
static ErrorData *
execute_in_subtransaction(List *requests, Oid role, SaveSession *session, SaveError *error,
						  bool *timed_out)
{
	MemoryContext memory = CurrentMemoryContext;
	ResourceOwner owner = CurrentResourceOwner;
	ErrorData  *volatile data = NULL;
	SaveTimeout timeout;

	*timed_out = false;
	save_timeout_begin(&timeout, ((SaveRequest *) linitial(requests))->timeout);
	BeginInternalSubTransaction(NULL);
	MemoryContextSwitchTo(memory);
	PG_TRY();
	{
		role_check_save(role);
		save_session_enter(session, role);
		execute_requests(requests, error);
		(void) save_timeout_end(&timeout);
		save_session_leave(session);
		save_session_reveal(session);
		ReleaseCurrentSubTransaction();
	}
	PG_CATCH();
	{
		*timed_out = save_timeout_end(&timeout);
		MemoryContextSwitchTo(memory);
		data = CopyErrorData();
		FlushErrorState();
		save_session_reveal(session);
		RollbackAndReleaseCurrentSubTransaction();
	}
	PG_END_TRY();
	MemoryContextSwitchTo(memory);
	CurrentResourceOwner = owner;
	*timed_out = *timed_out && data != NULL && data->sqlerrcode == ERRCODE_QUERY_CANCELED;
	return data;
}

/* Executes all requests or none of them; returns false and sets *error. */
bool
save_execute(List *requests, Oid role, SaveError *error)
{
	const char *outer = executing;
	const SaveRequest *request = (SaveRequest *) linitial(requests);
	SaveSession session;
	ErrorData  *data;
	bool		timed_out;

	error->number = 0;
	executing = request->node_id != NULL ? "a step of type sql" : "a save";
	save_session_note(&session);
	data = execute_in_subtransaction(requests, role, &session, error, &timed_out);
	executing = outer;
	save_session_clean(&session);
	if (data == NULL)
		return true;
	/* raised only now: nobody else would end the subtransaction */
	if (ends_transaction(data->sqlerrcode) && !timed_out)
		ReThrowError(data);
	request = (SaveRequest *) list_nth(requests, error->number);
	describe_error(data, request, timed_out ? request->timeout : 0, error);
	FreeErrorData(data);
	return false;
}
