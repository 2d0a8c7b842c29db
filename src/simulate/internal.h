/*
 * simulate/internal.h
 *		What the files of the room share: an execution that is played in memory.
 *
 *		agenda ─ what is due next ─> event ─ broker_decide() ─> decisions
 *		  ^                            ^                           │
 *		  │                          stubs                         v
 *		  └──── tasks, timeouts, children, signals <──────── Model, SimLog, rows
 *
 *		simulate.c   noetl.simulate()
 *		test.c       noetl.test(): the tests of a playbook
 *		expect.c     what a test expects, compared with what was found
 *		play.c       the agenda: workers, signals and time
 *		execution.c  one execution: events are decided on, decisions are applied
 *		past.c       answers to the questions of the decision core
 *		statement.c  saves and statements of SQL, which are never executed
 *		stub.c       what workers and senders of signals answer
 *		log.c        the events of an execution, in memory
 *		row.c        what is told of the play
 */
#ifndef NOETL_SIMULATE_INTERNAL_H
#define NOETL_SIMULATE_INTERNAL_H

#include "lib/pairingheap.h"

#include "broker/broker.h"
#include "replay/replay.h"

/* A play ends after so many rows, or when what they say takes so many bytes. */
#define SIMULATE_MAX_ROWS	10000
/* … or after so many years; it begins before the year 10000. */
#define SIMULATE_MAX_YEARS	1000
#define SIMULATE_YEAR		(INT64CONST(31556952) * USECS_PER_SEC)
#define SIMULATE_LAST_START	(INT64CONST(8000) * SIMULATE_YEAR)
#define SIMULATE_MAX_BYTES	(INT64CONST(64) * 1024 * 1024)

/* ---- row.c ---- */

/* Event types of rows that are no events. */
#define ROW_TASK		"task"
#define ROW_STOPPED		"simulation_stopped"

/* One thing that happened: an event, a task as a worker gets it, or the early end. */
typedef struct SimRow
{
	TimestampTz at;
	const char *event_type;
	const char *step;			/* of a child: after the names of the steps that called
								 * it and "/"; NULL: the execution itself */
	const char *status;
	Jsonb	   *data;
	EventType	type;			/* EVENT_OTHER: no event */
	int			depth;			/* 0: of the execution that was asked for */
	int			visit;			/* 0: it is about no step */
	int			item;			/* -1: none */
} SimRow;

typedef struct SimExecution SimExecution;
typedef struct Simulation Simulation;

/* What is played, and the function that is called with each row of the play. */
typedef struct SimRequest
{
	const Playbook *playbook;
	const Jsonb *parameters;
	JsonbValue	stubs;			/* an object */
	TimestampTz at;
	void		(*tell) (void *arg, const SimRow *row);
	void	   *arg;
} SimRequest;

/* How the execution ended. */
typedef struct SimOutcome
{
	const char *status;			/* RUNNING: it did not end */
	const char *error;			/* or NULL, also below */
	const Jsonb *result;
	const char *stopped;		/* why it did not end */
} SimOutcome;

/* Tells of an event. */
extern void row_event(SimExecution *execution, const Event *event);
/* Tells of a task of a run (or of an item), as its worker, or the database, gets it. */
extern void row_task(SimExecution *execution, const Run *run, const char *type,
					 const Jsonb *action, const Jsonb *context, int priority);
/* Tells why the play ends although the execution does not. */
extern void row_stopped(Simulation *simulation, const char *reason);

/* ---- stub.c ---- */

/* A signal that a stub sends. */
typedef struct StubSignal
{
	const char *name;			/* NULL: the first that the step waits for */
	JsonbValue	data;
	const char *key;			/* or NULL, also below */
	const char *sent_by;
	int64		after;			/* microseconds */
} StubSignal;

/* What a stub answers once. */
typedef struct StubAnswer
{
	bool		given;			/* there is a stub */
	bool		has_result;
	JsonbValue	result;			/* {} where it has none */
	const char *error;			/* NULL: the work succeeds */
	int64		after;			/* microseconds that the work takes */
	List	   *signals;		/* StubSignal *, sent meanwhile */
} StubAnswer;

/*
 * Finds what is wrong with stubs (any JSON value) for a playbook; NULL: nothing.
 */
extern char *stub_check(const Playbook *playbook, const JsonbValue *stubs);
/* Finds the stub of a step of an execution; false: it has none. */
extern bool stub_find(const SimExecution *execution, const Step *step, JsonbValue *stub);
/* Replaces a list by its n-th element, or by its last if it is shorter; NULL stays. */
extern void stub_pick(JsonbValue *stub, int n);
/* Reads what the work of a run, or of an item (-1: none), comes to: its next use. */
extern void stub_answer(SimExecution *execution, const Step *step, int item, int attempt,
						StubAnswer *answer);
/* Reads which signals come once a wait has begun (StubSignal *). */
extern List *stub_signals(SimExecution *execution, const Step *step);
/* Reads what a statement of a step of type sql returns: the rows are answer->result. */
extern void stub_rows(SimExecution *execution, const Step *step, int item,
					  StubAnswer *answer);

/* ---- execution.c ---- */

/* A task that the database does itself, seen during an evaluation. */
typedef struct SimStatement
{
	int			after;			/* so many decisions were made before it */
	Run			run;
	const char *type;			/* sql or save */
	Jsonb	   *action;
} SimStatement;

/* A playbook that is not in the catalog, or that cannot be simulated. */
typedef struct SimPlaybook
{
	Playbook   *playbook;		/* NULL: there is none, because … */
	const char *path;
	const char *problem;
	const char *content;		/* of an inline playbook */
} SimPlaybook;

/* A child that was started; a stub may stand for it. */
typedef struct SimChild
{
	int64		execution_id;
	ChildStart	start;
	SimExecution *execution;	/* NULL: it is not simulated, or has not begun */
} SimChild;

struct SimExecution
{
	Simulation *simulation;
	int64		execution_id;
	SimExecution *parent;		/* or NULL */
	const ChildStart *start;	/* of a child, or NULL */
	const Playbook *playbook;
	Model	   *model;
	const char *path;
	int			version;
	const char *prefix;			/* of its steps, in rows and stubs */
	TimestampTz deadline;		/* 0: none */

	/* its log */
	Jsonb	   *start_meta;		/* of the execution_start, or NULL */
	Event	  **events;
	int			nevents;
	int			max_events;
	List	  **values;			/* by step: Event * that set its value */
	TimestampTz time;			/* of the newest event */
	int64		last_event_id;
	int		   *uses;			/* by step: how often its stub was asked; shared with
								 * the other executions that the same step called */

	/* the evaluation under way */
	BrokerState *state;
	const Event *event;			/* NULL: there is none */
	List	   *statements;		/* SimStatement * */
};

/* How often stubs were asked in the executions of a playbook that a step called. */
typedef struct SimUses
{
	const char *prefix;
	const Playbook *playbook;
	int		   *uses;			/* by step */
} SimUses;

struct Simulation
{
	const SimRequest *request;
	MemoryContext memory;		/* of what lasts */
	TimestampTz now;
	SimExecution *root;
	HTAB	   *children;		/* SimChild by execution_id */
	List	   *playbooks;		/* SimPlaybook *: catalog_id -1, -2 … */
	List	   *uses;			/* SimUses * */
	int64		next_execution_id;
	pairingheap *agenda;
	int64		entries;
	int			rows;
	int64		bytes;
};

/* Creates an execution; start: of a child, or NULL. */
extern SimExecution *execution_create(Simulation *simulation, SimExecution *parent,
									  const ChildStart *start, const Playbook *playbook,
									  const char *path, int version);
/* Begins an execution with its parameters. */
extern void execution_begin(SimExecution *execution, const Jsonb *parameters);
/* Returns whether an execution is over. */
extern bool execution_ended(const SimExecution *execution);
/*
 * Fills in an event that comes now: about the execution (step NULL), a visit of a step
 * or an item (-1: none).  The caller may fill in the other columns.
 */
extern void execution_event(SimExecution *execution, Event *event, EventType type,
							const Step *step, int visit, int item);
/* Decides on such an event, and applies what is decided. */
extern void execution_decide(SimExecution *execution, Event *event);
/* Decides on a run whose time has come, and applies what is decided. */
extern void execution_run_due(SimExecution *execution, int step, int visit);
/* Decides on the end of a child, and applies what is decided. */
extern void execution_child_ended(SimExecution *execution, const ChildEnd *end);
/* Returns the child with an id, or NULL. */
extern SimChild *execution_find_child(const Simulation *simulation, int64 execution_id);

/* ---- play.c ---- */

typedef enum AgendaKind
{
	AGENDA_LEASE,				/* a worker takes a task */
	AGENDA_REPORT,				/* it reports */
	AGENDA_TASK_DUE,			/* the task has taken too long */
	AGENDA_RUN_DUE,				/* the time of a run that is no task has come */
	AGENDA_SIGNAL,				/* a signal comes */
	AGENDA_CHILD_START,			/* a child begins */
	AGENDA_CHILD_END,			/* a child is over */
	AGENDA_DEADLINE				/* the execution has taken too long */
} AgendaKind;

/* What happens at a time, unless it has been overtaken. */
typedef struct AgendaEntry
{
	pairingheap_node node;
	TimestampTz at;
	int64		number;			/* of two at one time, the older comes first */
	AgendaKind	kind;
	SimExecution *execution;
	ModelKey	key;			/* of the run or item */
	int			attempts;		/* that it then had */
	StubAnswer	answer;			/* AGENDA_REPORT */
	StubSignal	signal;			/* AGENDA_SIGNAL */
	int64		child_execution_id; /* AGENDA_CHILD_START */
	ChildEnd	end;			/* AGENDA_CHILD_END */
} AgendaEntry;

/* Returns whether a play may begin at a time: a finite one, before the year 10000. */
static inline bool
simulation_may_begin(TimestampTz at)
{
	return !TIMESTAMP_NOT_FINITE(at) && at < SIMULATE_LAST_START;
}

/* Begins a play in CurrentMemoryContext, which lasts as long; nothing has happened yet. */
extern Simulation *simulation_create(const SimRequest *request);
/* Plays an execution to its end; *outcome is allocated in CurrentMemoryContext. */
extern void simulation_play(const SimRequest *request, SimOutcome *outcome);
/* Puts something into the agenda, and returns it; the caller fills in the rest. */
extern AgendaEntry *agenda_add(SimExecution *execution, AgendaKind kind, TimestampTz at,
							   const Run *run);
/* Puts signals (StubSignal *) into the agenda, which come after a time. */
extern void agenda_add_signals(SimExecution *execution, const List *signals,
							   TimestampTz since, const char *default_name);

/* ---- past.c ---- */

/* Makes the log of an execution answer the broker's questions. */
extern void past_answers(SimExecution *execution, ValueSource *source);
/* Returns the playbook of a child; NULL: *problem says why there is none. */
extern const Playbook *past_playbook(Simulation *simulation, int64 catalog_id,
									 const char **path, int *version,
									 const char **problem);

/* ---- statement.c ---- */

/* ValueSource.save: executes nothing, and answers what the stub of the step says. */
extern bool statement_save(void *arg, List *requests, struct SaveError *error);

/* ---- log.c ---- */

/* Appends a copy of an event to the log of an execution, and notes what it says. */
extern Event *log_append(SimExecution *execution, const Event *event);
/* Returns the event with an id, or NULL. */
extern const Event *log_find(const SimExecution *execution, int64 event_id);
/*
 * Returns the event that set the value of a visit of a step, before an event (0: now);
 * visit 0: of its newest.  NULL: none has.
 */
extern const Event *log_value(const SimExecution *execution, const Step *step, int visit,
							  int64 before);
/* Copies a document into CurrentMemoryContext; NULL stays NULL. */
extern Jsonb *log_copy_jsonb(const Jsonb *jsonb);

/* ---- test.c ---- */

/* Returns {}. */
extern Jsonb *empty_object(void);
/*
 * Compiles a playbook; *root: its document (or NULL: it is not wanted).  Raises its
 * first error, as noetl.register() does.
 */
extern Playbook *compile_for_play(const text *content, const YamlNode **root);

/* ---- expect.c ---- */

/* What is kept of a play for comparison. */
typedef struct Findings
{
	List	   *rows;			/* SimRow * */
	SimOutcome	outcome;
} Findings;

/*
 * Compares what a test expects with what was found.  Returns NULL, or what differs,
 * or what is wrong with the expectations.
 */
extern char *expect_compare(const Playbook *playbook, const JsonbValue *expect,
							const Findings *findings);

#endif							/* NOETL_SIMULATE_INTERNAL_H */
