/*
 * playbook/transition.c
 *		Transitions: all the ways to write "next" become one list.
 *
 *		next: b							next: {step: b, args: {…}}
 *		next: [b, c]					next: {when: c, then: [b], else: [d]}
 *		next: [{when: c, step: b}, {else: [d]}]
 *		next: {spec: {mode: exclusive}, arcs: […]}
 */
#include "common/common.h"

#include "miscadmin.h"

#include "playbook/internal.h"

static bool exclusive_mode(Compiler *compiler, const YamlNode *mode);
static void compile_entry(Compiler *compiler, const YamlNode *node,
						  Transition *entry);
static int	compile_targets(Compiler *compiler, const YamlNode *node,
							const InputLayers *below, Target **targets);
static bool compile_target(Compiler *compiler, const YamlNode *node,
						   const InputLayers *below, Target *target);
static void compile_layers(Compiler *compiler, const YamlNode *map,
						   const InputLayers *below, InputLayers *input);
static void warn_missing_else(Compiler *compiler, const YamlNode *entries,
							  const TransitionList *list);

/* Compiles the "next" of a step, or its list of failure transitions. */
void
playbook_compile_next(Compiler *compiler, const YamlNode *node,
					  const YamlNode *mode, TransitionList *list)
{
	const YamlNode *entries = node;
	int			i;

	memset(list, 0, sizeof(TransitionList));
	if (node != NULL && node->kind == YN_MAP &&
		yaml_member(node, "arcs") != NULL)
	{
		const YamlNode *spec = playbook_member(node, "spec");

		playbook_lint_arcs(compiler, node);
		if (spec != NULL && spec->kind != YN_MAP)
			playbook_issue(compiler, ISSUE_WARNING, ERRCODE_WARNING, spec,
						   "Write spec: {mode: exclusive}.", "a spec that is no map has no effect");
		if (playbook_member(spec, "mode") != NULL)
			mode = playbook_member(spec, "mode");
		entries = playbook_member(node, "arcs");
	}
	if (mode != NULL)
		list->exclusive = exclusive_mode(compiler, mode);
	if (entries == NULL || (entries->kind == YN_MAP && entries->count == 0))
		return;
	if (entries->kind != YN_LIST)
	{
		list->count = 1;
		list->entries = palloc0(sizeof(Transition));
		compile_entry(compiler, entries, &list->entries[0]);
		return;
	}
	list->count = entries->count;
	list->entries = palloc0(sizeof(Transition) * (list->count + 1));
	for (i = 0; i < entries->count; i++)
	{
		CHECK_FOR_INTERRUPTS();
		compile_entry(compiler, entries->items[i], &list->entries[i]);
	}
	if (!list->exclusive)
		warn_missing_else(compiler, entries, list);
}

/* Reads next_mode: returns whether the first match is the only one. */
static bool
exclusive_mode(Compiler *compiler, const YamlNode *mode)
{
	char	   *text = playbook_scalar_text(mode);

	if (text != NULL && pg_strcasecmp(text, "exclusive") == 0)
		return true;
	if (text == NULL || pg_strcasecmp(text, "inclusive") != 0)
		playbook_issue(compiler, ISSUE_ERROR, ERRCODE_INVALID_OBJECT_DEFINITION,
					   mode, "It is exclusive or inclusive.",
					   "unknown mode \"%s\"", text ? text : "");
	return false;
}

/* Warns of a key that another one hides. */
static void
warn_hidden(Compiler *compiler, const YamlNode *map, const char *hidden, const char *by)
{
	const YamlNode *value = playbook_member(map, hidden);

	if (value != NULL && playbook_member(map, by) != NULL)
		playbook_issue(compiler, ISSUE_WARNING, ERRCODE_WARNING, value,
					   "Write all of it under one of the two keys.",
					   "the key \"%s\" has no effect beside \"%s\"", hidden, by);
}

/* Compiles one entry: a target, or a condition with targets. */
static void
compile_entry(Compiler *compiler, const YamlNode *node, Transition *entry)
{
	const YamlNode *then = playbook_member(node, "then");
	const YamlNode *otherwise = playbook_member(node, "else");
	const YamlNode *when = NULL;
	InputLayers below = {0};

	if (node->kind == YN_MAP)
	{
		when = yaml_member(node, "when");
		if (when == NULL)
			when = yaml_member(node, "condition");
		entry->when = playbook_compile_condition(compiler, when);
		warn_hidden(compiler, node, "condition", "when");
		warn_hidden(compiler, node, "step", "then");
	}
	if (then == NULL && otherwise == NULL)
	{
		entry->ntargets = compile_targets(compiler, node, NULL, &entry->targets);
		return;
	}
	compile_layers(compiler, node, NULL, &below);
	playbook_lint_target(compiler, node);
	if (then != NULL)
		entry->ntargets = compile_targets(compiler, then, &below,
										  &entry->targets);
	else if (playbook_member(node, "step") != NULL)
	{
		entry->targets = palloc0(sizeof(Target));
		entry->ntargets = compile_target(compiler, node, NULL,
										 &entry->targets[0]) ? 1 : 0;
	}
	if (otherwise == NULL)
		return;
	entry->has_else = entry->when != NULL;
	if (entry->when != NULL)
		entry->nelse = compile_targets(compiler, otherwise, &below,
									   &entry->else_targets);
	else if (entry->ntargets == 0)
	{
		entry->is_else = true;
		entry->ntargets = compile_targets(compiler, otherwise, &below,
										  &entry->targets);
	}
	else
		playbook_issue(compiler, ISSUE_WARNING, ERRCODE_WARNING, otherwise,
					   "Give the entry a \"when\".",
					   "\"else\" of an entry without condition is never taken");
}

/* Compiles a target or a list of targets; returns their number. */
static int
compile_targets(Compiler *compiler, const YamlNode *node,
				const InputLayers *below, Target **targets)
{
	int			count = 0;
	int			i;

	if (node->kind != YN_LIST)
	{
		*targets = palloc0(sizeof(Target));
		return compile_target(compiler, node, below, *targets) ? 1 : 0;
	}
	*targets = palloc0(sizeof(Target) * (node->count + 1));
	for (i = 0; i < node->count; i++)
	{
		CHECK_FOR_INTERRUPTS();
		if (compile_target(compiler, node->items[i], below, &(*targets)[count]))
			count++;
	}
	return count;
}

/* Compiles one target; false after an issue. */
static bool
compile_target(Compiler *compiler, const YamlNode *node,
			   const InputLayers *below, Target *target)
{
	const YamlNode *where = node->kind == YN_MAP ?
		playbook_member(node, "step") : node;
	char	   *name = playbook_scalar_text(where);

	if (name == NULL)
	{
		compiler->graph_broken = true;
		playbook_issue(compiler, ISSUE_ERROR, ERRCODE_INVALID_OBJECT_DEFINITION,
					   where ? where : node,
					   playbook_target_hint(node), "the transition names no step");
		return false;
	}
	target->step = playbook_find_step(compiler->playbook, name, strlen(name));
	if (target->step < 0 && playbook_name_is(name, "end"))
		target->step = compiler->end_step;
	if (node->kind == YN_MAP)
	{
		compile_layers(compiler, node, below, &target->input);
		playbook_lint_target(compiler, node);
		if (below != NULL && (yaml_member(node, "when") != NULL ||
							  yaml_member(node, "condition") != NULL))
			playbook_issue(compiler, ISSUE_WARNING, ERRCODE_WARNING, node,
						   "Make it an entry of \"next\".",
						   "a condition inside \"then\" or \"else\" is ignored");
	}
	else if (below != NULL)
		target->input = *below;
	if (target->step >= 0)
		return true;
	/* without a step of that name the branch ends here */
	if (playbook_name_is(name, "end"))
		return false;
	compiler->graph_broken = true;
	playbook_issue(compiler, ISSUE_ERROR, ERRCODE_UNDEFINED_OBJECT, where,
				   playbook_looks_like(name, "end") ? playbook_did_you_mean("end") :
				   playbook_suggest_step(compiler, name),
				   "step \"%s\" does not exist", name);
	return false;
}

/* Compiles the input of a target, laid over that of its entry. */
static void
compile_layers(Compiler *compiler, const YamlNode *map,
			   const InputLayers *below, InputLayers *input)
{
	int			i;

	input->layers = palloc(sizeof(TemplateDoc *) *
						   (TARGET_INPUT_KEYS + (below ? below->count : 0)));
	for (i = 0; below != NULL && i < below->count; i++)
		input->layers[input->count++] = below->layers[i];
	for (i = 0; target_input_keys[i] != NULL; i++)
	{
		const YamlNode *value = playbook_member(map, target_input_keys[i]);

		if (value != NULL)
			input->layers[input->count++] = playbook_compile_doc(compiler, value);
	}
}

/*
 * Warns of an unconditional entry beside a "when": it is taken as well, which
 * is rarely meant.
 */
static void
warn_missing_else(Compiler *compiler, const YamlNode *entries,
				  const TransitionList *list)
{
	bool		conditional = false;
	int			i;

	for (i = 0; i < list->count; i++)
		conditional = conditional || list->entries[i].when != NULL;
	for (i = 0; conditional && i < list->count; i++)
		if (list->entries[i].when == NULL && !list->entries[i].is_else)
		{
			playbook_issue(compiler, ISSUE_WARNING, ERRCODE_WARNING,
						   entries->items[i],
						   "Did you mean \"else\"? Or set next_mode: exclusive.",
						   "an entry without \"when\" is taken whatever the conditions beside it say");
			return;
		}
}

/* Adds the inputs that a list of transitions gives to targets. */
static void
add_arrivals(Playbook *playbook, const Target *targets, int ntargets)
{
	for (int i = 0; i < ntargets; i++)
		if (targets[i].input.count > 0)
			playbook->arrivals[targets[i].step] =
				lappend(playbook->arrivals[targets[i].step],
						unconstify(InputLayers *, &targets[i].input));
}

/* Fills in the inputs that transitions give to each step (playbook/internal.h). */
void
playbook_find_arrivals(Playbook *playbook)
{
	playbook->arrivals = palloc0(sizeof(List *) * playbook->nsteps);
	for (int i = 0; i < playbook->nsteps; i++)
	{
		const TransitionList *lists[] = {
			&playbook->steps[i].next, &playbook->steps[i].on_error_next
		};

		CHECK_FOR_INTERRUPTS();
		for (int j = 0; j < lengthof(lists); j++)
			for (int k = 0; k < lists[j]->count; k++)
			{
				const Transition *entry = &lists[j]->entries[k];

				add_arrivals(playbook, entry->targets, entry->ntargets);
				add_arrivals(playbook, entry->else_targets, entry->nelse);
			}
	}
}
