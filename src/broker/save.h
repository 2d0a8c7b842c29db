/*
 * broker/save.h
 *		Saves that the database itself executes.
 *
 *		playbook/save.c   compiles a save into a SaveSpec of templates
 *		broker/save.c     renders it into a SaveRequest, and emits the events
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
	int64		rows;			/* out: how many were written */
} SaveRequest;

typedef struct SaveError
{
	const char *message;
	const char *sqlstate;
	int			number;			/* which one failed, counted from 0 */
} SaveError;

#endif							/* NOETL_BROKER_SAVE_H */
