/*
 * db.h
 *		Between the files behind broker.h: the statements and how one is run.
 */
#ifndef DB_H
#define DB_H

#include <libpq-fe.h>

#include "broker.h"

typedef enum StatementId
{
	MAY_ANNOUNCE, ANNOUNCE, LEASE, COMPLETE, COMPLETE_AND_LEASE, FAIL, HEARTBEAT, RELEASE,
	RELEASE_UNKNOWN, STARTED, EVENTS, VALUE, ITERATOR, ITEMS, RENDER_LEFT, RENDER, SAVE,
	SAVE_STEP, RETRY, INTERVAL_SECONDS, WORK_LEFT, WORK_OF_OTHERS, STATEMENT_COUNT
} StatementId;

typedef struct Statement
{
	const char *name;
	const char *sql;
} Statement;

extern const Statement db_statements[STATEMENT_COUNT];

/* How many statements may be on the way, and the function that gets each answer */
#define DB_MAX_SENT 64
typedef void (*DbAnswered) (Task *task, DbStatus status);

/* db.c */
extern DbStatus db_run(StatementId id, int nparams, const char *const *params,
					   PGresult **result);
extern DbStatus db_run_boolean(StatementId id, int nparams, const char *const *params);
extern bool db_send(StatementId id, int nparams, const char *const *params,
					DbAnswered answered, Task *task);
extern DbStatus db_run_wait(const char *const *params);
extern bool db_lease_was_lost(void);

/* db_queue.c */
extern void db_read_tasks(const PGresult *result, TaskList *list);

#endif							/* DB_H */
