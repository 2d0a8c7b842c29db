/*
 * playbook/names.c
 *		Warnings of names in templates that nothing defines.
 *
 * While a document is compiled, names that not every template sees are noted.
 * When all steps are known it is decided which of them nothing gives: which input
 * a step has is said by the transitions that lead to it, too.
 */
#include "common/common.h"

#include "miscadmin.h"
#include "utils/memutils.h"

#include "playbook/internal.h"

/* A name in a template that may be unknown. */
typedef struct NameUse
{
	const YamlNode *scalar;
	const Template *template;
	int			number;			/* of the name in the template */
	const char *name;
	bool		optional;
	int			step;			/* -1: the workload */
	int			sees;
} NameUse;

/* The names that a step gives, one way or another: those of the step asked for last. */
typedef struct GivenNames
{
	int			step;			/* -1: none yet */
	bool		any;			/* perhaps any name */
	NameTable	names;
} GivenNames;

/* What gives names, while warnings are made. */
typedef struct Givers
{
	GivenNames	inputs;
	GivenNames	items;
} Givers;

/* Names that every template of a step sees, besides steps and workload keys. */
static const char *const common_roots[] = {
	"workload", "work", "context", "results", "execution_id", "job", "path", "version",
	NULL
};

static const char *const input_roots[] = {"data", "input", "args", NULL};
static const char *const result_roots[] = {"result", "this", "error", NULL};
static const char *const retry_roots[] = {
	"error", "result", "this", "response", "status_code", "success", "attempt", NULL
};
static const char *const save_roots[] = {
	"result", "this", "response", "params", "results", "count", "child_execution_id",
	"step", NULL
};
static const char *const item_roots[] = {
	"_loop", "index", "parent", "batch", "result", NULL
};

/* Strings with these names reach the worker as they are. */
#define CREDENTIAL_HINT "Write auth: name, and noetl-worker adds the credential of that name; only workers of your own render such names."

/* Names by which other engines, or NoETL v2, call something that we have. */
static const struct
{
	const char *name;
	char	   *hint;
}			foreign_roots[] = {
	{"event", "Events have no name in conditions: \"next\" follows success, on_error follows a failure."},
	{"outcome", "Write result for the value of the step, and on_error for its failure."},
	{"output", "Write result, or the name of the step."},
	{"response", "Write result, or the name of the step."},
	{"ctx", "Write workload.x, or the name of the step that has the value."},
	{"vars", "Write workload.x, or the name of the step that has the value."},
	{"iter", "Name the item yourself, with element, and use that name."},
	{"item", "Name the item yourself, with element, and use that name."},
	{"_prev", "Write the name of the step whose value it is."},
	{"_task", "Write the name of the step whose value it is."},
	{"steps", "Write the name of the step itself: its value is called that."},
	{"tasks", "Write the name of the step itself: its value is called that."},
	{"workflow", "Write workload.x for what the execution was started with, the name of a step for its value."},
	{"inputs", "Write workload.x for what the execution was started with."},
	{"params", "Write workload.x for what the execution was started with, args.x for the input of the step."},
	{"token", "Write auth: name, and the worker adds the token of that credential."},
	{"secret", CREDENTIAL_HINT},
	{"secrets", CREDENTIAL_HINT},
	{"credential", CREDENTIAL_HINT},
	{"credentials", CREDENTIAL_HINT},
	{"keychain", CREDENTIAL_HINT},
};

/* Returns whether the workload has a key; called in the memory of the compiler. */
static bool
workload_has(Compiler *compiler, const char *name)
{
	const YamlNode *workload = playbook_member(compiler->root, "workload");
	NameTable  *keys = &compiler->workload_keys;

	if (workload == NULL || workload->kind != YN_MAP)
		return false;
	for (int i = keys->count; i < workload->count; i++)
		name_table_add(keys, workload->pairs[i].key->string, workload->pairs[i].key->length);
	return name_table_find(keys, name, strlen(name)) >= 0;
}

/* Returns whether every template of the document sees a name. */
static bool
is_common(Compiler *compiler, const char *name)
{
	return key_in(name, common_roots) || strcmp(name, "env") == 0 ||
		workload_has(compiler, name) ||
		playbook_find_step(compiler->playbook, name, strlen(name)) >= 0 ||
		name_table_find(&compiler->tasks, name, strlen(name)) >= 0;
}

/* Returns what templates under a key see besides those around it. */
int
playbook_key_sees(const char *key)
{
	if (strcmp(key, "save") == 0 || strcmp(key, "sink") == 0)
		return SEES_SAVE | SEES_INPUT;
	if (strcmp(key, "retry") == 0)
		return SEES_RETRY;
	if (strcmp(key, "task") == 0 || strcmp(key, "where") == 0 || strcmp(key, "order_by") == 0)
		return SEES_ITEM | SEES_INPUT;
	return 0;
}

/* Warns of a name that only a worker has, in a template that the broker renders for itself. */
static void
warn_of_worker_name(Compiler *compiler, const YamlNode *scalar, const Template *template,
					int number, const char *name)
{
	SourceError warning = {0};

	warning.message = psprintf("only a worker knows the name \"%s\"", name);
	warning.hint = "The broker renders this template itself: use the name in the task of a worker, and its result here.";
	template_locate_name(template, number, &warning.line, &warning.column);
	playbook_source_warning(compiler, scalar, &warning);
}

/* Notes the names of a template that may be unknown. */
void
playbook_note_names(Compiler *compiler, const YamlNode *scalar, const Template *template,
					int sees)
{
	/* one of Go has a warning as a whole */
	bool		foreign = playbook_lint_go_template(compiler, scalar);
	MemoryContext caller = MemoryContextSwitchTo(compiler->scratch);
	TemplateNameInfo info;

	for (int i = 0; template_name(template, i, &info); i++)
	{
		NameUse    *use;

		if (info.free && key_in(info.name, playbook_worker_names))
			compiler->playbook->uses_worker_names = true;
		if (info.free && !info.optional && strcmp(info.name, "env") == 0 &&
			((compiler->sees | sees) & SEES_BROKER))
			warn_of_worker_name(compiler, scalar, template, i, info.name);
		if (!info.free || foreign || is_common(compiler, info.name))
			continue;
		use = palloc(sizeof(NameUse));
		use->scalar = scalar;
		use->template = template;
		use->number = i;
		use->name = pnstrdup(info.name, info.length);
		use->optional = info.optional;
		use->step = compiler->at_step;
		use->sees = compiler->sees | sees;
		compiler->uses = lappend(compiler->uses, use);
	}
	MemoryContextSwitchTo(caller);
}

/* ---------------------------------------------------------------------------
 * The input of steps
 * ---------------------------------------------------------------------------
 */

/* Begins with the names of a step, unless they are there; returns whether it did. */
static bool
begin_given(GivenNames *given, int step)
{
	if (given->step == step)
		return false;
	name_table_free(&given->names);
	memset(given, 0, sizeof(GivenNames));
	given->step = step;
	return true;
}

/* Adds a name to a set. */
static void
add_given(NameTable *given, const char *name, int length)
{
	if (name_table_find(given, name, length) < 0)
		name_table_add(given, name, length);
}

/* Adds the names that a layer of input gives; one that is a template may give any. */
static void
add_layer(GivenNames *given, const TemplateDoc *layer)
{
	JsonbIterator *it;
	JsonbValue	key;
	JsonbValue	value;

	for (int i = 0; layer->kind == DOC_OBJECT && i < layer->count; i++)
		add_given(&given->names, layer->keys[i].val.string.val, layer->keys[i].val.string.len);
	if (layer->kind == DOC_TEMPLATE)
		given->any = true;
	if (layer->kind != DOC_CONSTANT)
		return;
	add_given(&given->names, "input", strlen("input"));
	if (!json_is_object(&layer->value))
		return;
	it = json_walk(&layer->value);
	while (json_next_member(&it, &key, &value))
		add_given(&given->names, key.val.string.val, key.val.string.len);
}

/* Adds the names that some layers of input give. */
static void
add_input(GivenNames *given, const InputLayers *input)
{
	for (int i = 0; i < input->count; i++)
		add_layer(given, input->layers[i]);
}

/* Adds the names that the input of a step, or what arrives there, gives. */
static void
add_step_input(GivenNames *given, const Step *step, const Playbook *playbook)
{
	ListCell   *lc;

	add_input(given, &step->input);
	if (step->iterator != NULL)
		add_input(given, &step->iterator->body->input);
	foreach(lc, playbook->arrivals[step->index])
	{
		CHECK_FOR_INTERRUPTS();
		add_input(given, lfirst(lc));
	}
}

/*
 * Returns whether the input of a step gives a name, or what arrives there, or that of
 * the step that it compensates.
 */
static bool
input_gives(const Compiler *compiler, const Step *step, const char *name, Givers *givers)
{
	const Playbook *playbook = compiler->playbook;
	GivenNames *given = &givers->inputs;

	if (begin_given(given, step->index))
	{
		add_step_input(given, step, playbook);
		if (step->compensates >= 0)
			add_step_input(given, &playbook->steps[step->compensates], playbook);
	}
	return given->any || name_table_find(&given->names, name, strlen(name)) >= 0;
}

/*
 * Adds the names that a node gives to the items of an iterator or to a save: as an
 * element, as the name of a nested task, or as a member of some input.
 */
static void
collect_given(const YamlNode *node, NameTable *given)
{
	static const char *const naming[] = {"element", "iterator", "name", "task", NULL};

	check_stack_depth();
	for (int i = 0; i < node->count; i++)
	{
		const YamlNode *child = node->kind == YN_LIST ? node->items[i] : node->pairs[i].value;
		const char *key = node->kind == YN_LIST ? "" : node->pairs[i].key->string;

		CHECK_FOR_INTERRUPTS();
		if (key_in(key, naming) && child->kind == YN_STRING)
			add_given(given, child->string, child->length);
		for (int j = 0; child->kind == YN_MAP && key_in(key, step_input_keys) && j < child->count;
			 j++)
			add_given(given, child->pairs[j].key->string, child->pairs[j].key->length);
		collect_given(child, given);
	}
}

/* Returns whether a step gives a name to its items or its save. */
static bool
step_gives(const Compiler *compiler, const Step *step, const char *name, GivenNames *given)
{
	const YamlNode *node = compiler->merged_nodes[step->index];

	if (begin_given(given, step->index) && node != NULL)
		collect_given(node, &given->names);
	return name_table_find(&given->names, name, strlen(name)) >= 0;
}

/* ---------------------------------------------------------------------------
 * Warnings
 * ---------------------------------------------------------------------------
 */

/* Returns whether something gives the name where it is used. */
static bool
is_given(const Compiler *compiler, const NameUse *use, Givers *givers)
{
	const Step *step;

	if (use->step < 0)
		return false;
	step = &compiler->playbook->steps[use->step];
	if (key_in(use->name, input_roots) ||
		((use->sees & SEES_RESULT) && key_in(use->name, result_roots)) ||
		((use->sees & SEES_RETRY) && key_in(use->name, retry_roots)) ||
		((use->sees & SEES_SAVE) && key_in(use->name, save_roots)) ||
		((use->sees & SEES_ITEM) && key_in(use->name, item_roots)) ||
		((use->sees & SEES_SIGNAL) && strcmp(use->name, "signal") == 0))
		return true;
	if (((use->sees & SEES_INPUT) || step->compensates >= 0) &&
		input_gives(compiler, step, use->name, givers))
		return true;
	return (use->sees & (SEES_ITEM | SEES_SAVE)) &&
		step_gives(compiler, step, use->name, &givers->items);
}

/* Returns the known name that another looks like, or NULL. */
static const char *
resembled(Compiler *compiler, const NameUse *use)
{
	const Playbook *playbook = compiler->playbook;
	const YamlNode *workload = playbook_member(compiler->root, "workload");

	if (++compiler->nsuggestions > PLAYBOOK_MAX_SUGGESTIONS)
		return NULL;
	for (int i = 0; common_roots[i] != NULL; i++)
		if (playbook_looks_like(use->name, common_roots[i]))
			return common_roots[i];
	for (int i = 0; workload != NULL && workload->kind == YN_MAP && i < workload->count; i++)
		if (playbook_looks_like(use->name, workload->pairs[i].key->string))
			return workload->pairs[i].key->string;
	for (int i = 0; i < playbook->nsteps; i++)
		if (playbook_looks_like(use->name, playbook->steps[i].name))
			return playbook->steps[i].name;
	for (int i = 0; (use->sees & SEES_RESULT) && result_roots[i] != NULL; i++)
		if (playbook_looks_like(use->name, result_roots[i]))
			return result_roots[i];
	if ((use->sees & SEES_SIGNAL) && playbook_looks_like(use->name, "signal"))
		return "signal";
	if (use->step >= 0 && playbook->steps[use->step].iterator != NULL &&
		playbook->steps[use->step].iterator->element != NULL &&
		playbook_looks_like(use->name, playbook->steps[use->step].iterator->element))
		return playbook->steps[use->step].iterator->element;
	return NULL;
}

/* Returns whether a name with dashes has a part. */
static bool
has_part(const char *name, const char *part)
{
	int			length = strlen(part);

	for (const char *at = strstr(name, part); at != NULL; at = strstr(at + 1, part))
		if ((at == name || at[-1] == '-') && (at[length] == '-' || at[length] == '\0') &&
			(at > name || at[length] != '\0'))
			return true;
	return false;
}

/*
 * Returns how to write the step, or the key of the workload, whose name with dashes has a
 * part; NULL: there is none.
 */
static char *
dashes_hint(const Compiler *compiler, const char *part)
{
	const Playbook *playbook = compiler->playbook;
	const YamlNode *workload = playbook_member(compiler->root, "workload");

	for (int i = 0; i < playbook->nwritten; i++)
		if (has_part(playbook->steps[i].name, part))
			return psprintf("A dash is a minus: write results['%s'].", playbook->steps[i].name);
	for (int i = 0; workload != NULL && workload->kind == YN_MAP && i < workload->count; i++)
		if (has_part(workload->pairs[i].key->string, part))
			return psprintf("A dash is a minus: write workload['%s'].",
							workload->pairs[i].key->string);
	return NULL;
}

/* Returns what to write instead of a name. */
static char *
name_hint(const Compiler *compiler, const NameUse *use, const char *meant)
{
	char	   *hint;

	if (meant != NULL)
		return playbook_did_you_mean(meant);
	for (int i = 0; i < lengthof(foreign_roots); i++)
		if (strcmp(use->name, foreign_roots[i].name) == 0)
			return foreign_roots[i].hint;
	if (key_in(use->name, result_roots))
		return psprintf("It is known when the step has ended: in next, on_error, retry and save. "
						"They hand it on: {step: …, args: {%s: \"{{ %s }}\"}}.",
						use->name, use->name);
	hint = dashes_hint(compiler, use->name);
	if (hint != NULL)
		return hint;
	if (playbook_member(compiler->root, use->name) != NULL)
		return psprintf("Templates do not see the keys of the document: write the members of \"%s\" under workload.",
						use->name);
	return "If it is a start parameter, give it a default in workload.";
}

/* Warns of the names that nothing defines.  Comes after all steps. */
void
playbook_lint_names(Compiler *compiler)
{
	Givers		givers = {.inputs.step = -1, .items.step = -1};
	ListCell   *lc;

	if (compiler->uses == NIL)
		return;
	foreach(lc, compiler->uses)
	{
		NameUse    *use = lfirst(lc);
		const char *meant;
		SourceError warning = {0};

		CHECK_FOR_INTERRUPTS();
		if (compiler->nwarnings >= PLAYBOOK_MAX_ISSUES)
			break;
		if (is_given(compiler, use, &givers))
			continue;
		meant = resembled(compiler, use);
		if (use->optional && meant == NULL)
			continue;
		warning.message = psprintf("no step, workload key or other known name is called \"%s\"",
								   use->name);
		warning.hint = name_hint(compiler, use, meant);
		template_locate_name(use->template, use->number, &warning.line, &warning.column);
		playbook_source_warning(compiler, use->scalar, &warning);
	}
	name_table_free(&givers.inputs.names);
	name_table_free(&givers.items.names);
}
