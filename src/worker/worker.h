/*
 * worker.h
 *		What the worker's own files share: options, the log, the connection
 *		to the broker and the signals.  Executors see executor.h and child.h.
 */
#ifndef WORKER_H
#define WORKER_H

#include <sys/types.h>

#include "executor.h"

typedef struct Options
{
	const char *conninfo;		/* of the broker's database */
	const char *postgres_conninfo;	/* default target of postgres tasks */
	const char *name;			/* worker_id */
	const char *types;			/* comma separated, as given */
	const char *python;
	int			lease;			/* seconds */
	int			batch;
	int			grace;			/* seconds */
	int			idle_timeout;	/* seconds; 0: none */
	bool		once;
	int			verbosity;		/* -1 quiet, 0 normal, 1 verbose */
} Options;

typedef struct TaskList
{
	Task	   *tasks;
	int			count;
	int			next;			/* first that has not been executed */
} TaskList;

typedef enum DbStatus
{
	DB_OK,
	DB_REFUSED,					/* the function answered false */
	DB_ERROR,					/* SQL error, see db_message() */
	DB_GONE						/* the connection is lost */
} DbStatus;

extern Options options;

/* options.c */
extern void parse_options(int argc, char **argv);

/* log.c */
extern void log_line(int level, const char *fmt,...)
			__attribute__((format(printf, 2, 3)));
extern void log_task(const Task *task, int level, const char *fmt,...)
			__attribute__((format(printf, 3, 4)));
extern const char *task_label(const Task *task);

#define LOG_ALWAYS	(-1)
#define LOG_NORMAL	0
#define LOG_DETAIL	1

/* wait.c */
extern void install_signals(void);
extern bool stopping(void);
extern bool stop_overdue(void);
extern void track_child(pid_t pid, bool running);
extern bool pause_for(double seconds);
extern int	signal_fd(void);
extern void set_heartbeat(TaskList *list);

/* task.c */
extern void task_parse_fields(Task *task);
extern void task_list_free(TaskList *list);
extern const Executor *find_executor(const char *type);
extern const Executor *executor_at(int index);
extern char *choose_types(void);

/* db.c */
extern bool db_open(void);
extern void db_close(void);
extern bool db_connected(void);
extern const char *db_message(void);
extern const char *db_sqlstate(void);
extern bool db_error_is_passing(void);
extern void db_set_types(const char *array);
extern void db_send_started(Task *task);
extern void db_settle(void);
extern DbStatus db_lease(TaskList *list);
extern DbStatus db_complete(const Task *task, const char *result,
							const char *attached);
extern DbStatus db_complete_and_lease(const Task *task, const char *result,
									  const char *attached, TaskList *list);
extern DbStatus db_fail(const Task *task, const char *error, const char *result,
						const char *attached);
extern DbStatus db_heartbeat(TaskList *list);
extern DbStatus db_release(const Task *task);
extern DbStatus db_release_unknown(const TaskList *list);
extern DbStatus db_interval_seconds(const char *text, double *seconds);
extern DbStatus db_wait_for_work(double seconds);
extern DbStatus db_work_left(bool *left);

/* loop.c */
extern int	run_worker(void);

#endif							/* WORKER_H */
