/*
 * playbook/internal.h
 *		What the files that compile a playbook share with each other only.
 *
 * A file calls those below it:
 *
 *		compile.c		the document: its heads, the table of steps
 *		step.c			one step: type, action, input, retry, on_error
 *		iterator.c		iterators in all their forms, child playbooks
 *		workbook.c		workbook tasks and tool maps: maps are laid over maps
 *		transition.c	transitions
 *		save.c			saves that need no worker
 *		timeout.c		timeouts
 *		wait.c			steps that wait for time or signals
 *		names.c			names in templates that nothing defines
 *		foreign.c		keys of other engines
 *		tests.c			warnings of what is doubtful in tests
 *		lint.c			warnings of what is legal but looks wrong
 *		lint_work.c		warnings of work that cannot be done as it is written
 *		document.c		templates: documents and conditions
 *		issue.c			the list of issues
 *		keys.c, node.c	keys of maps, and YAML nodes
 */
#ifndef NOETL_PLAYBOOK_INTERNAL_H
#define NOETL_PLAYBOOK_INTERNAL_H

#include "playbook/keys.h"
#include "playbook/node.h"
#include "playbook/playbook.h"

/* With as many errors compilation stops; more warnings are not listed. */
#define PLAYBOOK_MAX_ISSUES 1000

/* A search compares one name with every other; hostile input has many. */
#define PLAYBOOK_MAX_SUGGESTIONS 50

/* So many nodes all searches for the paths of issues look at; later issues have no path. */
#define PLAYBOOK_MAX_SEARCHED 20000000

typedef struct Compiler
{
	const YamlNode *root;
	NameTable	tasks;			/* names of the workbook's tasks */
	const YamlNode **task_nodes;	/* their maps, by number */
	bool	   *task_used;		/* whether a step refers to the task */
	const YamlNode **step_nodes;	/* the steps as written, by index */
	Playbook   *playbook;
	int			end_step;		/* the step that is called end, in any case, or -1 */
	MemoryContext scratch;		/* what only compilation needs */

	MemoryContext issue_context;	/* the caller's */
	List	   *issues;
	int			nerrors;
	int			nwarnings;
	bool		unlisted;		/* errors beyond PLAYBOOK_MAX_ISSUES */
	int			nsuggestions;	/* "did you mean" searches made so far */
	int			nsearched;		/* nodes that searches for paths have seen so far */
	bool		graph_broken;	/* an edge or a step is missing */

	NameTable	raw_roots;		/* of the step at hand */
	NameTable	mentioned;		/* free names of all templates */

	/* names.c */
	List	   *uses;			/* names that may be unknown */
	NameTable	workload_keys;	/* empty until they are asked for */
	const YamlNode **merged_nodes;	/* StepSource.merged, by index of the step */
	int			at_step;		/* the step that is compiled, or -1 */
	int			sees;			/* SEES_*: what its templates see just now */
} Compiler;

/* What templates see besides the names that every template sees. */
#define SEES_INPUT		0x01	/* the members of the step's input */
#define SEES_RESULT		0x02	/* result, this, error */
#define SEES_RETRY		0x04	/* the same, response, status_code … */
#define SEES_SAVE		0x08	/* the same, params, results … */
#define SEES_ITEM		0x10	/* the names inside an item of an iterator */
#define SEES_SIGNAL		0x20	/* the signal that a wait may accept */
#define SEES_BROKER		0x40	/* nothing more: the broker renders for itself */

/* The edges of all steps: those of s are targets[first[s]] … targets[first[s + 1] - 1]. */
typedef struct EdgeList
{
	int		   *first;
	int		   *targets;
} EdgeList;

/* A step with everything that it is made of. */
typedef struct StepSource
{
	const YamlNode *node;		/* as written */
	const YamlNode *own;		/* the keys of a tool map moved up */
	const YamlNode *task;		/* its workbook task, likewise, or NULL */
	const YamlNode *written_task;	/* the task as written, or NULL */
	const YamlNode *merged;		/* own laid over task */
	const YamlNode *type_node;	/* where the type was written, or NULL */
	char	   *type;			/* lower-cased, "" for none */
	char	   *task_name;		/* or NULL */
	struct StepSource *body;	/* an iterator that the broker expands: what
								 * is done for each item, or NULL */
	bool		is_loop;		/* it is written as a step with "loop" */
} StepSource;

/* step.c */
extern void playbook_compile_step(Compiler *compiler, int index);
/* Compiles the compensation of a step, which is the step of the index "compensation". */
extern void playbook_compile_compensation(Compiler *compiler, int index, int compensation);

/* workbook.c */
extern void playbook_load_tasks(Compiler *compiler);
extern void playbook_check_idle_tasks(Compiler *compiler);
extern bool playbook_resolve_step(Compiler *compiler, const YamlNode *node,
								  const char *name, StepSource *source);

extern const YamlNode *playbook_task_type(const YamlNode *map);
extern const YamlNode *playbook_find_task(Compiler *compiler, const char *name);

/* iterator.c */
extern void playbook_resolve_iterator(Compiler *compiler, const char *name,
									  StepSource *source);
extern IteratorSpec *playbook_compile_iterator(Compiler *compiler,
											   const StepSource *source);
extern ChildSpec *playbook_compile_child(Compiler *compiler,
										 const StepSource *source);

/* transition.c */
extern void playbook_compile_next(Compiler *compiler, const YamlNode *node,
								  const YamlNode *mode, TransitionList *list);

/* Fills in the inputs that transitions give to each step. */
extern void playbook_find_arrivals(Playbook *playbook);

/* document.c */
extern TemplateDoc *playbook_compile_doc(Compiler *compiler,
										 const YamlNode *node);
extern TemplateDoc *playbook_constant_doc(const YamlNode *node);
extern TemplateDoc *playbook_raw_doc(Compiler *compiler, const char *key,
									 const YamlNode *node);
extern Condition *playbook_compile_condition(Compiler *compiler,
											 const YamlNode *node);

/* Notes that a template refers to its free names. */
extern void playbook_note_program(Compiler *compiler, const char *key,
								  const YamlNode *node);
extern void playbook_mention(Compiler *compiler, const Template *template);

/* graph.c */

/* Lists the transitions and error handlers of all steps, in CurrentMemoryContext. */
extern void graph_list_edges(const Playbook *playbook, EdgeList *edges);
/* Fills component, cyclic and reach. */
extern void graph_analyse(Playbook *playbook, const EdgeList *edges);

/* join.c */

/* Reads "join"; without one the graph decides. */
extern void playbook_compile_join(Compiler *compiler, Step *step, const YamlNode *join);
/* Fills join where it was not written, revisited, parallel and tracked. */
extern void playbook_resolve_joins(Compiler *compiler, const EdgeList *edges);

/* save.c */

/* Returns whether the database itself executes a save, or all of a list of saves. */
extern bool playbook_saves_here(const YamlNode *save);
/* Compiles such saves into the step; others are left. */
extern void playbook_compile_saves(Compiler *compiler, Step *step, const YamlNode *save,
								   bool beside);
/*
 * Returns what a step of type save has written beside its type, as a save; NULL
 * when the database does not execute that itself.
 */
extern const YamlNode *playbook_save_of_step(const StepSource *source);
/* Warns of a template in a statement, where there is one; what: whose it is. */
extern void playbook_warn_of_sql(Compiler *compiler, const YamlNode *statement,
								 const char *what);
/* Compiles the statement of a step of type sql. */
extern SaveSpec *playbook_compile_sql(Compiler *compiler, const StepSource *source);

/* labels.c */
extern void playbook_compile_labels(Compiler *compiler);

/* limit.c */

/* Compiles limits (NULL: none) into an array; returns how many there are. */
extern int	playbook_compile_limits(Compiler *compiler, const YamlNode *node,
									LimitSpec **limits);

/*
 * Returns the text of a rendered key; null is the empty key.  A long one is replaced by
 * its digest, so that it can be indexed.
 */
extern char *playbook_key_text(const JsonbValue *key);

/* priority.c */

/* Compiles a priority (NULL: none). */
extern void playbook_compile_priority(Compiler *compiler, const YamlNode *node,
									  PrioritySpec *priority);
/* Compiles a fairness (NULL: none); NULL when there is none, or it is reported. */
extern FairnessSpec *playbook_compile_fairness(Compiler *compiler, const YamlNode *node);

/* timeout.c */
extern TemplateDoc *playbook_compile_timeout(Compiler *compiler,
											 const YamlNode *node);
extern int64 playbook_constant_timeout(Compiler *compiler,
									   const YamlNode *node);

/* wait.c */

/* Compiles what a step of type wait waits for. */
extern void playbook_compile_wait(Compiler *compiler, Step *step, const StepSource *source);

/* names.c */

/* Returns SEES_* that templates under a key of an action have besides those around. */
extern int	playbook_key_sees(const char *key);
/* Notes names that may be unknown; sees: SEES_* besides those of the compiler. */
extern void playbook_note_names(Compiler *compiler, const YamlNode *scalar,
								const Template *template, int sees);
extern void playbook_lint_names(Compiler *compiler);

/* foreign.c */
extern bool playbook_key_is_foreign_head(const char *key);
extern bool playbook_lint_go_template(Compiler *compiler, const YamlNode *scalar);
extern bool playbook_type_is_ours(const char *type);
extern bool playbook_key_is_foreign(const char *key, const char *type);
extern void playbook_lint_foreign_step(Compiler *compiler, const YamlNode *step);
extern void playbook_lint_foreign_iterator(Compiler *compiler, const YamlNode *step);
extern const char *playbook_foreign_type(const char *type);
extern void playbook_lint_foreign_document(Compiler *compiler, const YamlNode *root);
extern void playbook_lint_foreign_target(Compiler *compiler, const YamlNode *map);
extern bool playbook_key_is_foreign_target(const char *key);
extern void playbook_lint_foreign_loop(Compiler *compiler, const YamlNode *loop);
extern bool playbook_key_is_foreign_loop(const char *key);
/* Returns what to write instead of a template of Go; NULL: the text has none. */
extern char *playbook_go_template_hint(const char *text);

/* lint.c */
extern void playbook_lint_document(Compiler *compiler);
extern void playbook_lint_step(Compiler *compiler, const Step *step,
							   const StepSource *source);
extern void playbook_lint_task(Compiler *compiler, const YamlNode *task);
extern void playbook_lint_task_keys(Compiler *compiler, const YamlNode *task);
extern char *playbook_target_hint(const YamlNode *map);
extern void playbook_lint_target(Compiler *compiler, const YamlNode *map);
extern void playbook_lint_arcs(Compiler *compiler, const YamlNode *next);
extern void playbook_lint_graph(Compiler *compiler);
extern void playbook_lint_closed(Compiler *compiler, const YamlNode *map,
								 const char *const *known, char *hint);

/* lint_work.c */
extern void playbook_lint_work(Compiler *compiler, const YamlNode *map, const YamlNode *at,
							   const char *type);
extern void playbook_lint_idle_work(Compiler *compiler, const YamlNode *step, const char *type);
extern void playbook_lint_code(Compiler *compiler, const YamlNode *map, const char *type);
extern void playbook_lint_map_keys(Compiler *compiler, const YamlNode *node);

/* tests.c */
extern void playbook_lint_tests(Compiler *compiler);

/* outline.c */
extern void playbook_outline(Compiler *compiler);

/* issue.c */
extern void playbook_issue(Compiler *compiler, IssueSeverity severity,
						   int sqlerrcode, const YamlNode *node, char *hint,
						   const char *format,...) pg_attribute_printf(6, 7);
extern void playbook_source_issue(Compiler *compiler, const YamlNode *scalar,
								  const SourceError *error);
extern void playbook_source_warning(Compiler *compiler, const YamlNode *scalar,
									const SourceError *warning);
extern void playbook_template_warning(Compiler *compiler, const YamlNode *scalar,
									  const SourceError *fault);
extern bool playbook_issues_full(const Compiler *compiler);
extern List *playbook_sorted_issues(Compiler *compiler);
extern char *playbook_suggest_step(Compiler *compiler, const char *name);
extern char *playbook_did_you_mean(const char *known);

#endif							/* NOETL_PLAYBOOK_INTERNAL_H */
