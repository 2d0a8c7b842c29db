/*
 * playbook/foreign.c
 *		Keys that NoETL v2 or another workflow engine understands and this broker
 *		does not, and what to write instead.
 */
#include "common/common.h"

#include "playbook/internal.h"

#define SCHEDULE_HINT "Call noetl.schedule(name, path, cron), or start the playbook from cron with noetl.execute()."
#define TRIGGER_HINT "Call noetl.schedule() or noetl.on_change(), or start the playbook with noetl.execute()."
#define RETRY_HINT "Write retry: {max_attempts: 3}."
#define TIMEOUT_HINT "Write timeout: 90, or timeout: 5 minutes."
#define LOOP_HINT "Write loop: {collection: …, element: item}."
#define DEPENDS_HINT "Name what follows, not what comes before: next on the other step; join: all waits."

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
	{"schedule", SCHEDULE_HINT},
	{"cron", SCHEDULE_HINT},
	{"delay", "Add a step before it: {step: pause, type: wait, for: 5}; retry has initial_delay."},
	{"wait", "Add a step before it: {step: pause, type: wait, for: 5}; retry has initial_delay."},
	{"rate_limit", "Write limits: [{name: …, rate: {limit: 100, per: minute}}]."},
	{"depends_on", DEPENDS_HINT},
	{"dependsOn", DEPENDS_HINT},
	{"depends", DEPENDS_HINT},
	{"dependencies", DEPENDS_HINT},
	{"needs", DEPENDS_HINT},
	{"if", "Write when: \"{{ … }}\"."},
	{"unless", "Write pass: \"{{ … }}\", which skips the step."},
	{"skip", "Write pass: \"{{ … }}\", which skips the step."},
	{"until", "Write retry: {retry_when: \"{{ … }}\"}, or a transition back to the step."},
	{"while", "Write a transition back to the step: next: [{when: …, then: [this step]}, …]."},
	{"for_each", LOOP_HINT},
	{"foreach", LOOP_HINT},
	{"forEach", LOOP_HINT},
	{"with_items", LOOP_HINT},
	{"withItems", LOOP_HINT},
	{"withParam", LOOP_HINT},
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
	{"continue-on-error", "Write on_error: continue."},
	{"continueOnFail", "Write on_error: continue."},
	{"retries", RETRY_HINT},
	{"max_retries", RETRY_HINT},
	{"max_attempts", RETRY_HINT},
	{"retry_delay", RETRY_HINT},
	{"retry_policy", RETRY_HINT},
	{"retryPolicy", RETRY_HINT},
	{"retry_strategy", RETRY_HINT},
	{"retryStrategy", RETRY_HINT},
	{"retryOnFail", RETRY_HINT},
	{"maxTries", RETRY_HINT},
	{"compensation", "Write compensate: the task that undoes the step."},
	{"rollback", "Write compensate: the task that undoes the step."},
	{"undo", "Write compensate: the task that undoes the step."},
	{"trigger_rule", "Write join: all (or any, each), and on_error for what follows a failure."},
	{"on_timeout", "A timeout is a failure: write on_error: {step: handler}."},
	{"timeout_seconds", TIMEOUT_HINT},
	{"timeout_minutes", TIMEOUT_HINT},
	{"timeout-minutes", TIMEOUT_HINT},
	{"execution_timeout", TIMEOUT_HINT},
	{"start_to_close_timeout", TIMEOUT_HINT},
	{"startToCloseTimeout", TIMEOUT_HINT},
	{"activeDeadlineSeconds", TIMEOUT_HINT},
	{"parameters", "Write args: it is the input of the step."},
	{"arguments", "Write args: it is the input of the step."},
	{"kwargs", "Write args: it is the input of the step."},
	{"op_kwargs", "Write args: it is the input of the step."},
	{"query_params", "Write params."},
	{"verb", "Write method."},
	{"else", "Write the conditions under next: [{when: …, then: […]}, {else: […]}]."},
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
	{"schedule", SCHEDULE_HINT},
	{"schedules", SCHEDULE_HINT},
	{"triggers", TRIGGER_HINT},
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
	{"on", TRIGGER_HINT},
	{"true", TRIGGER_HINT},		/* what YAML 1.1 makes of "on" */
	{"concurrency", "Write limits: [{name: …, concurrency: 5}]."},
	{"cron", SCHEDULE_HINT},
	{"retry", "Write retry on the steps."},
	{"on_error", "Write on_error on the steps."},
	{"delay", "Write retry with initial_delay on the steps."},
	{"rate_limit", "Write limits: [{name: …, rate: {limit: 100, per: minute}}]."},
	{NULL, NULL}
};

/* Keys of a transition. */
static const ForeignKey target_foreign_keys[] = {
	{"set", "Write data: it is the input of the step that follows."},
	{"if", "Write when: \"{{ … }}\"."},
	{"unless", "Write when: \"{{ not … }}\"."},
	{"delay", "Add a step before it: {step: pause, type: wait, for: 5}."},
	{"on", "next follows success, on_error a failure: write when: \"{{ … }}\" for other conditions."},
	{"true", "next follows success, on_error a failure: write when: \"{{ … }}\" for other conditions."},
	{"next", "Write step: name, or then: [names]."},
	{"goto", "Write step: name."},
	{"target", "Write step: name."},
	{"params", "Write data: it is the input of the step that follows."},
	{NULL, NULL}
};

/* Keys of a loop. */
static const ForeignKey loop_foreign_keys[] = {
	{"spec", "Write mode and concurrency beside the collection."},
	{"max_in_flight", "Write concurrency."},
	{"max_concurrency", "Write concurrency."},
	{"max_parallel", "Write concurrency."},
	{"until", "Write limit, or a transition back to a step that does one item."},
	{"enumerate", "The index of an item is {{ index }}."},
	{"parallel", "Write mode: async."},
	{"batch", "Write chunk."},
	{"batch_size", "Write chunk."},
	{"continue_on_error", "Write on_error: continue."},
	{"items", "Write in, or collection."},
	{"item", "Write iterator, or element."},
	{"as", "Write iterator, or element."},
	{NULL, NULL}
};

/* Returns whether a table has a key. */
static bool
is_in(const char *key, const ForeignKey *known)
{
	for (const ForeignKey *foreign = known; foreign->key != NULL; foreign++)
		if (strcmp(key, foreign->key) == 0)
			return true;
	return false;
}

/* Warns of keys of a map that are in a table, and not in another one (or NULL). */
static void
warn_but(Compiler *compiler, const YamlNode *map, const ForeignKey *known,
		 const ForeignKey *others)
{
	for (int i = 0; i < map->count; i++)
	{
		const YamlNode *key = map->pairs[i].key;

		for (const ForeignKey *foreign = known; foreign->key != NULL; foreign++)
			if (strcmp(key->string, foreign->key) == 0 &&
				(others == NULL || !is_in(key->string, others)))
				playbook_issue(compiler, ISSUE_WARNING, ERRCODE_WARNING, key, foreign->hint,
							   "the key \"%s\" has no effect",
						   strcmp(key->string, "true") == 0 ? "on" : key->string);
	}
}

/* Warns of keys of a map that are in a table. */
static void
warn(Compiler *compiler, const YamlNode *map, const ForeignKey *known)
{
	warn_but(compiler, map, known, NULL);
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
		"workbook", "sql", NULL
	};

	return type_is_control(type) || key_in(type, types);
}

/* Returns whether a key of a step of a type means something elsewhere and nothing here. */
bool
playbook_key_is_foreign(const char *key, const char *type)
{
	return playbook_type_is_ours(type) && is_in(key, body_keys);
}

/* Returns whether a key of a document means something elsewhere and nothing here. */
bool
playbook_key_is_foreign_head(const char *key)
{
	return is_in(key, head_keys);
}

/* Returns whether a key of a transition means something elsewhere and nothing here. */
bool
playbook_key_is_foreign_target(const char *key)
{
	return is_in(key, target_foreign_keys);
}

/* Returns whether a key of a loop means something elsewhere and nothing here. */
bool
playbook_key_is_foreign_loop(const char *key)
{
	return is_in(key, loop_foreign_keys);
}

/* Warns of keys of a step that mean something elsewhere. */
void
playbook_lint_foreign_step(Compiler *compiler, const YamlNode *step)
{
	warn(compiler, step, body_keys);
}

/* The same for a step that is an iterator: keys of loops mean something elsewhere, too. */
void
playbook_lint_foreign_iterator(Compiler *compiler, const YamlNode *step)
{
	warn(compiler, step, loop_foreign_keys);
	warn_but(compiler, step, body_keys, loop_foreign_keys);
}

/* Warns of keys of a document that mean something elsewhere. */
void
playbook_lint_foreign_document(Compiler *compiler, const YamlNode *root)
{
	warn(compiler, root, head_keys);
}

/* Warns of keys of a transition or a target that mean something elsewhere. */
void
playbook_lint_foreign_target(Compiler *compiler, const YamlNode *map)
{
	warn(compiler, map, target_foreign_keys);
}

/* Warns of keys of a loop that mean something elsewhere. */
void
playbook_lint_foreign_loop(Compiler *compiler, const YamlNode *loop)
{
	warn(compiler, loop, loop_foreign_keys);
}

/* Returns what we call a type of steps of other engines, or NULL. */
const char *
playbook_foreign_type(const char *type)
{
	static const struct
	{
		const char *foreign;
		const char *ours;
	}			types[] = {
		{"bash", "shell"}, {"sh", "shell"}, {"run", "shell"},
		{"psql", "postgres"}, {"pg", "postgres"}, {"postgresql", "postgres"},
		{"sleep", "wait"}, {"delay", "wait"}, {"timer", "wait"}, {"approval", "wait"},
		{"workflow", "playbook"}, {"subworkflow", "playbook"}, {"sub_workflow", "playbook"},
		{"rest", "http"}, {"py", "python"},
		{"loop", "iterator"}, {"foreach", "iterator"}, {"for_each", "iterator"},
		{"if", "router"}, {"switch", "router"}, {"branch", "router"}, {"condition", "router"},
	};

	for (int i = 0; i < lengthof(types); i++)
		if (strcmp(type, types[i].foreign) == 0)
			return types[i].ours;
	return NULL;
}

/* Returns whether text behind the beginning of a tag is what only Go's templates have. */
static bool
is_go(const char *text)
{
	static const char *const words[] = {
		"range", "with", "template", "include", "define", "block", "printf", "default", "toYaml"
	};

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

/* Warns of a template of Go that happens to be one of ours, too; returns whether it is one. */
bool
playbook_lint_go_template(Compiler *compiler, const YamlNode *scalar)
{
	char	   *hint = playbook_go_template_hint(scalar->string);

	if (hint != NULL)
		playbook_issue(compiler, ISSUE_WARNING, ERRCODE_WARNING, scalar, hint,
					   "the template means something else here");
	return hint != NULL;
}
