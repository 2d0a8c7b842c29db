/*
 * playbook/foreign.c
 *		Keys that NoETL v2 or another workflow engine understands and this broker
 *		does not, and what to write instead.
 */
#include "common/common.h"

#include "playbook/internal.h"

typedef struct ForeignKey
{
	const char *key;
	char	   *hint;
} ForeignKey;

/* Keys of a step. */
static const ForeignKey body_keys[] = {
	{"case", "Write the conditions under next: [{when: …, then: […]}, {else: […]}]."},
	{"set", "Use {{ step_name.x }} where the value is needed, or pass it with next: {step: …, data: {…}}."},
	{"vars", "Put constants into workload, and values of a step into its result."},
	{"keychain", "Name the credential where it is used: auth: name."},
	{"policy", "Write retry, timeout and on_error on the step itself."},
	{"schedule", "Start the playbook from cron or pg_cron with noetl.execute()."},
	{"cron", "Start the playbook from cron or pg_cron with noetl.execute()."},
	{"delay", "Add a step before it: {step: pause, type: wait, for: 5}; retry has initial_delay."},
	{"wait", "Add a step before it: {step: pause, type: wait, for: 5}; retry has initial_delay."},
	{"rate_limit", "Use an iterator with concurrency, or retry with initial_delay."},
	{"depends_on", "Name what follows, not what comes before: next on the other step; join: all waits."},
	{"dependencies", "Name what follows, not what comes before: next on the other step; join: all waits."},
	{"needs", "Name what follows, not what comes before: next on the other step; join: all waits."},
	{"if", "Write when: \"{{ … }}\"."},
	{"unless", "Write pass: \"{{ … }}\", which skips the step."},
	{"skip", "Write pass: \"{{ … }}\", which skips the step."},
	{"until", "Write retry: {retry_when: \"{{ … }}\"}, or a transition back to the step."},
	{"while", "Write a transition back to the step: next: [{when: …, then: [this step]}, …]."},
	{"for_each", "Write loop: {collection: …, element: item}."},
	{"foreach", "Write loop: {collection: …, element: item}."},
	{"with_items", "Write loop: {collection: …, element: item}."},
	{"register", "The value of a step is known by the name of the step."},
	{"output", "The value of a step is known by the name of the step."},
	{"outputs", "The value of a step is known by the name of the step."},
	{"parallel", "List several steps under next: they run side by side."},
	{"branches", "List several steps under next: they run side by side."},
	{"switch", "Write the conditions under next: [{when: …, then: […]}, {else: […]}]."},
	{"catch", "Write on_error: {step: handler}."},
	{"rescue", "Write on_error: {step: handler}."},
	{"on_failure", "Write on_error: {step: handler}."},
	{"on_success", "Write next."},
	{"ignore_errors", "Write on_error: continue."},
	{"continue_on_error", "Write on_error: continue."},
	{"retries", "Write retry: {max_attempts: 3}."},
	{"uses", "Write tool: and the parameters beside it."},
	{"run", "Write tool: shell and command: …."},
	{"spec", "Write retry, timeout and on_error on the step itself."},
	{"steps", "Put the steps into a playbook of their own, and call it: tool: playbook, path: …."},
	{NULL, NULL}
};

/* Keys of a document. */
static const ForeignKey head_keys[] = {
	{"keychain", "Name the credential where it is used: auth: name."},
	{"vars", "Write them under workload."},
	{"variables", "Write them under workload."},
	{"inputs", "Write them under workload, with their defaults."},
	{"parameters", "Write them under workload, with their defaults."},
	{"params", "Write them under workload, with their defaults."},
	{"spec", "Write what templates refer to under workload."},
	{"outputs", "Write result: on the step end."},
	{"schedule", "Start the playbook from cron or pg_cron with noetl.execute()."},
	{"schedules", "Start the playbook from cron or pg_cron with noetl.execute()."},
	{"triggers", "Start the playbook from cron, or insert an execution_start event."},
	{"policy", "Write retry, timeout and on_error on the steps."},
	{"executor", "Workers take the tasks that they can do; tell them with --types."},
	{"jobs", "List the steps under workflow."},
	{"stages", "List the steps under workflow."},
	{"dag", "List the steps under workflow."},
	{"case", "Write the conditions under next of a step: [{when: …, then: […]}, {else: […]}]."},
	{"set", "Write values under workload."},
	{"secrets", "Name the credential where it is used: auth: name."},
	{"credentials", "Name the credential where it is used: auth: name."},
	{"env", "Write values under workload; env of a shell task sets variables."},
	{"on", "Start the playbook from cron, or insert an execution_start event."},
	{"cron", "Start the playbook from cron or pg_cron with noetl.execute()."},
	{"retry", "Write retry on the steps."},
	{"on_error", "Write on_error on the steps."},
	{"delay", "Write retry with initial_delay on the steps."},
	{"rate_limit", "Use an iterator with concurrency, or retry with initial_delay."},
	{NULL, NULL}
};

/* Warns of keys of a map that are in a table. */
static void
warn(Compiler *compiler, const YamlNode *map, const ForeignKey *known)
{
	for (int i = 0; i < map->count; i++)
	{
		const YamlNode *key = map->pairs[i].key;

		for (const ForeignKey *foreign = known; foreign->key != NULL; foreign++)
			if (strcmp(key->string, foreign->key) == 0)
				playbook_issue(compiler, ISSUE_WARNING, ERRCODE_WARNING, key, foreign->hint,
							   "the key \"%s\" has no effect", key->string);
	}
}

/*
 * Returns whether steps of a type are done by the broker or by workers of NoETL here.
 * A worker of the author's own may understand any key.
 */
bool
playbook_type_is_ours(const char *type)
{
	static const char *const types[] = {
		"python", "postgres", "shell", "http", "duckdb", "iterator", "save", "playbook",
		"workbook", NULL
	};

	return type_is_control(type) || key_in(type, types);
}

/* Returns whether a key of a step of a type means something elsewhere and nothing here. */
bool
playbook_key_is_foreign(const char *key, const char *type)
{
	if (!playbook_type_is_ours(type))
		return false;
	for (const ForeignKey *foreign = body_keys; foreign->key != NULL; foreign++)
		if (strcmp(key, foreign->key) == 0)
			return true;
	return false;
}

/* Returns whether a key of a document means something elsewhere and nothing here. */
bool
playbook_key_is_foreign_head(const char *key)
{
	for (const ForeignKey *foreign = head_keys; foreign->key != NULL; foreign++)
		if (strcmp(key, foreign->key) == 0)
			return true;
	return false;
}

/* Warns of keys of a step that mean something elsewhere. */
void
playbook_lint_foreign_step(Compiler *compiler, const YamlNode *step)
{
	warn(compiler, step, body_keys);
}

/* Warns of keys of a document that mean something elsewhere. */
void
playbook_lint_foreign_document(Compiler *compiler, const YamlNode *root)
{
	warn(compiler, root, head_keys);
}

/* Returns whether text behind the beginning of a tag is what only Go's templates have. */
static bool
is_go(const char *text)
{
	static const char *const words[] = {"range", "with", "template", "include", "define", "block"};

	if (text[0] == '.' || text[0] == '$' || strncmp(text, "if ", 3) == 0)
		return true;
	for (int i = 0; i < lengthof(words); i++)
	{
		int			length = strlen(words[i]);

		if (strncmp(text, words[i], length) == 0 && text[length] == ' ' &&
			strchr(".$\"`", text[length + 1]) != NULL && text[length + 1] != '\0')
			return true;
	}
	return false;
}

/*
 * Returns what to write instead of a template of Go, as Helm and Argo have them;
 * NULL: the text has none.
 */
char *
playbook_go_template_hint(const char *text)
{
	const char *tag = text;

	while ((tag = strstr(tag, "{{")) != NULL)
	{
		tag += 2;
		tag += strspn(tag, "- \t\r\n");
		if (is_go(tag))
			return "This is a template of Go; write {{ workload.x }}, {% if … %}…{% endif %}, {% for x in … %}.";
	}
	return NULL;
}

/* Warns of a template of Go that happens to be one of ours, too. */
void
playbook_lint_go_template(Compiler *compiler, const YamlNode *scalar)
{
	char	   *hint = playbook_go_template_hint(scalar->string);

	if (hint != NULL)
		playbook_issue(compiler, ISSUE_WARNING, ERRCODE_WARNING, scalar, hint,
					   "the template means something else here");
}
