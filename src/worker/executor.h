/*
 * executor.h
 *		The task types that this program knows.
 *
 * The table in executors.c has one row for each type.  An executor is
 * straight-line code: it starts something, and whenever it has to wait it calls
 * task_wait(), which meanwhile renews the lease, watches the task's timeout and
 * listens for signals.
 *
 *		lease --> Task --> execute() --> Outcome --> complete / fail
 *							  |  ^
 *							  v  |
 *						  task_wait()	(hooks, timeout, stop)
 *
 * When task_wait() returns false the executor ends what it has started and
 * returns OUTCOME_ABORTED; the loop knows why and decides what to report.
 */
#ifndef EXECUTOR_H
#define EXECUTOR_H

#include <stdbool.h>

#include "outcome.h"
#include "task.h"
#include "wait.h"

/* How an executor wants the action of a task */
typedef enum ActionForm
{
	ACTION_FIELDS,				/* Task.fields; the members of data not deeper */
	ACTION_DEEP_FIELDS,			/* Task.fields; also the members of data deeper,
								 * and the JSON text of containers */
	ACTION_JSON					/* Task.action */
} ActionForm;

typedef struct Executor
{
	const char *type;
	ActionForm	form;
	bool		is_optional;	/* its absence on this machine is no news */
	bool		(*available) (void);	/* can this machine run it? NULL: yes */
	OutcomeKind (*execute) (Task *task, Outcome *out);
	void		(*idle) (void); /* frees what is costly; may be NULL */
	void		(*shutdown) (void); /* ends what was started; may be NULL */
} Executor;

/* executors.c */
extern const Executor *find_executor(const char *type);
extern bool executor_usable(const Executor *executor);
extern void executor_set_reason(const char *fmt,...)
			__attribute__((format(printf, 1, 2)));
extern void idle_executors(void);
extern void shutdown_executors(void);
extern char *choose_types(void);

/* python.c */
extern bool python_available(void);
extern OutcomeKind python_execute(Task *task, Outcome *out);
extern void python_idle(void);
extern void python_shutdown(void);

/* postgres.c */
extern OutcomeKind postgres_execute(Task *task, Outcome *out);
extern void postgres_disconnect(void);

/* shell.c */
extern OutcomeKind shell_execute(Task *task, Outcome *out);

/* http.c */
extern bool http_available(void);
extern OutcomeKind http_execute(Task *task, Outcome *out);
extern OutcomeKind http_fetch(Task *task, const Task *request, StringBuf *text, Outcome *out);
extern void http_disconnect(void);
extern void http_shutdown(void);

/* duckdb.c */
extern bool duckdb_available(void);
extern OutcomeKind duckdb_execute(Task *task, Outcome *out);

/* iterator.c */
extern OutcomeKind iterator_execute(Task *task, Outcome *out);
extern void iterator_stop_helpers(void);

/* job.c */
extern OutcomeKind save_execute(Task *task, Outcome *out);

#endif							/* EXECUTOR_H */
