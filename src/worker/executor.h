/*
 * executor.h
 *		The door between the worker's loop and what it can execute.
 *
 * One file implements one task type and exports one Executor.  An executor
 * is straight-line code: it starts something, and whenever it has to wait it
 * calls task_wait(), which meanwhile renews the lease, watches the task's
 * timeout and listens for signals.
 *
 *		lease --> Task --> execute() --> Outcome --> complete / fail
 *							  |  ^
 *							  v  |
 *						  task_wait()	(heartbeat, timeout, stop)
 *
 * When task_wait() returns false the executor ends what it started and
 * returns OUTCOME_ABORTED; the loop knows why and decides what to report.
 */
#ifndef EXECUTOR_H
#define EXECUTOR_H

#include <poll.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "strbuf.h"

/* Why a running task has to be abandoned */
typedef enum AbortReason
{
	ABORT_NONE,
	ABORT_TIMEOUT,				/* its own timeout passed */
	ABORT_LEASE_LOST,			/* another worker has it, or it was cancelled */
	ABORT_STOPPED				/* this worker is being stopped */
} AbortReason;

/*
 * One value inside the action, as the server took it apart: "commands.0",
 * "env.HOME", "auth.key".  The server is the only JSON parser here.
 */
typedef struct Field
{
	int			depth;			/* 1 for a key of the action itself */
	char		type;			/* s)tring n)umber b)oolean 0)null o)bject a)rray */
	char	   *path;
	char	   *text;			/* the value as text; for containers empty,
								 * or JSON if the executor has deep_fields */
} Field;

typedef struct Task
{
	char	   *queue_id;
	char	   *execution_id;
	char	   *node_id;
	char	   *step;
	char	   *type;
	char	   *attempt;
	char	   *timeout;		/* as written in the action, or NULL */
	char	   *action;			/* JSON text, for executors that ask for it */
	char	   *field_data;		/* what fields point into */
	Field	   *fields;
	int			nfields;
	char	   *context;		/* JSON: names for templates it still has; or NULL */
	char	   *save;			/* JSON: what to save afterwards, raw; or NULL */
	char	   *input;			/* JSON: its input, where it has a context */
	char	   *retry;			/* JSON: of a task inside another; or NULL */
	double		deadline;		/* monotonic seconds; 0: none */
	bool		started;		/* action_started has been stored */
	bool		lost;			/* the lease is known to be lost */
	AbortReason abort;

	/* a task inside another: an item of an iterator, a save */
	struct Task *outer;			/* NULL: it stands in the queue */
	int			index;			/* of the item; -1: none */
	const char *names;			/* JSON: names of the item; NULL: none */
	const char *element;		/* which of them is the item */
	const char *outer_context;	/* JSON: names besides those; or NULL */
} Task;

typedef enum OutcomeKind
{
	OUTCOME_DONE,				/* result is the value */
	OUTCOME_FAILED,				/* error says why, result has the details */
	OUTCOME_ABORTED				/* task_wait() said so */
} OutcomeKind;

typedef struct Outcome
{
	OutcomeKind kind;
	StringBuf	error;
	StringBuf	result;			/* JSON text; empty means null */
	StringBuf	attached;		/* see outcome_attach() */
	size_t		attached_at;
} Outcome;

typedef struct Executor
{
	const char *type;
	bool		raw_action;		/* wants Task.action instead of Task.fields */
	bool		deep_fields;	/* wants its input taken apart too, and the
								 * JSON text of containers */
	bool		(*available) (void);	/* can this machine run it? may be NULL */
	OutcomeKind (*execute) (Task *task, Outcome *out);
	void		(*idle) (void); /* nothing to do: let go of what is costly */
	void		(*shutdown) (void);
} Executor;

extern const Executor python_executor;
extern const Executor postgres_executor;
extern const Executor shell_executor;
extern const Executor http_executor;
extern const Executor duckdb_executor;
extern const Executor iterator_executor;
extern const Executor save_executor;

/* wait.c */
extern bool task_wait(Task *task, struct pollfd *fds, int nfds, double until);
extern double monotonic_now(void);

/* task.c */
extern const char *task_field(const Task *task, const char *path);
extern bool task_list(const Task *task, const char *path, int index,
					  const char **text);
extern bool task_text_or_base64(const Task *task, const char *path,
								char **text, Outcome *out);
extern void outcome_attach(Outcome *out, const char *text, size_t len);
extern bool outcome_inline_attached(Outcome *out);
extern void outcome_reset(Outcome *out);
extern void outcome_free(Outcome *out);
extern OutcomeKind outcome_fail(Outcome *out, const char *fmt,...)
			__attribute__((format(printf, 2, 3)));

#endif							/* EXECUTOR_H */
