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
	bool		mate;			/* execute what comes over the channel */
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

/* Items of iterators that this worker does at the same time, at most */
#define MAX_CONCURRENCY 64
#define MAX_WAIT_FDS (MAX_CONCURRENCY + 4)

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
} IteratorPlan;

/* What a save asks for */
typedef struct SaveList
{
	TaskList	list;
	char	  **data;			/* JSON */
	char	  **summaries;		/* JSON: {"storage": ..., "table": ...} */
} SaveList;

/* A task with what it saves; see job.c */
typedef struct Job
{
	Task	   *task;
	bool		wants_value;
	bool		begun;
	Outcome		out;
	char	   *value;			/* JSON, once the task is done */
	SaveList	saves;
	int			save;			/* the one at hand; -1: none yet */
	Outcome		save_out;
} Job;

extern Options options;

/* options.c */
extern void parse_options(int argc, char **argv);
extern const char *const *mate_command(void);

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
extern void task_free(Task *task);
extern void task_list_free(TaskList *list);
extern void add_netstring(StringBuf *sb, const char *text, size_t len);
extern char *take_netstring(char **cursor);
extern const Executor *find_executor(const char *type);
extern const Executor *executor_at(int index);
extern bool executor_usable(const Executor *executor);
extern void shutdown_executors(void);
extern char *choose_types(void);

/* db.c */
extern bool db_open(void);
extern void db_close(void);
extern bool db_connected(void);
extern const char *db_message(void);
extern const char *db_sqlstate(void);
extern bool db_error_is_passing(void);
extern void db_set_types(const char *array);
extern void db_announce(void);
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

/* db_task.c */
extern DbStatus db_value(Task *task, Outcome *out, char **value);
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

/* events.c */
extern void events_add(const Task *task, const char *type, const char *item,
					   const char *context, const char *result, const char *error);
extern double events_due(void);
extern void events_flush(const Task *task);
extern void events_end(const Task *task);

/* action.c */
extern bool prepare_action(Task *task, Outcome *out);
extern OutcomeKind execute_action(Task *task, Outcome *out);

/* job.c */
extern void job_begin(Job *job, Task *task, bool wants_value);
extern Task *job_next(Job *job);
extern Outcome *job_outcome(Job *job);
extern void job_end(Job *job);
extern OutcomeKind job_run(Job *job);

/* mate.c */
extern int	run_mate(void);

/* loop.c */
extern int	run_worker(void);

#endif							/* WORKER_H */
