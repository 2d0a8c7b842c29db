/*
 * playbook/compile.c
 *		From a document to a compiled playbook.
 *
 * Three passes over the workflow: names first, so that an edge may point
 * forward; then each step (playbook/step.c); then what only the whole graph
 * shows (playbook/graph.c, playbook/lint.c).  Compilation goes on after a fault,
 * so that an author sees every fault at once; then there is no result.
 */
#include "common/common.h"

#include "miscadmin.h"
#include "utils/memutils.h"

#include "playbook/internal.h"

static Playbook *new_playbook(MemoryContext parent);
static void compile_heads(Compiler *compiler);
static void check_version(Compiler *compiler);
static void check_kind(Compiler *compiler);
static void check_head(Compiler *compiler, const YamlNode *node,
					   const char *key);
static void compile_workload(Compiler *compiler);
static const YamlNode *find_workflow(Compiler *compiler);
static void load_steps(Compiler *compiler, const YamlNode *workflow);
static void add_step(Compiler *compiler, const YamlNode *node, char *name,
					 const YamlNode *where);
static const YamlNode *name_node(const YamlNode *node);
static char *read_step_name(Compiler *compiler, const YamlNode *node,
							const YamlNode **where);
static void compile_steps(Compiler *compiler);
static void add_compensations(Compiler *compiler);
static Playbook *hand_over(Compiler *compiler, List **issues);

/* Names that mean something else in every template. */
static const char *const reserved_names[] = {
	"workload", "work", "context", "result", "results", "this", "data",
	"args", "input", "env", "job", "execution_id", NULL
};

/* Returns an empty playbook in a memory context of its own. */
static Playbook *
new_playbook(MemoryContext parent)
{
	MemoryContext context = AllocSetContextCreate(parent, "noetl playbook",
												  ALLOCSET_SMALL_SIZES);
	Playbook   *playbook = MemoryContextAllocZero(context, sizeof(Playbook));

	playbook->context = context;
	playbook->end = -1;
	return playbook;
}

/* Compiles the text of a document; NULL when one of the issues is an error. */
Playbook *
playbook_compile(const char *content, int length, MemoryContext parent,
				 List **issues)
{
	Compiler	compiler = {0};
	SourceError error = {0};
	MemoryContext scratch;
	MemoryContext caller;
	YamlNode   *root = NULL;
	Playbook   *playbook;

	compiler.issue_context = CurrentMemoryContext;
	scratch = AllocSetContextCreate(CurrentMemoryContext, "noetl yaml",
									ALLOCSET_DEFAULT_SIZES);
	caller = MemoryContextSwitchTo(scratch);
	root = yaml_parse_document(content, length, &error);
	if (root == NULL)
	{
		yaml_explain(content, length, &error);
		playbook_source_issue(&compiler, NULL, &error);
	}
	MemoryContextSwitchTo(caller);
	*issues = compiler.issues;
	playbook = root ? playbook_compile_document(root, parent, issues) : NULL;
	MemoryContextDelete(scratch);
	return playbook;
}

/* Compiles a parsed document into the playbook of the compiler. */
static void
compile_root(Compiler *compiler)
{
	const YamlNode *root = compiler->root;
	const YamlNode *workflow;

	if (root->kind != YN_MAP)
	{
		playbook_issue(compiler, ISSUE_ERROR, ERRCODE_INVALID_OBJECT_DEFINITION,
					   root, "A playbook begins with apiVersion, kind, metadata and workflow.",
					   "a playbook must be a mapping");
		return;
	}
	compile_heads(compiler);
	playbook_lint_document(compiler);
	compile_workload(compiler);
	compiler->playbook->timeout =
		playbook_constant_timeout(compiler, playbook_member(root, "timeout"));
	compiler->playbook->nlimits =
		playbook_compile_limits(compiler, playbook_member(root, "limits"),
								&compiler->playbook->limits);
	playbook_compile_priority(compiler, playbook_member(root, "priority"),
							  &compiler->playbook->priority);
	compiler->playbook->fairness =
		playbook_compile_fairness(compiler, playbook_member(root, "fairness"));
	playbook_load_tasks(compiler);
	workflow = find_workflow(compiler);
	if (workflow != NULL)
		load_steps(compiler, workflow);
	playbook_outline(compiler);
	if (compiler->playbook->nsteps > 0)
		compile_steps(compiler);
}

/* Compiles a parsed document; NULL when one of the issues is an error. */
Playbook *
playbook_compile_document(const YamlNode *root, MemoryContext parent,
						  List **issues)
{
	Compiler	compiler = {0};
	MemoryContext caller = CurrentMemoryContext;
	Bounds		bounds;

	compiler.root = root;
	compiler.at_step = -1;
	compiler.issue_context = caller;
	compiler.playbook = new_playbook(parent);
	compiler.scratch = AllocSetContextCreate(caller, "noetl playbook compiler",
											 ALLOCSET_DEFAULT_SIZES);
	MemoryContextSwitchTo(compiler.playbook->context);
	bounds_begin(&bounds, "compilation of a playbook", compiler.playbook->context, false);
	PG_TRY();
	{
		compile_root(&compiler);
	}
	PG_CATCH();
	{
		bounds_end(&bounds);
		MemoryContextDelete(compiler.playbook->context);
		PG_RE_THROW();
	}
	PG_END_TRY();
	bounds_end(&bounds);
	MemoryContextSwitchTo(caller);
	return hand_over(&compiler, issues);
}

/*
 * Returns the playbook, or NULL if one of the issues is an error; *issues: all
 * issues.
 */
static Playbook *
hand_over(Compiler *compiler, List **issues)
{
	MemoryContextDelete(compiler->scratch);
	*issues = playbook_sorted_issues(compiler);
	if (compiler->nerrors == 0)
		return compiler->playbook;
	MemoryContextDelete(compiler->playbook->context);
	return NULL;
}

/* Compiles apiVersion, kind, and the path and the name of the playbook. */
static void
compile_heads(Compiler *compiler)
{
	Playbook   *playbook = compiler->playbook;
	const YamlNode *root = compiler->root;
	const YamlNode *metadata = playbook_member(root, "metadata");

	check_version(compiler);
	check_kind(compiler);
	if (metadata != NULL && metadata->kind != YN_MAP)
		playbook_issue(compiler, ISSUE_ERROR, ERRCODE_INVALID_OBJECT_DEFINITION,
					   metadata, NULL, "metadata must be a mapping");
	check_head(compiler, playbook_member(metadata, "path"), "path");
	check_head(compiler, playbook_member(metadata, "name"), "name");
	check_head(compiler, playbook_member(root, "path"), "path");
	check_head(compiler, playbook_member(root, "name"), "name");
	playbook_document_names(root, &playbook->path, &playbook->name);
	playbook_compile_labels(compiler);
}

/*
 * Finds the path and the name of a document; old documents have them at the
 * top level.
 */
void
playbook_document_names(const YamlNode *root, char **path, char **name)
{
	const YamlNode *metadata = playbook_member(root, "metadata");

	*path = playbook_scalar_text(playbook_member(metadata, "path"));
	if (*path == NULL)
		*path = playbook_scalar_text(playbook_member(root, "path"));
	*name = playbook_scalar_text(playbook_member(metadata, "name"));
	if (*name == NULL)
		*name = playbook_scalar_text(playbook_member(root, "name"));
	if (*path == NULL)
		*path = *name;
}

/* Reports a name or path that is not a scalar, or is too long for an index. */
static void
check_head(Compiler *compiler, const YamlNode *node, const char *key)
{
	if (node == NULL)
		return;
	if (node->kind == YN_LIST || node->kind == YN_MAP)
		playbook_issue(compiler, ISSUE_ERROR, ERRCODE_INVALID_OBJECT_DEFINITION,
					   node, NULL, "%s must be text", key);
	else if (node->length > PLAYBOOK_MAX_PATH)
		playbook_issue(compiler, ISSUE_ERROR, ERRCODE_PROGRAM_LIMIT_EXCEEDED,
					   node, NULL, "%s is longer than %d bytes", key,
					   PLAYBOOK_MAX_PATH);
}

/*
 * Reports an apiVersion that is missing or unknown: another version may mean
 * other things by the same words.
 */
static void
check_version(Compiler *compiler)
{
	const YamlNode *node = playbook_member(compiler->root, "apiVersion");
	char	   *version = playbook_scalar_text(node);

	if (node == NULL)
		playbook_issue(compiler, ISSUE_WARNING, ERRCODE_WARNING,
					   compiler->root, "Add: apiVersion: noetl.io/v1", "apiVersion is missing");
	else if (version == NULL || strcmp(version, "noetl.io/v1") != 0)
		playbook_issue(compiler, ISSUE_WARNING, ERRCODE_WARNING, node,
					   "It is read as noetl.io/v1.",
					   "unknown apiVersion \"%s\"", version ? version : "");
}

/* Reports a kind that is missing or is not a playbook. */
static void
check_kind(Compiler *compiler)
{
	const YamlNode *node = playbook_member(compiler->root, "kind");
	char	   *kind = playbook_scalar_text(node);

	if (node == NULL)
		playbook_issue(compiler, ISSUE_WARNING, ERRCODE_WARNING,
					   compiler->root, "Add: kind: Playbook", "kind is missing");
	else if (kind == NULL || pg_strcasecmp(kind, "playbook") != 0)
		playbook_issue(compiler, ISSUE_ERROR, ERRCODE_INVALID_OBJECT_DEFINITION,
					   node, "Write: kind: Playbook",
					   "kind \"%s\" is not a playbook", kind ? kind : "");
}

/* Compiles the defaults that every execution starts from. */
static void
compile_workload(Compiler *compiler)
{
	const YamlNode *node = playbook_member(compiler->root, "workload");

	if (node == NULL)
		return;
	if (node->kind != YN_MAP)
		playbook_issue(compiler, ISSUE_ERROR, ERRCODE_INVALID_OBJECT_DEFINITION,
					   node, NULL, "workload must be a mapping");
	compiler->playbook->workload = playbook_compile_doc(compiler, node);
}

/* Returns the list of steps; NULL after an issue. */
static const YamlNode *
find_workflow(Compiler *compiler)
{
	const YamlNode *root = compiler->root;
	const YamlNode *workflow = playbook_member(root, "workflow");
	char	   *hint = "List the steps under \"workflow\".";
	int			i;

	if (workflow == NULL)
		workflow = playbook_member(root, "steps");
	if (workflow == NULL)
	{
		for (i = 0; i < root->count; i++)
			if (root->pairs[i].key->string[0] == '-')
				hint = "YAML wants a blank after the dash: \"- step: name\".";
			else if (strcmp(root->pairs[i].key->string, "workflow") != 0 &&
					 playbook_looks_like(root->pairs[i].key->string, "workflow"))
				hint = psprintf("Did you mean \"workflow\" where line %d says \"%s\"?",
								root->pairs[i].key->line,
								root->pairs[i].key->string);
		playbook_issue(compiler, ISSUE_ERROR, ERRCODE_INVALID_OBJECT_DEFINITION,
					   root, hint, "the playbook has no workflow");
		return NULL;
	}
	if (workflow->kind != YN_LIST || workflow->count == 0)
	{
		playbook_issue(compiler, ISSUE_ERROR, ERRCODE_INVALID_OBJECT_DEFINITION,
					   workflow, workflow->kind == YN_MAP && workflow->count > 0 &&
					   workflow->pairs[0].key->string[0] == '-' ?
					   "YAML wants a blank after the dash: \"- step: name\"." :
					   "Begin each step with \"- step: name\".",
					   "workflow must be a list of steps");
		return NULL;
	}
	if (workflow->count > PLAYBOOK_MAX_STEPS)
	{
		playbook_issue(compiler, ISSUE_ERROR, ERRCODE_PROGRAM_LIMIT_EXCEEDED,
					   workflow, "Call part of it as a playbook of its own.",
					   "a workflow cannot have more than %d steps",
					   PLAYBOOK_MAX_STEPS);
		return NULL;
	}
	return workflow;
}

/* Returns the first step that has a name, in any case; -1: there is none. */
static int
first_called(const Playbook *playbook, const char *name)
{
	for (int i = 0; i < playbook->nsteps; i++)
		if (playbook_name_is(playbook->steps[i].name, name))
			return i;
	return -1;
}

/*
 * Numbers the steps and finds the entry.  Steps whose name is taken come last:
 * the playbook is refused, but other faults in them are reported, too.
 */
static void
load_steps(Compiler *compiler, const YamlNode *workflow)
{
	Playbook   *playbook = compiler->playbook;
	List	   *repeated = NIL;
	ListCell   *cell;
	int			i;

	playbook->steps = palloc0(sizeof(Step) * workflow->count);
	compiler->step_nodes = MemoryContextAlloc(compiler->scratch,
											  sizeof(YamlNode *) * workflow->count);
	compiler->merged_nodes = MemoryContextAllocZero(compiler->scratch,
													sizeof(YamlNode *) * workflow->count);
	for (i = 0; i < workflow->count; i++)
	{
		const YamlNode *where;
		char	   *name = read_step_name(compiler, workflow->items[i], &where);
		int			known;

		CHECK_FOR_INTERRUPTS();
		if (name == NULL)
		{
			compiler->graph_broken = true;
			continue;
		}
		known = playbook_find_step(playbook, name, strlen(name));
		if (known < 0)
		{
			name_table_add(&playbook->step_index, name, strlen(name));
			add_step(compiler, workflow->items[i], name, where);
			continue;
		}
		compiler->graph_broken = true;
		playbook_issue(compiler, ISSUE_ERROR, ERRCODE_DUPLICATE_OBJECT,
					   where, "Give each step a name of its own.",
					   "step \"%s\" is already defined in line %d", name,
					   playbook->steps[known].line);
		repeated = lappend(repeated, workflow->items[i]);
	}
	foreach(cell, repeated)
		add_step(compiler, lfirst(cell),
				 playbook_scalar_text(name_node(lfirst(cell))), lfirst(cell));
	playbook->entry = Max(first_called(playbook, "start"), 0);
	compiler->end_step = first_called(playbook, "end");
	playbook->nwritten = playbook->nsteps;
}

/* Appends a step of which only the name is known yet. */
static void
add_step(Compiler *compiler, const YamlNode *node, char *name,
		 const YamlNode *where)
{
	Playbook   *playbook = compiler->playbook;
	Step	   *step = &playbook->steps[playbook->nsteps];

	step->index = playbook->nsteps;
	step->compensation = -1;
	step->compensates = -1;
	step->name = name;
	step->line = where->line;
	step->column = where->column;
	compiler->step_nodes[playbook->nsteps++] = node;
}

/* Returns the node that names a step, or NULL. */
static const YamlNode *
name_node(const YamlNode *node)
{
	const YamlNode *name = playbook_member(node, "step");

	return name ? name : playbook_member(node, "name");
}

/* Returns the name of a step; NULL after an issue. */
static char *
read_step_name(Compiler *compiler, const YamlNode *node, const YamlNode **where)
{
	char	   *name;
	int			i;

	if (node->kind != YN_MAP)
	{
		playbook_issue(compiler, ISSUE_ERROR, ERRCODE_INVALID_OBJECT_DEFINITION,
					   node, "Begin each step with \"- step: name\".",
					   "a step must be a mapping");
		return NULL;
	}
	*where = name_node(node);
	name = playbook_scalar_text(*where);
	if (name == NULL)
	{
		playbook_issue(compiler, ISSUE_ERROR, ERRCODE_INVALID_OBJECT_DEFINITION,
					   *where ? *where : node,
					   "Begin each step with \"- step: name\".",
					   "the step has no name");
		return NULL;
	}
	if (strlen(name) > PLAYBOOK_MAX_NAME)
	{
		playbook_issue(compiler, ISSUE_ERROR, ERRCODE_NAME_TOO_LONG, *where,
					   NULL, "the name of a step cannot be longer than %d bytes",
					   PLAYBOOK_MAX_NAME);
		return NULL;
	}
	for (i = 0; reserved_names[i] != NULL; i++)
		if (strcmp(name, reserved_names[i]) == 0)
			playbook_issue(compiler, ISSUE_ERROR, ERRCODE_RESERVED_NAME,
						   *where,
						   "Templates mean something else by it: choose another name.",
						   "a step cannot be called \"%s\"", name);
	return name;
}

/*
 * Adds a step for each compensation, behind those of the document.  Comes after all of
 * these, so that no transition leads to it.
 */
static void
add_compensations(Compiler *compiler)
{
	Playbook   *playbook = compiler->playbook;
	int			count = 0;

	for (int i = 0; i < playbook->nwritten; i++)
		if (playbook_member(compiler->merged_nodes[i], "compensate") != NULL)
			count++;
	if (count == 0)
		return;
	count += playbook->nwritten;
	playbook->steps = repalloc(playbook->steps, sizeof(Step) * count);
	memset(&playbook->steps[playbook->nwritten], 0,
		   sizeof(Step) * (count - playbook->nwritten));
	compiler->step_nodes = repalloc(compiler->step_nodes, sizeof(YamlNode *) * count);
	compiler->merged_nodes = repalloc(compiler->merged_nodes, sizeof(YamlNode *) * count);
	for (int i = 0; i < playbook->nwritten; i++)
	{
		const YamlNode *node = playbook_member(compiler->merged_nodes[i], "compensate");
		char	   *name = psprintf("%s.compensate", playbook->steps[i].name);

		CHECK_FOR_INTERRUPTS();
		if (node == NULL)
			continue;
		if (playbook_find_step(playbook, name, strlen(name)) >= 0)
		{
			compiler->graph_broken = true;
			playbook_issue(compiler, ISSUE_ERROR, ERRCODE_DUPLICATE_OBJECT, node,
						   "Give the other step another name.",
						   "the compensation has the name of another step, \"%s\"", name);
			continue;
		}
		name_table_add(&playbook->step_index, name, strlen(name));
		compiler->merged_nodes[playbook->nsteps] = node;
		add_step(compiler, node, name, node);
		playbook_compile_compensation(compiler, i, playbook->nsteps - 1);
	}
}

/* Hands targets of type python the value instead of the text of x | tojson. */
static void
read_json_of_targets(const Playbook *playbook, const Target *targets, int ntargets)
{
	for (int i = 0; i < ntargets; i++)
		if (strcmp(playbook->steps[targets[i].step].type, "python") == 0)
			for (int j = 0; j < targets[i].input.count; j++)
				template_doc_read_json(targets[i].input.layers[j]);
}

/* The same for all targets of a list of transitions. */
static void
read_json_of(const Playbook *playbook, const TransitionList *list)
{
	for (int i = 0; i < list->count; i++)
	{
		const Transition *entry = &list->entries[i];

		read_json_of_targets(playbook, entry->targets, entry->ntargets);
		read_json_of_targets(playbook, entry->else_targets, entry->nelse);
	}
}

/* Compiles every step, then what follows from all of them. */
static void
compile_steps(Compiler *compiler)
{
	Playbook   *playbook = compiler->playbook;
	EdgeList	edges;
	int			i;

	playbook->steps[playbook->entry].is_entry = true;
	for (i = 0; i < playbook->nsteps; i++)
	{
		CHECK_FOR_INTERRUPTS();
		if (playbook_issues_full(compiler))
		{
			compiler->unlisted = true;
			return;
		}
		playbook_compile_step(compiler, i);
		if (playbook->end < 0 && playbook->steps[i].is_end)
			playbook->end = i;
	}
	for (i = 0; i < playbook->nsteps; i++)
	{
		read_json_of(playbook, &playbook->steps[i].next);
		read_json_of(playbook, &playbook->steps[i].on_error_next);
	}
	add_compensations(compiler);
	playbook_find_arrivals(playbook);
	playbook_check_idle_tasks(compiler);
	playbook_lint_names(compiler);
	if (compiler->graph_broken)
		return;
	graph_list_edges(playbook, &edges);
	graph_analyse(playbook, &edges);
	playbook_resolve_joins(compiler, &edges);
	pfree(edges.first);
	pfree(edges.targets);
	playbook_lint_graph(compiler);
	playbook_lint_tests(compiler);
}
