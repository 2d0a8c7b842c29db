/*
 * playbook/playbook.h
 *		The compiled playbook: what a YAML document means, as numbers.
 *
 * A playbook is compiled once per backend and kept (playbook_get() of
 * catalog/catalog.h).  Steps are numbered in document order, every name is
 * resolved, every template is parsed, and it is known which step can reach
 * which: the broker compares integers and tests bits.
 *
 *		text ─ yaml ─> tree ─ playbook/compile.c ─> steps ─ playbook/graph.c ─> bits
 */
#ifndef NOETL_PLAYBOOK_PLAYBOOK_H
#define NOETL_PLAYBOOK_PLAYBOOK_H

#include "nodes/pg_list.h"

#include "common/common.h"
#include "jinja/jinja.h"
#include "yaml/yaml.h"

/* How a step behaves, whatever the name of its type. */
typedef enum StepKind
{
	STEP_ROUTER,				/* no action: completes in the broker, silently
								 * where it is the entry, with step_completed
								 * elsewhere */
	STEP_NOOP,					/* type noop: the same, but always with a
								 * step_completed of its own */
	STEP_ACTION,				/* queued for a worker */
	STEP_SAVE,					/* only saves, and the database does it itself */
	STEP_SQL,					/* a statement that the broker executes */
	STEP_PLAYBOOK,				/* done by a child execution */
	STEP_ITERATOR,				/* a child or a task for each item */
	STEP_WAIT,					/* done by nobody: open until time has passed or a
								 * signal has come */
	STEP_END					/* the end of the playbook: no action, no next */
} StepKind;

/* A condition: a compiled template, or the truth of a value that was no string. */
typedef struct Condition
{
	Template   *template;		/* NULL: constant */
	bool		constant;
	char	   *source;			/* as written, for meta.transitions */
	int			line;			/* of the text in the playbook */
	int			column;
	bool		block;
} Condition;

/* Input maps in order of increasing precedence (input < payload < … < data). */
typedef struct InputLayers
{
	int			count;
	TemplateDoc **layers;
} InputLayers;

typedef struct Target
{
	int			step;			/* index of the step */
	InputLayers input;			/* transition-level input */
} Target;

/* One entry of a "next" list. */
typedef struct Transition
{
	Condition  *when;			/* NULL: unconditional, or an "else" entry */
	bool		is_else;		/* {else: [...]}: taken iff no "when" was true */
	int			ntargets;
	Target	   *targets;		/* then / step */
	bool		has_else;		/* also one that only ends the branch */
	int			nelse;
	Target	   *else_targets;	/* an "else" inside an entry with "when" */
} Transition;

typedef struct TransitionList
{
	bool		exclusive;		/* first match only */
	int			count;
	Transition *entries;
	Jsonb	   *record;			/* broker/transition.c keeps it here, or NULL */
} TransitionList;

/* What an arrival at a step does. */
typedef enum StepJoin
{
	JOIN_DEFAULT,				/* not written; never in a compiled playbook */
	JOIN_EACH,					/* it starts a run of its own, at once */
	JOIN_ALL,					/* it waits while a live run can still reach the step */
	JOIN_ANY					/* the first starts a run, its siblings are dropped */
} StepJoin;

typedef enum OnError
{
	ON_ERROR_DEFAULT,			/* the setting noetl.on_error says */
	ON_ERROR_FAIL,
	ON_ERROR_HOLD,
	ON_ERROR_CONTINUE,
	ON_ERROR_HANDLER
} OnError;

/* Retry policy; the numbers may be templates, so they are documents. */
typedef struct RetryPolicy
{
	TemplateDoc *max_attempts;	/* NULL: 3 */
	TemplateDoc *initial_delay; /* seconds; NULL: 1.0 */
	TemplateDoc *multiplier;	/* NULL: 2.0 */
	TemplateDoc *max_delay;		/* seconds; NULL: 60 */
	TemplateDoc *jitter;		/* NULL: true */
	Condition  *retry_when;		/* NULL: retry on error */
	Condition  *stop_when;		/* or NULL */
} RetryPolicy;

/* A child playbook. */
typedef struct ChildSpec
{
	TemplateDoc *path;			/* catalog path, or NULL: */
	TemplateDoc *content;		/* the document itself, text or a map */
	TemplateDoc *version;		/* NULL: the newest */
	TemplateDoc *return_step;	/* whose value counts when the child has no
								 * result; or NULL */
} ChildSpec;

/* What items are sorted by. */
typedef struct IteratorOrder
{
	Template   *key;
	bool		descending;
	bool		members;		/* written without braces: members of the item
								 * are names too */
} IteratorOrder;

/* An iterator that the broker expands. */
typedef struct IteratorSpec
{
	TemplateDoc *collection;
	char	   *element;		/* name of the item in templates */
	Condition  *where;			/* or NULL, also below */
	IteratorOrder *order_by;
	TemplateDoc *limit;
	TemplateDoc *chunk;
	TemplateDoc *concurrency;
	TemplateDoc *mode;			/* whether items are in flight side by side */
	bool		is_loop;		/* the step itself is what is done: its input is
								 * laid over that of each item */
	bool		continues;		/* on_error: continue: a failed item is null */
	bool		holds;			/* on_error: hold: it does not stop the others */
	struct Step *body;			/* STEP_ACTION, STEP_PLAYBOOK or STEP_SQL; its
								 * index and name are the iterator's */
} IteratorSpec;

/* What a step of type wait waits for (playbook/wait.c); any of these may be NULL. */
typedef struct WaitSpec
{
	TemplateDoc *span;			/* "for" */
	TemplateDoc *until;
	TemplateDoc *signal;		/* a name, or a list of names */
	TemplateDoc *key;			/* under which senders reach it */
	Condition  *accept;			/* which signals end it; NULL: any */
} WaitSpec;

/* What happens to a task or an execution that is over a limit. */
typedef enum OnLimit
{
	LIMIT_WAIT,
	LIMIT_SKIP,
	LIMIT_CANCEL_OLDEST,
	LIMIT_CANCEL_NEWEST
} OnLimit;

/* A limit (playbook/limit.c). */
typedef struct LimitSpec
{
	char	   *name;			/* shared by all playbooks that use it */
	TemplateDoc *key;			/* each key has the limit for itself; or NULL */
	int			concurrency;	/* 0: any number */
	int			rate;			/* so many may begin … */
	int64		per;			/* … in so many microseconds; 0: any number */
	int			burst;			/* so many at once */
	OnLimit		on_limit;
} LimitSpec;

/* A save that the database itself executes (playbook/save.c). */
typedef struct SaveSpec
{
	TemplateDoc *data;			/* a row or rows. Any of these may be NULL */
	TemplateDoc *params;		/* of a statement */
	TemplateDoc *table;
	TemplateDoc *mode;
	TemplateDoc *key;
	TemplateDoc *statement;
	bool		takes_input;	/* it is written beside its type: the input of the
								 * step is its data */
} SaveSpec;

/* A priority: a number, or a template that yields one. */
typedef struct PrioritySpec
{
	bool		given;
	int			value;
	TemplateDoc *doc;			/* or NULL */
} PrioritySpec;

/* Among which tasks of the same priority a task has its turn. */
typedef struct FairnessSpec
{
	TemplateDoc *key;			/* or NULL */
	TemplateDoc *weight;		/* or NULL: 1 */
} FairnessSpec;

typedef struct Step
{
	int			index;
	char	   *name;
	char	   *type;			/* lower-cased action type, "" for none; of a
								 * workbook step the task's type */
	char	   *task_name;		/* workbook step: the task its value is visible
								 * as too, when no step has that name; or NULL */
	char	   *written_type;	/* as the step writes it, lower-cased; without a
								 * type: start, end or router */
	char	   *description;	/* or NULL */
	StepKind	kind;
	bool		is_entry;
	bool		is_end;			/* named or typed "end" and without next */
	int			line;			/* position in the document */
	int			column;

	Condition  *when;			/* or NULL */
	Condition  *pass;			/* or NULL */
	InputLayers input;			/* step-level input (the task's below it) */

	/*
	 * STEP_ACTION: the object that becomes queue.action, without "data".
	 * Program text and what only the worker can render are constants in it;
	 * raw_roots are the root names those constants refer to (of which
	 * queue.context carries the values).
	 */
	TemplateDoc *action;
	int			nraw_roots;
	char	  **raw_roots;

	TransitionList next;
	RetryPolicy *retry;			/* NULL: a single attempt */
	OnError		on_error;
	TransitionList on_error_next;	/* ON_ERROR_HANDLER */
	TemplateDoc *result;		/* result mapping (end), or NULL */
	TemplateDoc *save_data;		/* what an end saves, or NULL */
	int			nsaves;
	SaveSpec   *saves;			/* executed when the work is done */
	bool		worker_saves;	/* it has saves, which a worker does */
	SaveSpec   *sql;			/* STEP_SQL: the statement and its params */
	ChildSpec  *child;			/* STEP_PLAYBOOK */
	IteratorSpec *iterator;		/* STEP_ITERATOR */
	WaitSpec   *wait;			/* STEP_WAIT */
	TemplateDoc *save_action;	/* these two and STEP_SQL: the action of type
								 * save that follows, or NULL */
	StepJoin	join;
	int			max_visits;		/* 0: noetl.max_visits */
	PrioritySpec priority;		/* of its tasks; else that of the execution */
	FairnessSpec *fairness;		/* of its tasks, or NULL: the playbook's */
	TemplateDoc *timeout;		/* of an attempt (playbook/duration.h), or NULL */
	TemplateDoc *queue_timeout; /* until its first lease, or NULL */
	bool		fails_when_lost;	/* on_lost: fail */
	int			nlimits;		/* of its tasks, in the order of their names */
	LimitSpec  *limits;
	int			compensation;	/* the step that compensates this one, or -1 */
	int			compensates;	/* the step that this one compensates, or -1 */

	int			component;		/* strongly connected component, numbered in
								 * topological order: edges go from lower to
								 * higher or stay inside */
	bool		cyclic;			/* can be reached from itself */
	bool		revisited;		/* an execution may visit it more than once */
	bool		parallel;		/* revisited, and branches that do not wait for each
								 * other lead to it: its newest visit need not be one
								 * that a run descends from */
	int			tracked;		/* its place among those whose visits are handed on
								 * from run to run (Playbook.tracked), or -1 */
} Step;

/*
 * Returns whether tasks of a step have their visit in the queue: several visits may be
 * live beside each other, or branches come after one has begun.
 */
static inline bool
step_counts_visits(const Step *step)
{
	return step->parallel || step->join == JOIN_ANY;
}

/* A task of the workbook, whether or not a step uses it. */
typedef struct TaskOutline
{
	char	   *name;			/* NULL: it has none, also below */
	char	   *type;			/* as written, lower-cased */
} TaskOutline;

typedef struct Playbook
{
	MemoryContext context;		/* holds everything below */
	int64		catalog_id;
	char	   *path;			/* catalog path, as the document says or NULL */
	char	   *name;			/* metadata.name, or NULL */
	int			nsteps;
	int			nwritten;		/* of these are in the document; compensations follow */
	Step	   *steps;
	List	  **arrivals;		/* by step: the inputs (InputLayers *) that transitions
								 * give to it */
	int			ntasks;
	TaskOutline *tasks;			/* in document order */
	int			entry;			/* index of the first step to run */
	int			end;			/* index of the first is_end step, or -1 */
	TemplateDoc *workload;		/* defaults, an object, or NULL */
	bool		uses_worker_names;	/* some template refers to a name that only a
									 * worker has */
	bool		takes_signals;	/* some step waits for a signal */
	int64		timeout;		/* of an execution, in microseconds; 0: none */
	Jsonb	   *labels;			/* of its executions: name -> text, or NULL */
	int			nlimits;		/* of its executions, in the order of their names */
	LimitSpec  *limits;
	PrioritySpec priority;		/* of executions whose start gives them none */
	FairnessSpec *fairness;		/* of tasks whose step has none, or NULL */
	NameTable	step_index;		/* name -> index (playbook_find_step) */
	int			reach_words;	/* uint64 words in a row of reach */
	uint64	   *reach;			/* row s, bit t: t can be reached from s over one
								 * or more edges */
	int			ntracked;		/* parallel steps that templates refer to, or whose
								 * join asks for their visits; mostly none */
	int		   *tracked;		/* their indexes, in document order */
} Playbook;

typedef enum IssueSeverity
{
	ISSUE_WARNING,
	ISSUE_ERROR
} IssueSeverity;

/* An error or a warning about a document. */
typedef struct PlaybookIssue
{
	IssueSeverity severity;
	int			sqlerrcode;
	int			line;			/* 0: the document as a whole */
	int			column;
	char	   *path;			/* where in the document: workflow[2].next[0] */
	char	   *message;
	char	   *hint;			/* or NULL */
} PlaybookIssue;

/*
 * Compiles a document into a new memory context under "parent".  *issues
 * gets a list of PlaybookIssue * in document order.  NULL when one of them is
 * an error.  Never raises for what the document contains.
 */
extern Playbook *playbook_compile(const char *content, int length,
								  MemoryContext parent, List **issues);

/* The same for a document that has already been parsed. */
extern Playbook *playbook_compile_document(const YamlNode *root,
										   MemoryContext parent,
										   List **issues);

/*
 * Finds the catalog path (or NULL) and the name (or NULL) that a document gives
 * itself, also when it does not compile.
 */
extern void playbook_document_names(const YamlNode *root, char **path,
									char **name);

/*
 * Compiles order_by: an expression or a template over the item, or the path of
 * one of its members; a path with "-" before it, or anything with "desc" behind
 * it, sorts downwards.  False and *error when it does not parse.
 */
extern bool iterator_compile_order(const char *text, int length,
								   IteratorOrder *order, SourceError *error);

/* Root names of templates that only a worker has values for; NULL ends the list. */
extern const char *const playbook_worker_names[];

/* The largest playbook that registers. */
#define PLAYBOOK_MAX_STEPS	20000
#define PLAYBOOK_MAX_NAME	512 /* bytes of a step's name or type: they are indexed */
#define PLAYBOOK_INLINE_MARK '#'	/* between the path of a playbook and the step
									 * in which another one is written */
#define PLAYBOOK_MAX_PATH	1024	/* bytes of a catalog path: likewise */

/* The priority of a step or a start is at most this, and at least its negative. */
#define HIGHEST_PRIORITY	100

/* Returns the index of a step; -1: no step has that name. */
extern int	playbook_find_step(const Playbook *playbook, const char *name,
							   int length);

/*
 * Returns whether a name is that of a step, or of a step of a playbook that a step
 * calls ("step/step"), whichever that is.
 */
extern bool playbook_names_step(const Playbook *playbook, const char *name);

/* Returns the name of a step that another name looks like, or NULL. */
extern const char *playbook_similar_step(const Playbook *playbook, const char *name);

/*
 * Could "word" be a slip of the pen for "known"?  One edit (two in a long
 * word), or two neighbours swapped.
 */
extern bool playbook_looks_like(const char *word, const char *known);

/* Returns whether step t can be reached from step s over one or more edges. */
static inline bool
playbook_reaches(const Playbook *playbook, int s, int t)
{
	return (playbook->reach[(size_t) s * playbook->reach_words + t / 64] >>
			(t % 64)) & 1;
}

/*
 * Renders limits as noetl.queue keeps them: a list, in the order of the names; *limits is
 * NULL when there are none.  False and *error when the template of a key raises.
 */
extern bool limits_render(const LimitSpec *specs, int count, const TemplateScope *scope,
						  Jsonb **limits, SourceError *error);

/*
 * Renders a priority, within the bounds; *given tells whether there is one.  False and
 * *error when the template raises or yields no number.
 */
extern bool priority_render(const PrioritySpec *priority, const TemplateScope *scope,
							int *value, bool *given, SourceError *error);

/* The bounds of the weight of a fairness. */
#define HIGHEST_WEIGHT		100.0
#define LOWEST_WEIGHT		0.01

/*
 * Renders a fairness (NULL: none); *key is NULL when the task has none.  False and *error
 * when a template raises, or the weight is no number.
 */
extern bool fairness_render(const FairnessSpec *fairness, const TemplateScope *scope,
							char **key, double *weight, SourceError *error);

/* The other parts of the door. */
#include "playbook/duration.h"
#include "playbook/moment.h"
#include "playbook/task_action.h"

/* Returns the JSON Schema (draft 7) of playbooks, made of the compiler's tables of keys. */
extern Jsonb *playbook_schema(void);

#endif							/* NOETL_PLAYBOOK_PLAYBOOK_H */
