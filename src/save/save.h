/*
 * save/save.h
 *		The saves of a step: a save in any of its forms becomes tasks.
 *
 *		save: {storage: postgres, auth: pg, table: t, mode: upsert, key: id,
 *			   data: {id: …}}
 *			-> postgres	{"auth": "pg", "command": "INSERT INTO t …"}
 *		save: {storage: event, data: …}		-> event {"data": …}
 *		save: {storage: http, url: …, data: …}	-> http {"url": …, "payload": …}
 */
#ifndef NOETL_SAVE_SAVE_H
#define NOETL_SAVE_SAVE_H

#include "nodes/pg_list.h"

#include "jinja/jinja.h"

/* How the rows of a save are written into their table. */
typedef enum SaveMode
{
	SAVE_INSERT,				/* also "append" */
	SAVE_UPSERT,
	SAVE_UPDATE,
	SAVE_OVERWRITE,				/* all rows of the table are deleted first */
	SAVE_STATEMENT				/* no rows: the playbook has its own statement */
} SaveMode;

/* One save, rendered.  Its type decides what performs it. */
typedef struct SaveTask
{
	char	   *type;			/* event, postgres, duckdb, http */
	char	   *table;			/* as written, or NULL */
	int			rows;			/* number of rows of data */
	char	   *sql;			/* postgres, duckdb: the statements; "" when no
								 * row is to be written */
	bool		stated;			/* the playbook has its own statement */
	JsonbValue	data;			/* the data that is saved, or the parameters of the
								 * statement; null: none is given */
	JsonbValue	action;			/* for a worker: the action of a queue row of
								 * this type */
} SaveTask;

/*
 * Renders a save (a map, the name of a storage, or a list of them) into a list
 * of SaveTask *. The scope has the names result, this and data; it is NULL for
 * a save that has been rendered already. False and *error when a template
 * fails or the save is invalid.
 */
extern bool save_tasks(const JsonbValue *save, const TemplateScope *scope,
					   List **tasks, SourceError *error);

/*
 * Returns the task type of a storage, by any of its names, or NULL for an
 * unknown name.
 */
extern char *save_storage_type(const char *name);

/*
 * Sets *mode to the mode that a word means, in any case; false when no mode
 * has that name. SAVE_STATEMENT has no word.
 */
extern bool save_mode(const char *word, int length, SaveMode *mode);

/* Returns the word for a mode; "statement" for SAVE_STATEMENT. */
extern const char *save_mode_name(SaveMode mode);

/* save/value.c */

/* Returns whether a value is text that wholly is a JSON object or list: *read. */
extern bool save_read_json(const JsonbValue *value, JsonbValue *read);

/*
 * Returns whether a value is a number with decimals but without a fraction, such as
 * 2.0; *whole is the number without them, which an integer column takes.
 */
extern bool save_read_whole(const JsonbValue *value, JsonbValue *whole);

/* save/statement.c */

/*
 * Returns the name that an SQL identifier as written means: plain ones in
 * lower case.
 */
extern char *save_fold_name(const char *name);
/*
 * Returns the columns (char *) of a name, of names with commas between them,
 * or of a list.
 */
extern List *save_keys(const JsonbValue *value);

/*
 * Sets *sql to the statements that store "data" as the mode says, separated by
 * semicolons. "settings" has table, mode, key, keys, statement and params.
 */
extern bool save_statements(const JsonbValue *settings, const JsonbValue *data,
							bool duckdb, char **sql, SourceError *error);

/* The other parts of the door. */
#include "save/params.h"

#endif							/* NOETL_SAVE_SAVE_H */
