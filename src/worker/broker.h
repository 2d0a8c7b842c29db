/*
 * broker.h
 *		What the worker says to the broker in its database, and asks of it.
 *
 *		db.c		the session, errors, running a statement
 *		db_queue.c	lease, complete, fail, heartbeat, release, wait
 *		db_waiter.c	waiting for work while tasks are executed
 *		db_aside.c	renewing leases while the session waits for an answer
 *		db_task.c	what a task asks while it is executed
 */
#ifndef BROKER_H
#define BROKER_H

#include <stdbool.h>

#include "outcome.h"
#include "task.h"

typedef enum DbStatus
{
	DB_OK,
	DB_REFUSED,					/* the function answered false */
	DB_ERROR,					/* an SQL error: db_message(), db_sqlstate() */
	DB_GONE						/* the session is lost */
} DbStatus;

/* What has become of an item, before this worker came */
typedef enum ItemState
{
	ITEM_OPEN,
	ITEM_COMPLETED,
	ITEM_FAILED
} ItemState;

/* What the broker says of a worker iterator */
typedef struct IteratorPlan
{
	bool		parallel;
	int			concurrency;	/* 0: not given */
	bool		continues;		/* on_error: continue */
	bool		nested;			/* a task of it is an iterator again */
	char	   *element;
	char	   *input;			/* JSON: laid over the input of each item */
	char	   *context;		/* JSON: names besides the item's */
	int			ntasks;
	char	  **tasks;			/* JSON, raw */
	char	  **task_names;		/* or NULL */
	int			nitems;
	char	  **items;			/* JSON */
	char	  **names;			/* JSON: the names inside each item */
	ItemState  *done;			/* of each item */
	char	  **results;		/* JSON, of those that have completed */
	char	  **errors;			/* of those that have failed */
} IteratorPlan;

/* What a save asks for */
typedef struct SaveList
{
	TaskList	list;
	char	  **data;			/* JSON */
	char	  **summaries;		/* JSON: {"storage": ..., "table": ...} */
} SaveList;

/* db.c */
extern bool db_open(void);
extern void db_close(void);
extern bool db_connected(void);
extern const char *db_message(void);
extern const char *db_sqlstate(void);
extern const char *db_hint(void);
extern bool db_error_is_passing(void);
extern bool db_error_is_of_release(void);
extern bool db_error_is_of_data(void);
extern bool db_error_is_of_nul(void);
extern bool db_error_is_ours(void);
extern bool db_pooled(void);
extern double db_waits_since(void);
extern void db_init(void);
extern DbStatus db_settle(void);

/* db_queue.c */
extern void db_set_types(const char *array);
extern void db_use_options(void);
/* Tells who this worker is, where its role may do so. */
extern void db_announce(void);
extern void db_ask_for(int count, const char *array);
extern const char *db_types(void);
extern DbStatus db_lease(TaskList *list);
extern void db_send_started(Task *task);
extern bool db_send_complete(Task *task, const char *result,
							 void (*answered) (Task *task, DbStatus status));
extern DbStatus db_complete(const Task *task, const char *result,
							const char *attached);
extern DbStatus db_complete_and_lease(const Task *task, const char *result,
									  const char *attached, TaskList *list);
extern DbStatus db_fail(const Task *task, const char *error, const char *result,
						const char *attached);
extern DbStatus db_heartbeat(TaskList *list);
extern DbStatus db_release(const Task *task);
extern DbStatus db_release_unknown(const TaskList *list);
extern DbStatus db_wait_for_work(double seconds);
extern DbStatus db_work_left(bool *left);
extern void db_log_left(void);

/* db_waiter.c */
extern bool db_waiter_start(const char *types, double seconds);
extern int	db_waiter_fd(void);
extern bool db_waiter_done(void);
extern void db_waiter_stop(void);

/* db_aside.c */
extern void db_heartbeat_aside(TaskList *list);

/* db_task.c */
extern DbStatus db_interval_seconds(Task *task, const char *text, double *seconds);
extern DbStatus db_value(Task *task, Outcome *out, char **value);
extern void db_refuse_result(Outcome *out);
extern DbStatus db_render_left(Task *task);
extern DbStatus db_plan_iterator(Task *task, IteratorPlan *plan);
extern void iterator_plan_free(IteratorPlan *plan);
extern DbStatus db_render(Task *task, const IteratorPlan *plan, int task_index,
						  int first, int count, char *const *names, TaskList *list);
extern DbStatus db_saves(Task *task, const char *envelope, const char *value,
						 SaveList *saves);
extern DbStatus db_save_step(Task *task, SaveList *saves);
extern void save_list_free(SaveList *saves);
extern DbStatus db_retry_delay(Task *task, const Outcome *out, int attempt, double *delay);
extern DbStatus db_store_events(const Task *task, const char *events);

#endif							/* BROKER_H */
