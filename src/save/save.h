/*
 * save/save.h
 *		What a step saves: a save in any of its forms becomes tasks.
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

/* How the rows of a save go into their table. */
typedef enum SaveMode
{
	SAVE_INSERT,				/* also "append" */
	SAVE_UPSERT,
	SAVE_UPDATE,
	SAVE_OVERWRITE,				/* all rows of the table are deleted first */
	SAVE_STATEMENT				/* no rows: a statement of the playbook's */
} SaveMode;

/* One save, rendered: who does it is a matter of its type. */
typedef struct SaveTask
{
	char	   *type;			/* event, postgres, duckdb, http */
	char	   *table;			/* as written, or NULL */
	int			rows;			/* of data */
	char	   *sql;			/* postgres, duckdb: the statements; "" when there
								 * is nothing to do */
	JsonbValue	data;			/* what is saved; null when nothing is given */
	JsonbValue	action;			/* for a worker: what a queue row of this type
								 * would hold */
} SaveTask;

/*
 * Renders a save (a map, the name of a storage, or a list of them) into a list
 * of SaveTask *.  The scope knows result, this and data; it is NULL for a save
 * that has been rendered already.  False and *error when a template raises or
 * the save makes no sense.
 */
extern bool save_tasks(const JsonbValue *save, const TemplateScope *scope,
					   List **tasks, SourceError *error);

/* The task type of a storage, by any of its names; NULL: nobody knows it. */
extern char *save_storage_type(const char *name);

/*
 * Finds the mode that a word means, in any case; returns false when no mode has
 * that name.  SAVE_STATEMENT has no word.
 */
extern bool save_mode(const char *word, int length, SaveMode *mode);

/* Returns the word for a mode; "statement" for SAVE_STATEMENT. */
extern const char *save_mode_name(SaveMode mode);

/* save_statement.c */

/* The name that is meant by one as written in SQL: plain ones in lower case. */
extern char *save_fold_name(const char *name);
/* Columns (char *): a name, names with commas between them, or a list. */
extern List *save_keys(const JsonbValue *value);

/*
 * The statements that store "data" as "mode" says, separated by semicolons.
 * "settings" has table, mode, key, keys, statement and params.
 */
extern bool save_statements(const JsonbValue *settings, const JsonbValue *data,
							bool duckdb, char **sql, SourceError *error);

/* The other parts of the door. */
#include "save/params.h"

#endif							/* NOETL_SAVE_SAVE_H */
