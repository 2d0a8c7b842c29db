/*
 * db.h
 *		Between the files that talk to the broker.
 *
 *		db.c		the connection, errors, running a statement
 *		db_sql.c	the statements
 *		db_queue.c	lease, complete, fail ...
 *		db_task.c	what a task needs to know while it is done
 */
#ifndef DB_H
#define DB_H

#include <libpq-fe.h>

#include "worker.h"

typedef enum StatementId
{
	MAY_ANNOUNCE, ANNOUNCE, LEASE, COMPLETE, COMPLETE_AND_LEASE, FAIL, HEARTBEAT, RELEASE,
	RELEASE_UNKNOWN, STARTED, EVENTS, VALUE, ITERATOR, ITEMS, RENDER, SAVE,
	SAVE_STEP, RETRY, INTERVAL_SECONDS, WORK_LEFT, STATEMENT_COUNT
} StatementId;

typedef struct Statement
{
	const char *name;
	const char *sql;
} Statement;

extern const Statement db_statements[STATEMENT_COUNT];

/* db.c */
extern DbStatus db_run(StatementId id, int nparams, const char *const *params,
					   PGresult **result);
extern DbStatus db_run_boolean(StatementId id, int nparams, const char *const *params);
extern bool db_lease_was_lost(void);

/* db_queue.c */
extern const char *db_types(void);
extern const char *db_raw_types(void);
extern const char *db_deep_types(void);
extern void db_read_tasks(const PGresult *result, TaskList *list);

#endif							/* DB_H */
