/*
 * playbook/wait.c
 *		Steps of type wait: what they wait for.
 *
 *		for, until     time
 *		signal         a name, or several; key and accept narrow them down
 */
#include "common/common.h"

#include "miscadmin.h"

#include "playbook/duration.h"
#include "playbook/internal.h"
#include "playbook/moment.h"

/* Returns whether a value can be checked now, as it is no template. */
static bool
is_constant(const YamlNode *node)
{
	return node->kind != YN_STRING || !template_has_tags(node->string, node->length);
}

/* Reports an error of one of the values of a wait. */
static void
wait_error(Compiler *compiler, const YamlNode *node, char *hint, const char *error)
{
	playbook_issue(compiler, ISSUE_ERROR, ERRCODE_INVALID_OBJECT_DEFINITION,
				   node, hint, "%s", error);
}

/* Checks the time of a wait, as far as it can be checked now. */
static void
check_time(Compiler *compiler, const YamlNode *span, const YamlNode *until)
{
	JsonbValue	value;
	int64		us;
	TimestampTz moment;
	char	   *error = NULL;

	if (span != NULL && is_constant(span))
	{
		yaml_to_json(span, &value);
		if (!wait_span_parse(&value, &us, &error))
			wait_error(compiler, span, "Write seconds or an interval: 30, 1.5, \"2 days\".", error);
		else if (us == 0 && playbook_scalar_text(span)[0] == '-')
			playbook_issue(compiler, ISSUE_WARNING, ERRCODE_WARNING, span,
						   "Write how long it is from the start of the wait, or until: a time.",
						   "the wait is over at once: its time span is negative");
	}
	error = NULL;
	if (until != NULL && is_constant(until))
	{
		yaml_to_json(until, &value);
		if (value.type != jbvString)
			error = "until must be the text of a time";
		else
			(void) moment_parse(pnstrdup(value.val.string.val, value.val.string.len),
								NULL, &moment, &error);
		if (error != NULL)
			wait_error(compiler, until, "Write a time, such as \"2030-01-31 12:00+01\".", error);
	}
}

/* Checks the signals of a wait: a name, or a list of names or templates. */
static void
check_signals(Compiler *compiler, const YamlNode *node)
{
	static char *const hint = "Write a name or a list of names: signal: [approve, reject].";

	if (node->kind == YN_LIST)
	{
		if (node->count == 0)
			wait_error(compiler, node, hint, "the list of signals is empty");
		for (int i = 0; i < node->count; i++)
			if (node->items[i]->kind != YN_STRING || node->items[i]->length == 0)
				wait_error(compiler, node->items[i], hint, "the name of a signal must be text");
	}
	else if (node->kind != YN_STRING || node->length == 0)
		wait_error(compiler, node, hint, "the name of a signal must be text");
}

/* Warns of keys that mean nothing to a wait. */
static void
lint_keys(Compiler *compiler, const StepSource *source)
{
	for (int i = 0; i < source->node->count; i++)
	{
		const YamlNode *key = source->node->pairs[i].key;
		char	   *hint = NULL;

		CHECK_FOR_INTERRUPTS();
		if (key_in(key->string, wait_keys))
			continue;
		for (int k = 0; hint == NULL && wait_keys[k] != NULL; k++)
			if (playbook_looks_like(key->string, wait_keys[k]) &&
				yaml_member(source->node, wait_keys[k]) == NULL)
				hint = playbook_did_you_mean(wait_keys[k]);
		playbook_issue(compiler, ISSUE_WARNING, ERRCODE_WARNING, key,
					   hint != NULL ? hint :
					   "A wait has: for, until, signal, key, accept, timeout, and what every step has.",
					   "\"%s\" has no meaning in a wait", key->string);
	}
}

/* Reports keys that a wait cannot have, or not without others. */
static void
check_keys(Compiler *compiler, const StepSource *source, const YamlNode *signal)
{
	static const char *const saves[] = {"save", "sink", NULL};
	static const char *const of_signal[] = {"key", "accept", NULL};
	const YamlNode *save = playbook_first_member(source->merged, saves);

	if (save != NULL)
		wait_error(compiler, save, "Save in a step after it: its value is called like the wait.",
				   "a wait saves nothing");
	if (playbook_member(source->merged, "retry") != NULL)
		playbook_issue(compiler, ISSUE_WARNING, ERRCODE_WARNING,
					   playbook_member(source->merged, "retry"),
					   "Follow the timeout with on_error: a step that leads back here.",
					   "a wait is not retried");
	for (int i = 0; signal == NULL && of_signal[i] != NULL; i++)
		if (playbook_member(source->merged, of_signal[i]) != NULL)
			playbook_issue(compiler, ISSUE_WARNING, ERRCODE_WARNING,
						   playbook_member(source->merged, of_signal[i]),
						   "Add: signal: name.",
						   "\"%s\" has no effect: the wait is for no signal", of_signal[i]);
}

/* Compiles what a step of type wait waits for. */
void
playbook_compile_wait(Compiler *compiler, Step *step, const StepSource *source)
{
	const YamlNode *span = playbook_member(source->merged, "for");
	const YamlNode *until = playbook_member(source->merged, "until");
	const YamlNode *signal = playbook_member(source->merged, "signal");
	const YamlNode *key = playbook_member(source->merged, "key");
	WaitSpec   *wait = palloc0(sizeof(WaitSpec));
	int			sees = compiler->sees;

	if (span == NULL && until == NULL && signal == NULL)
		wait_error(compiler, source->type_node ? source->type_node : source->node,
				   "Add for: a time span, until: a time, or signal: a name.",
				   "the wait does not say what it waits for");
	check_keys(compiler, source, signal);
	check_time(compiler, span, until);
	if (signal != NULL)
		check_signals(compiler, signal);
	if (span != NULL)
		wait->span = playbook_compile_doc(compiler, span);
	if (until != NULL)
		wait->until = playbook_compile_doc(compiler, until);
	if (signal != NULL)
		wait->signal = playbook_compile_doc(compiler, signal);
	if (key != NULL)
		wait->key = playbook_compile_doc(compiler, key);
	compiler->sees = sees | SEES_SIGNAL;
	wait->accept = playbook_compile_condition(compiler,
											  playbook_member(source->merged, "accept"));
	compiler->sees = sees;
	step->wait = wait;
	if (signal != NULL)
		compiler->playbook->takes_signals = true;
	lint_keys(compiler, source);
}
