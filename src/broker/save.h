/*
 * broker/save.h
 *		Saves that the database itself executes.
 *
 *		playbook/save.c   compiles a save into a SaveSpec of templates
 *		broker/save.c     renders it into a SaveRequest, and emits the events
 *		broker/sql.c      does so for steps of type sql
 *		engine/save.c     executes SQL as the role that started the execution
 */
#ifndef NOETL_BROKER_SAVE_H
#define NOETL_BROKER_SAVE_H

#include "nodes/pg_list.h"
#include "utils/jsonb.h"

#include "save/save.h"

typedef struct SaveRequest
{
	SaveMode	mode;
	const char *table;			/* as written; NULL for a statement */
	List	   *keys;			/* char *: columns that tell rows apart, folded */
	const char *statement;
	JsonbValue	data;			/* a row, a list of rows; or parameters */
	bool		wants_rows;		/* what the statement returns is wanted: */
	int			max_bytes;		/* no more than that */
	const char *node_id;		/* of a step of type sql; NULL: it is a save */
	int64		timeout;		/* of such a step, in microseconds; 0: none */

	/* out */
	int64		rows;			/* how many were written, or returned */
	bool		returns;		/* the statement returns rows, and they are wanted: */
	JsonbValue	returned;		/* the list of them, as objects */
} SaveRequest;

typedef struct SaveError
{
	const char *message;		/* with all that is known of the cause */
	const char *sqlstate;		/* these four may be NULL */
	const char *primary;		/* the message as PostgreSQL words it */
	const char *detail;
	const char *hint;
	int			position;		/* in the statement, in characters from 1; 0: none */
	bool		timed_out;		/* its timeout has ended the statement */
	int			number;			/* which one failed, counted from 0 */
} SaveError;

#endif							/* NOETL_BROKER_SAVE_H */
