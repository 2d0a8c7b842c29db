/*
 * broker/save.h
 *		Saves inside the database: what is to be saved, and saving it.
 *
 *		playbook_save.c   SaveSpec: templates
 *		save_broker.c     SaveRequest: what they say now, and the events
 *		save_execute.c    SQL, as the role that started the execution
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
	int64		rows;			/* out: how many were written */
} SaveRequest;

typedef struct SaveError
{
	const char *message;
	const char *sqlstate;
	int			number;			/* which one failed, counted from 0 */
} SaveError;

#endif							/* NOETL_BROKER_SAVE_H */
