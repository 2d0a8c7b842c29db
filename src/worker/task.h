/*
 * task.h
 *		A task: what the broker says is to be done.
 */
#ifndef TASK_H
#define TASK_H

#include <stdbool.h>

#include "strbuf.h"

/* Why a running task has to be abandoned */
typedef enum AbortReason
{
	ABORT_NONE,
	ABORT_TIMEOUT,				/* its own timeout passed */
	ABORT_LEASE_LOST,			/* another worker has it, or it was cancelled */
	ABORT_STOPPED,				/* this worker is being stopped */
	ABORT_TROUBLE				/* this worker cannot execute it now */
} AbortReason;

/*
 * One value inside the action, as fields_of_action() takes it apart: "commands.0",
 * "env.HOME", "auth.key".
 */
typedef struct Field
{
	int			depth;			/* 1 for a key of the action itself */
	char		type;			/* s)tring n)umber b)oolean 0)null o)bject a)rray */
	char	   *path;
	char	   *text;			/* the value as text; for containers empty, or
								 * JSON for ACTION_DEEP_FIELDS */
} Field;

typedef struct Task
{
	char	   *queue_id;
	char	   *execution_id;
	char	   *catalog_id;		/* of its playbook; NULL: not known */
	char	   *node_id;
	char	   *step;
	char	   *type;
	char	   *attempt;
	char	   *timeout;		/* as written in the action, or NULL */
	char	   *action;			/* JSON text, for ACTION_JSON */
	char	   *field_data;		/* what fields point into */
	Field	   *fields;
	int			nfields;
	char	   *context;		/* JSON: names for templates it still has; or NULL */
	char	   *save;			/* JSON: what to save afterwards, raw; or NULL */
	char	   *input;			/* JSON: its input, where it has a context */
	char	   *retry;			/* JSON: of a task inside another; or NULL */
	char	   *retry_input;	/* JSON: its members are names in that; or NULL */
	double		deadline;		/* monotonic seconds; 0: none */
	bool		left;			/* its action, all of it JSON text, and its context
								 * have strings that the worker renders */
	bool		started;		/* action_started has been stored */
	bool		told;			/* its end has been reported, or it was given back */
	bool		lost;			/* the lease is known to be lost */
	AbortReason abort;
	double		told_at;		/* when it has told its progress last */
	size_t		logged;			/* bytes of its lines that were stored */

	/* a task inside another: an item of an iterator, a save */
	struct Task *outer;			/* NULL: the task is in the queue */
	int			index;			/* of the item; -1: none */
	const char *names;			/* JSON: names of the item; NULL: none */
	const char *element;		/* the name of the item itself */
	const char *outer_context;	/* JSON: names besides those; or NULL */
} Task;

/* The tasks of one lease */
typedef struct TaskList
{
	Task	   *tasks;
	int			count;
	int			next;			/* first that has not been executed */
} TaskList;

extern void task_parse_fields(Task *task);
extern void task_set_trouble(Task *task);
extern void task_end_attempt(Task *task);
extern void task_free(Task *task);
extern void task_list_free(TaskList *list);
extern const char *task_field(const Task *task, const char *path);
extern const char *task_program_context(const Task *task);
extern bool task_list(const Task *task, const char *path, int index,
					  const char **text);

#endif							/* TASK_H */
