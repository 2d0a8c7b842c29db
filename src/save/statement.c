/*
 * save/statement.c
 *		The SQL of a save.
 *
 * PostgreSQL converts the values itself, by the functions that the broker uses for
 * its own saves (engine/save.c), so that both store the same:
 *
 *		[{"a": 1}, …]  ─>  INSERT INTO t (a) SELECT r.a
 *		                   FROM jsonb_populate_recordset(NULL::t, '[{"a": 1}, …]') AS r
 *
 * Text that is a JSON object or list is that value for a column of json, and 2.0 is
 * 2 for one of integers: PostgreSQL is asked for the type of the column.  duckdb gets
 * literals only.
 * Names are written as in SQL: plain ones are folded to lower case, "Quoted"
 * ones are not.
 */
#include "common/common.h"

#include "lib/stringinfo.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/numeric.h"

#include "save/save.h"
#include "save/params.h"

#define ROWS_PER_STATEMENT	500
/* Types in PostgreSQL for which a value may be another one. */
#define INTEGER_TYPES		"'{smallint,integer,bigint}'::pg_catalog.regtype[]"
#define JSON_TYPES			"'{json,jsonb}'::pg_catalog.regtype[]"

/*
 * A number without quotes has a type, which columns of text or json refuse.
 */
typedef enum NumberForm
{
	PLAIN,						/* as in an expression that a user writes */
	INTEGERS_QUOTED,			/* for a column: a fraction can be rounded */
	QUOTED						/* of a type that the place decides */
} NumberForm;

/* A save that writes rows of a table. */
typedef struct RowSave
{
	bool		duckdb;
	char	   *table;			/* quoted */
	SaveMode	mode;
	List	   *keys;			/* char *: names of columns, folded */
	int			nrows;
	JsonbValue *rows;			/* maps */
	int			ncolumns;
	char	  **members;		/* the columns as the data call them */
	char	  **columns;		/* folded */
} RowSave;

/* ---------------------------------------------------------------------------
 * Names and values
 * ---------------------------------------------------------------------------
 */

/* Returns whether a name can be written in SQL without quotes. */
static bool
is_plain(const char *name)
{
	if (*name != '_' && !isalpha((unsigned char) *name))
		return false;
	for (; *name != '\0'; name++)
		if (*name != '_' && *name != '$' && !isalnum((unsigned char) *name))
			return false;
	return true;
}

/* Returns the name that an SQL identifier as written means. */
char *
save_fold_name(const char *name)
{
	int			length = strlen(name);
	char	   *folded;

	if (length > 2 && name[0] == '"' && name[length - 1] == '"' &&
		memchr(name + 1, '"', length - 2) == NULL)
		return pnstrdup(name + 1, length - 2);
	folded = pstrdup(name);
	if (is_plain(name))
		for (char *p = folded; *p != '\0'; p++)
			*p = pg_tolower((unsigned char) *p);
	return folded;
}

/*
 * Returns a name in quotes; which words are reserved depends on the target, so
 * that every name gets quotes.
 */
static char *
quote_name(const char *name)
{
	StringInfoData quoted;

	initStringInfo(&quoted);
	appendStringInfoChar(&quoted, '"');
	for (; *name != '\0'; name++)
	{
		if (*name == '"')
			appendStringInfoChar(&quoted, '"');
		appendStringInfoChar(&quoted, *name);
	}
	appendStringInfoChar(&quoted, '"');
	return quoted.data;
}

/*
 * Returns schema.table with each part in quotes; a dot inside quotes is part
 * of the name.
 */
static char *
quote_table(const char *text)
{
	StringInfoData quoted;
	StringInfoData part;
	bool		inside = false;

	initStringInfo(&quoted);
	initStringInfo(&part);
	for (;; text++)
	{
		if (*text == '"')
			inside = !inside;
		if (*text != '\0' && (inside || *text != '.'))
		{
			appendStringInfoChar(&part, *text);
			continue;
		}
		appendStringInfoString(&quoted, quote_name(save_fold_name(part.data)));
		if (*text == '\0')
			return quoted.data;
		appendStringInfoChar(&quoted, '.');
		resetStringInfo(&part);
	}
}

/* Appends a text literal; the only escape of DuckDB is a doubled quote. */
static void
add_text_literal(StringInfo sql, const char *text, int length, bool duckdb)
{
	char	   *copy = pnstrdup(text, length);

	if (!duckdb)
	{
		appendStringInfoString(sql, quote_literal_cstr(copy));
		return;
	}
	appendStringInfoChar(sql, '\'');
	for (; *copy != '\0'; copy++)
	{
		if (*copy == '\'')
			appendStringInfoChar(sql, '\'');
		appendStringInfoChar(sql, *copy);
	}
	appendStringInfoChar(sql, '\'');
}

/* Appends a map or list as a literal of its JSON text. */
static void
add_json_literal(StringInfo sql, const JsonbValue *value, bool duckdb)
{
	Jsonb	   *jsonb = json_to_jsonb(value);
	char	   *text = JsonbToCString(NULL, &jsonb->root, VARSIZE(jsonb));

	add_text_literal(sql, text, strlen(text), duckdb);
}

/*
 * Appends the digits of a number, in quotes where its type must not matter. A
 * negative number is in parentheses, because "--5" begins a comment.
 */
static void
add_number(StringInfo sql, const JsonbValue *value, NumberForm form)
{
	char	   *digits = DatumGetCString(DirectFunctionCall1(numeric_out,
															 NumericGetDatum(value->val.numeric)));

	if (form == QUOTED || (form == INTEGERS_QUOTED && strchr(digits, '.') == NULL))
		appendStringInfo(sql, "'%s'", digits);
	else
		appendStringInfo(sql, digits[0] == '-' ? "(%s)" : "%s", digits);
}

/* Appends a value as a literal. */
static void
add_literal(StringInfo sql, const JsonbValue *value, bool duckdb, NumberForm form)
{
	switch (value->type)
	{
		case jbvNull:
			appendStringInfoString(sql, "NULL");
			break;
		case jbvBool:
			appendStringInfoString(sql, value->val.boolean ? "'true'" : "'false'");
			break;
		case jbvNumeric:
			add_number(sql, value, form);
			break;
		case jbvString:
			add_text_literal(sql, value->val.string.val, value->val.string.len, duckdb);
			break;
		default:
			add_json_literal(sql, value, duckdb);
			break;
	}
}

/* ---------------------------------------------------------------------------
 * Rows of a table
 * ---------------------------------------------------------------------------
 */

/* Returns whether a column is one of the keys. */
static bool
is_key_column(const RowSave *save, const char *column)
{
	ListCell   *lc;

	foreach(lc, save->keys)
		if (strcmp((char *) lfirst(lc), column) == 0)
			return true;
	return false;
}

/* Returns whether a row has a column. */
static bool
has_column(const RowSave *save, int row, int column)
{
	JsonbValue	value;

	return json_get(&save->rows[row], save->members[column], &value);
}

/* Returns whether two rows have the same columns. */
static bool
same_columns(const RowSave *save, int a, int b)
{
	for (int i = 0; i < save->ncolumns; i++)
		if (has_column(save, a, i) != has_column(save, b, i))
			return false;
	return true;
}

/* Finds the value of a column in a row; null when the row has no such column. */
static void
get_value(const RowSave *save, int row, int column, JsonbValue *value)
{
	if (!json_get(&save->rows[row], save->members[column], value))
		json_null(value);
}

/*
 * Returns whether the type of the column decides what a value is: text that is JSON,
 * or a number like 2.0.
 */
static bool
depends_on_type(const JsonbValue *value)
{
	JsonbValue	read;

	return save_read_json(value, &read) || save_read_whole(value, &read);
}

/* Returns whether a row has such a value, so that it needs a statement of its own. */
static bool
row_depends_on_types(const RowSave *save, int row)
{
	for (int i = 0; i < save->ncolumns; i++)
	{
		JsonbValue	value;

		get_value(save, row, i, &value);
		if (depends_on_type(&value))
			return true;
	}
	return false;
}

/* Appends the text of an object with one column of a row as a literal. */
static void
add_record(StringInfo sql, const RowSave *save, int column, const JsonbValue *value)
{
	JsonBuilder builder;
	JsonbValue	record;

	json_begin_object(&builder);
	json_add(&builder, save->columns[column], value);
	json_end_object(&builder, &record);
	add_json_literal(sql, &record, false);
}

/*
 * Appends a value that is another one for a column of some types, or of domains
 * over them.
 */
static void
add_choice(StringInfo sql, const RowSave *save, int column, const JsonbValue *value,
		   const JsonbValue *other, const char *types)
{
	const char *name = quote_name(save->columns[column]);

	appendStringInfo(sql, "(pg_catalog.jsonb_populate_record(NULL::%s, CASE WHEN"
					 " (WITH RECURSIVE b (id, base) AS (SELECT oid, typbasetype"
					 " FROM pg_catalog.pg_type WHERE oid = pg_catalog.pg_typeof((NULL::%s).%s)"
					 " UNION ALL SELECT oid, typbasetype FROM b JOIN pg_catalog.pg_type ON oid = b.base)"
					 " SELECT id FROM b WHERE base = 0) = ANY (%s) THEN ",
					 save->table, save->table, name, types);
	add_record(sql, save, column, other);
	appendStringInfoString(sql, " ELSE ");
	add_record(sql, save, column, value);
	appendStringInfo(sql, " END::pg_catalog.jsonb)).%s", name);
}

/* Appends the value of a column: a literal, or the column of the converted row. */
static void
add_value(StringInfo sql, const RowSave *save, int row, int column)
{
	JsonbValue	value;
	JsonbValue	read;

	get_value(save, row, column, &value);
	if (save->duckdb)
		add_literal(sql, &value, true, INTEGERS_QUOTED);
	else if (save_read_json(&value, &read))
		add_choice(sql, save, column, &value, &read, JSON_TYPES);
	else if (save_read_whole(&value, &read))
		add_choice(sql, save, column, &value, &read, INTEGER_TYPES);
	else
		appendStringInfo(sql, "r.%s", quote_name(save->columns[column]));
}

/* Appends FROM: a range of rows, which PostgreSQL converts to the table's types. */
static void
add_source(StringInfo sql, const RowSave *save, int first, int end)
{
	JsonBuilder list;
	JsonbValue	rows;

	json_begin_array(&list);
	for (int row = first; row < end; row++)
	{
		JsonBuilder object;
		JsonbValue	value;

		CHECK_FOR_INTERRUPTS();
		json_begin_object(&object);
		for (int i = 0; i < save->ncolumns; i++)
			if (json_get(&save->rows[row], save->members[i], &value) &&
				!depends_on_type(&value))
				json_add(&object, save->columns[i], &value);
		json_end_object(&object, &value);
		json_push(&list, &value);
	}
	json_end_array(&list, &rows);
	appendStringInfo(sql, " FROM pg_catalog.jsonb_populate_recordset(NULL::%s, ", save->table);
	add_json_literal(sql, &rows, false);
	appendStringInfoString(sql, ") AS r");
}

/* Appends the values of the columns of a row, with commas between them. */
static void
add_values(StringInfo sql, const RowSave *save, int row, const List *columns)
{
	ListCell   *lc;

	foreach(lc, columns)
	{
		appendStringInfoString(sql, lc == list_head(columns) ? "" : ", ");
		add_value(sql, save, row, lfirst_int(lc));
	}
}

/* Appends the INSERT of a range of rows, which have the same columns. */
static void
add_insert(StringInfo sql, const RowSave *save, int first, int end)
{
	List	   *columns = NIL;
	ListCell   *lc;

	for (int i = 0; i < save->ncolumns; i++)
		if (has_column(save, first, i))
			columns = lappend_int(columns, i);
	appendStringInfo(sql, "INSERT INTO %s (", save->table);
	foreach(lc, columns)
		appendStringInfo(sql, "%s%s", lc == list_head(columns) ? "" : ", ",
						 quote_name(save->columns[lfirst_int(lc)]));
	if (!save->duckdb)
	{
		appendStringInfoString(sql, ") SELECT ");
		add_values(sql, save, first, columns);
		add_source(sql, save, first, end);
		return;
	}
	appendStringInfoString(sql, ") VALUES ");
	for (int row = first; row < end; row++)
	{
		CHECK_FOR_INTERRUPTS();
		appendStringInfoString(sql, row > first ? ", (" : "(");
		add_values(sql, save, row, columns);
		appendStringInfoChar(sql, ')');
	}
}

/*
 * Appends the ON CONFLICT clause for rows that have the columns of this one.
 */
static void
add_conflict(StringInfo sql, const RowSave *save, int row)
{
	ListCell   *lc;
	bool		first = true;

	appendStringInfoString(sql, " ON CONFLICT (");
	foreach(lc, save->keys)
	{
		appendStringInfo(sql, "%s%s", first ? "" : ", ", quote_name(lfirst(lc)));
		first = false;
	}
	first = true;
	for (int i = 0; i < save->ncolumns; i++)
	{
		char	   *column = quote_name(save->columns[i]);

		if (is_key_column(save, save->columns[i]) || !has_column(save, row, i))
			continue;
		appendStringInfo(sql, "%s%s = EXCLUDED.%s", first ? ") DO UPDATE SET " : ", ",
						 column, column);
		first = false;
	}
	if (first)
		appendStringInfoString(sql, ") DO NOTHING");
}

/* Appends the UPDATE of one row. */
static void
add_update(StringInfo sql, const RowSave *save, int row)
{
	bool		first = true;

	appendStringInfo(sql, "UPDATE %s%s SET ", save->table, save->duckdb ? "" : " AS t");
	for (int i = 0; i < save->ncolumns; i++)
	{
		if (is_key_column(save, save->columns[i]) || !has_column(save, row, i))
			continue;
		appendStringInfo(sql, "%s%s = ", first ? "" : ", ", quote_name(save->columns[i]));
		add_value(sql, save, row, i);
		first = false;
	}
	if (!save->duckdb)
		add_source(sql, save, row, row + 1);
	first = true;
	for (int i = 0; i < save->ncolumns; i++)
	{
		JsonbValue	value;

		if (!is_key_column(save, save->columns[i]))
			continue;
		appendStringInfo(sql, "%s%s%s = ", first ? " WHERE " : " AND ",
						 save->duckdb ? "" : "t.", quote_name(save->columns[i]));
		get_value(save, row, i, &value);
		if (save->duckdb)
			add_literal(sql, &value, true, QUOTED);
		else
			add_value(sql, save, row, i);
		first = false;
	}
}

/*
 * Returns the row after the last one that one statement writes, beginning with
 * "first".
 */
static int
end_of_statement(const RowSave *save, int first)
{
	int			end = first + 1;

	if (save->mode == SAVE_UPDATE || (!save->duckdb && row_depends_on_types(save, first)))
		return end;
	while (end < save->nrows && end - first < ROWS_PER_STATEMENT &&
		   same_columns(save, first, end) && (save->duckdb || !row_depends_on_types(save, end)))
		end++;
	return end;
}

/* Returns all statements of a save, in the order in which they run. */
static char *
write_statements(const RowSave *save)
{
	StringInfoData sql;
	int			end;
	/*
	 * PostgreSQL itself runs statements that are sent together in one
	 * transaction
	 */
	bool		bracket = save->duckdb && (save->mode == SAVE_OVERWRITE ||
										   end_of_statement(save, 0) < save->nrows);

	initStringInfo(&sql);
	if (bracket)
		appendStringInfoString(&sql, "BEGIN TRANSACTION");
	if (save->mode == SAVE_OVERWRITE)
		appendStringInfo(&sql, "%sDELETE FROM %s", sql.len > 0 ? ";\n" : "", save->table);
	for (int first = 0; first < save->nrows; first = end)
	{
		end = end_of_statement(save, first);
		if (sql.len > 0)
			appendStringInfoString(&sql, ";\n");
		if (save->mode == SAVE_UPDATE)
			add_update(&sql, save, first);
		else
			add_insert(&sql, save, first, end);
		if (save->mode == SAVE_UPSERT)
			add_conflict(&sql, save, first);
	}
	if (bracket)
		appendStringInfoString(&sql, ";\nCOMMIT");
	return sql.data;
}

/* ---------------------------------------------------------------------------
 * Reading the settings
 * ---------------------------------------------------------------------------
 */

/*
 * Sets *mode to the mode of the settings, insert by default; false and *error
 * for an unknown word.
 */
static bool
read_mode(const JsonbValue *settings, SaveMode *mode, SourceError *error)
{
	char	   *word = json_get_text(settings, "mode");

	*mode = SAVE_INSERT;
	if (word == NULL || save_mode(word, strlen(word), mode))
		return true;
	return source_error(error, psprintf("unknown mode \"%s\"", word),
						"Use append, insert, overwrite, update or upsert.");
}

/* Appends the names of a text with commas to a list. */
static List *
split_names(List *names, char *text)
{
	char	   *rest = NULL;

	for (char *name = strtok_r(text, ",", &rest); name != NULL;
		 name = strtok_r(NULL, ",", &rest))
	{
		int			length;

		while (isspace((unsigned char) *name))
			name++;
		length = strlen(name);
		while (length > 0 && isspace((unsigned char) name[length - 1]))
			length--;
		if (length > 0)
			names = lappend(names, save_fold_name(pnstrdup(name, length)));
	}
	return names;
}

/* Returns the columns (char *) that a value names. */
List *
save_keys(const JsonbValue *value)
{
	JsonbValue	element;
	JsonbIterator *it;
	List	   *names = NIL;

	if (value->type == jbvString)
		return split_names(NIL, pnstrdup(value->val.string.val, value->val.string.len));
	if (!json_is_array(value))
		return NIL;
	it = json_walk(value);
	while (json_next_element(&it, &element))
		if (element.type == jbvString)
			names = split_names(names, pnstrdup(element.val.string.val, element.val.string.len));
	return names;
}

/* Returns the keys of the settings. */
static List *
read_keys(const JsonbValue *settings)
{
	JsonbValue	value;

	/* an empty key does not hide its other name */
	return (json_get(settings, "key", &value) && value.type != jbvNull) ||
		json_get(settings, "keys", &value) ?
		save_keys(&value) : NIL;
}

/* Notes the columns of one row that no row before it has. */
static void
collect_columns(RowSave *save, const JsonbValue *row, NameTable *table)
{
	JsonbIterator *it = json_walk(row);
	JsonbValue	key;
	JsonbValue	value;

	while (json_next_member(&it, &key, &value))
	{
		char	   *member;

		if (name_table_find(table, key.val.string.val, key.val.string.len) >= 0)
			continue;
		member = pnstrdup(key.val.string.val, key.val.string.len);
		(void) name_table_add(table, member, key.val.string.len);
		if (save->ncolumns % 16 == 0)
		{
			Size		size = sizeof(char *) * (save->ncolumns + 16);

			save->members = save->members ? repalloc(save->members, size) : palloc(size);
			save->columns = save->columns ? repalloc(save->columns, size) : palloc(size);
		}
		save->members[save->ncolumns] = member;
		save->columns[save->ncolumns++] = save_fold_name(member);
	}
}

/*
 * Reads the data: a map, or a list of maps; false and *error for any other
 * value.
 */
static bool
read_rows(RowSave *save, const JsonbValue *data, SourceError *error)
{
	JsonbValue	element;
	JsonbIterator *it;
	NameTable	table;

	memset(&table, 0, sizeof(table));
	if (json_is_object(data))
	{
		save->nrows = 1;
		save->rows = palloc(sizeof(JsonbValue));
		save->rows[0] = *data;
		collect_columns(save, data, &table);
		return save->ncolumns > 0 ||
			source_error(error, "the data of the save are an empty map", NULL);
	}
	if (!json_is_array(data))
		return source_error(error, data->type == jbvNull ? "the save has no data" :
							"the data of a save into a table must be a map or a list of maps",
							"Write: data: {column: value}.");
	save->rows = palloc_extended(sizeof(JsonbValue) *
								 Max(JsonContainerSize(data->val.binary.data), 1),
								 MCXT_ALLOC_HUGE);
	it = json_walk(data);
	while (json_next_element(&it, &element))
	{
		if (!json_is_object(&element) || JsonContainerSize(element.val.binary.data) == 0)
			return source_error(error,
								psprintf("row %d of the data of the save is no map", save->nrows),
								"Write: data: [{column: value}, …].");
		save->rows[save->nrows++] = element;
		collect_columns(save, &element, &table);
	}
	return true;
}

/*
 * Returns whether a row has this key, or with NULL, a column that is no key.
 */
static bool
row_has(const RowSave *save, int row, const char *key)
{
	for (int i = 0; i < save->ncolumns; i++)
		if ((key != NULL ? strcmp(save->columns[i], key) == 0 :
						   !is_key_column(save, save->columns[i])) &&
			has_column(save, row, i))
			return true;
	return false;
}

/*
 * Checks that the keys fit the mode and that each row has them; false and
 * *error when not.
 */
static bool
check_row_keys(const RowSave *save, const char *mode, SourceError *error)
{
	if (save->mode != SAVE_UPDATE && save->mode != SAVE_UPSERT)
		return true;
	if (save->keys == NIL)
		return source_error(error, psprintf("mode %s needs a key", mode), "Write: key: id.");
	for (int row = 0; row < save->nrows; row++)
	{
		char	   *where = save->nrows == 1 ? "" : psprintf("row %d of ", row);
		ListCell   *lc;

		CHECK_FOR_INTERRUPTS();
		foreach(lc, save->keys)
			if (!row_has(save, row, (char *) lfirst(lc)))
				return source_error(error, psprintf("%sthe data of the save lack%s the key \"%s\"",
													where, save->nrows == 1 ? "" : "s",
													(char *) lfirst(lc)), NULL);
		if (save->mode == SAVE_UPDATE && !row_has(save, row, NULL))
			return source_error(error, psprintf("%sthe save has nothing to update but its key",
												where), NULL);
	}
	return true;
}

/* ---------------------------------------------------------------------------
 * A statement of the playbook
 * ---------------------------------------------------------------------------
 */

/* The parameters of a statement, and how they are written. */
typedef struct Literals
{
	const JsonbValue *params;
	bool		duckdb;
} Literals;

/* Appends the value of a parameter as a literal; a SaveParam. */
static bool
add_param(void *arg, StringInfo sql, const char *name, int length)
{
	const Literals *literals = (Literals *) arg;
	JsonbValue	value;

	if (!json_get_n(literals->params, name, length, &value))
		return false;
	add_literal(sql, &value, literals->duckdb, PLAIN);
	return true;
}

/* The parameters of a statement by number. */
typedef struct Numbered
{
	SaveNumbering numbering;
	JsonBuilder values;			/* {"1": …} */
	StringInfoData formats;		/* "%L, %L" */
	StringInfoData columns;		/* of the converted row */
	StringInfoData choices;		/* statements that replace values by their types */
} Numbered;

/* Appends a statement that replaces a value where the parameter has some type. */
static void
add_replacement(StringInfo sql, int number, const JsonbValue *other, const char *types)
{
	JsonBuilder builder;
	JsonbValue	record;

	json_begin_object(&builder);
	json_add(&builder, psprintf("%d", number), other);
	json_end_object(&builder, &record);
	appendStringInfo(sql, "\tIF bases[%d] = ANY (%s) THEN\n\t\tvals := vals || ", number, types);
	add_json_literal(sql, &record, false);
	appendStringInfoString(sql, ";\n\tEND IF;\n");
}

/* Adds a parameter; a SaveNumbering's "add". */
static void
add_numbered(void *arg, int number, const JsonbValue *value)
{
	Numbered   *numbered = (Numbered *) arg;
	JsonbValue	read;

	appendStringInfoString(&numbered->formats, number > 1 ? ", %L" : "%L");
	appendStringInfo(&numbered->columns, ", r.\"%d\"", number);
	json_add(&numbered->values, psprintf("%d", number), value);
	if (save_read_json(value, &read))
		add_replacement(&numbered->choices, number, &read, JSON_TYPES);
	else if (save_read_whole(value, &read))
		add_replacement(&numbered->choices, number, &read, INTEGER_TYPES);
}

/*
 * Appends the declarations and the end of a block that executes a statement, which the
 * expression "call" gives.  When the worker asks for them by the setting
 * noetl_save.rows, the rows that it returns are the value of that setting afterwards;
 * a statement that returns none cannot be opened as a cursor, and is executed as it is.
 */
static void
add_execution(StringInfo block, const char *call)
{
	appendStringInfo(block,
					 "\tIF pg_catalog.current_setting('noetl_save.rows', true) = 'wanted' THEN\n"
					 "\t\tPERFORM pg_catalog.set_config('noetl_save.rows', '', true);\n"
					 "\t\tBEGIN\n"
					 "\t\t\tFOR found IN EXECUTE %s LOOP\n"
					 "\t\t\t\tlist := pg_catalog.array_append(list, pg_catalog.to_jsonb(found)::text);\n"
					 "\t\t\tEND LOOP;\n"
					 "\t\t\tPERFORM pg_catalog.set_config('noetl_save.rows', '[' || pg_catalog.array_to_string(list, ',') || ']', true);\n"
					 "\t\tEXCEPTION WHEN invalid_cursor_definition THEN\n"
					 "\t\t\tEXECUTE %s;\n"
					 "\t\tEND;\n"
					 "\tELSE\n"
					 "\t\tEXECUTE %s;\n"
					 "\tEND IF;\n", call, call, call);
}

/* What add_execution() needs to be declared. */
#define EXECUTION_VARIABLES "\tfound record;\n\tlist text[] := '{}';\n"

/* Returns a block that executes a statement without parameters. */
static char *
plain_statement(const char *statement)
{
	StringInfoData block;

	initStringInfo(&block);
	appendStringInfoString(&block, "DECLARE\n" EXECUTION_VARIABLES "BEGIN\n");
	add_execution(&block, quote_literal_cstr(statement));
	appendStringInfoString(&block, "END");
	return psprintf("DO %s", quote_literal_cstr(block.data));
}

/*
 * Returns a block that has PostgreSQL find the types of a statement's parameters,
 * convert the values to them, and execute it, as the broker does.
 */
static char *
typed_statement(const char *statement, const Numbered *numbered, const JsonbValue *values)
{
	int			nparams = list_length(numbered->numbering.names);
	StringInfoData block;
	StringInfoData convert;

	initStringInfo(&convert);
	appendStringInfo(&convert, "SELECT pg_catalog.format('%s'%s) FROM pg_catalog.jsonb_to_record($1) AS r (",
					 numbered->formats.data, numbered->columns.data);
	initStringInfo(&block);
	appendStringInfoString(&block, "DECLARE\n"
						   "\ttypes pg_catalog.regtype[];\n"
						   "\tbases pg_catalog.regtype[];\n"
						   "\tvals pg_catalog.jsonb := ");
	add_json_literal(&block, values, false);
	appendStringInfo(&block, ";\n"
					 "\tcolumns text;\n"
					 "\targuments text;\n"
					 EXECUTION_VARIABLES
					 "BEGIN\n"
					 "\tIF EXISTS (SELECT FROM pg_catalog.pg_prepared_statements WHERE name = 'noetl_save') THEN\n"
					 "\t\tDEALLOCATE noetl_save;\n"
					 "\tEND IF;\n"
					 "\tEXECUTE %s;\n"
					 "\tSELECT s.parameter_types INTO types FROM pg_catalog.pg_prepared_statements AS s WHERE s.name = 'noetl_save';\n"
					 "\tIF pg_catalog.cardinality(types) < %d THEN\n"
					 "\t\tRAISE 'could not determine data type of parameter $%d' USING ERRCODE = '42P18';\n"
					 "\tEND IF;\n"
					 "\tWITH RECURSIVE b (n, id, base) AS (\n"
					 "\t\tSELECT p.n, y.oid, y.typbasetype FROM pg_catalog.unnest(types) WITH ORDINALITY AS p (type, n) JOIN pg_catalog.pg_type AS y ON y.oid = p.type\n"
					 "\t\tUNION ALL SELECT b.n, y.oid, y.typbasetype FROM b JOIN pg_catalog.pg_type AS y ON y.oid = b.base)\n"
					 "\tSELECT pg_catalog.array_agg(b.id::pg_catalog.regtype ORDER BY b.n) INTO bases FROM b WHERE b.base = 0;\n%s",
					 quote_literal_cstr(psprintf("PREPARE noetl_save AS %s", statement)),
					 nparams, nparams, numbered->choices.data);
	appendStringInfo(&block,
					 "\tSELECT pg_catalog.string_agg(pg_catalog.format('%%I %%s', p.n, pg_catalog.format_type(p.type, -1)), ', ' ORDER BY p.n) INTO columns\n"
					 "\tFROM pg_catalog.unnest(types) WITH ORDINALITY AS p (type, n);\n"
					 "\tEXECUTE %s || columns || ')' INTO arguments USING vals;\n",
					 quote_literal_cstr(convert.data));
	add_execution(&block, "'EXECUTE noetl_save (' || arguments || ')'");
	appendStringInfoString(&block, "\tDEALLOCATE noetl_save;\nEND");
	return psprintf("DO %s", quote_literal_cstr(block.data));
}

/* Returns whether a statement whose first word is given may return rows. */
static bool
may_return_rows(const char *statement, const char *word, int length)
{
	static const char returning[] = "returning";
	static const char *const queries[] = {"select", "values", "table", "with"};

	for (int i = 0; i < lengthof(queries); i++)
		if (strlen(queries[i]) == length && pg_strncasecmp(word, queries[i], length) == 0)
			return true;
	for (; *statement != '\0'; statement++)
		if (pg_strncasecmp(statement, returning, sizeof(returning) - 1) == 0)
			return true;
	return false;
}

/*
 * Sets *sql to a statement with its parameters converted by PostgreSQL; false when
 * it is not one that can be prepared, or has no parameters and returns no rows.
 */
static bool
write_typed(const char *statement, const JsonbValue *params, char **sql)
{
	const char *word;
	Numbered	numbered;
	JsonbValue	values;
	int			length;
	bool		several;
	char	   *text;

	save_outline_statement(statement, &word, &length, &several);
	if (several || !save_statement_is_allowed(word, length))
		return false;
	json_begin_object(&numbered.values);
	initStringInfo(&numbered.formats);
	initStringInfo(&numbered.columns);
	initStringInfo(&numbered.choices);
	text = save_number_params(&numbered.numbering, statement, params, add_numbered, &numbered);
	json_end_object(&numbered.values, &values);
	if (numbered.numbering.names != NIL)
		*sql = typed_statement(text, &numbered, &values);
	else if (may_return_rows(text, word, length))
		*sql = plain_statement(text);
	else
		return false;
	return true;
}

/* Sets *sql to a statement of the playbook with its parameters replaced. */
static bool
write_statement(const JsonbValue *settings, const JsonbValue *statement,
				const JsonbValue *data, bool duckdb, char **sql, SourceError *error)
{
	JsonbValue	params;
	Literals	literals = {&params, duckdb};
	char	   *text;

	if (statement->type != jbvString)
		return source_error(error, "the statement of a save must be text", NULL);
	if (!json_get(settings, "params", &params))
		params = *data;
	text = pnstrdup(statement->val.string.val, statement->val.string.len);
	if (duckdb || !write_typed(text, &params, sql))
		*sql = save_replace_params(text, add_param, &literals);
	return true;
}

/*
 * Sets *sql to the statements of a save; false and *error when the settings or
 * the data are invalid.
 */
bool
save_statements(const JsonbValue *settings, const JsonbValue *data, bool duckdb,
				char **sql, SourceError *error)
{
	RowSave		save;
	JsonbValue	statement;
	char	   *table = json_get_text(settings, "table");

	if (json_get(settings, "statement", &statement) && statement.type != jbvNull)
		return write_statement(settings, &statement, data, duckdb, sql, error);
	if (table == NULL || table[0] == '\0')
		return source_error(error, "the save names no table",
							"Write: table: name, or a statement.");
	memset(&save, 0, sizeof(save));
	save.duckdb = duckdb;
	save.table = quote_table(table);
	save.keys = read_keys(settings);
	if (!read_mode(settings, &save.mode, error) ||
		!read_rows(&save, data, error) ||
		!check_row_keys(&save, json_get_text(settings, "mode"), error))
		return false;
	*sql = write_statements(&save);
	return true;
}
