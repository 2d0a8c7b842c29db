/*
 * playbook/step.c
 *		Compiles one step: how it behaves, what a worker gets to do, with
 *		which input, and what happens when that fails.
 */
#include "common/common.h"

#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/memutils.h"
#include "utils/numeric.h"

#include "playbook/internal.h"

/* The action under construction: where each member came from. */
typedef struct ActionBuilder
{
	TemplateDoc *doc;
	const YamlNode **nodes;		/* by member */
	int			capacity;
} ActionBuilder;

static const YamlNode *find_save(const StepSource *source, const char **key);
static const YamlNode *save_here(const StepSource *source);
static void compile_kind(Step *step, const StepSource *source);
static void compile_work(Compiler *compiler, Step *step,
						 const StepSource *source);
static Step *compile_body(Compiler *compiler, const Step *iterator,
						  const StepSource *source);
static TemplateDoc *compile_save_action(Compiler *compiler,
										const StepSource *source);
static void compile_action(Compiler *compiler, Step *step,
						   const StepSource *source, ActionBuilder *builder);
static void add_member(Compiler *compiler, ActionBuilder *builder,
					   const YamlPair *pair, TemplateDoc *value);
static TemplateDoc *compile_member(Compiler *compiler, const char *type,
								   const YamlPair *pair);
static void add_tool_keys(Compiler *compiler, ActionBuilder *builder,
						  const YamlNode *map);
static void lift_settings(Compiler *compiler, ActionBuilder *builder,
						  const char *type, const YamlNode *merged);
static void add_constant(ActionBuilder *builder, const char *key,
						 const char *text);
static TemplateDoc *compile_saved_data(Compiler *compiler,
									   const StepSource *source);
static bool has_member(const ActionBuilder *builder, const YamlNode *key);
static void compile_input(Compiler *compiler, Step *step,
						  const YamlNode *map, const ActionBuilder *builder);
static void compile_on_error(Compiler *compiler, Step *step,
							 const YamlNode *node);
static void compile_on_lost(Compiler *compiler, Step *step,
							const YamlNode *node);
static RetryPolicy *compile_retry(Compiler *compiler, const YamlNode *node);
static TemplateDoc *retry_number(Compiler *compiler, const YamlNode *node);
static void compile_limits(Compiler *compiler, Step *step,
						   const StepSource *source);
static void take_raw_roots(Compiler *compiler, Step *step);

/* Compiles the step of the given index. */
void
playbook_compile_step(Compiler *compiler, int index)
{
	Step	   *step = &compiler->playbook->steps[index];
	const YamlNode *node = compiler->step_nodes[index];
	const YamlNode *result;
	StepSource	source;

	compiler->at_step = index;
	playbook_resolve_step(compiler, node, step->name, &source);
	playbook_resolve_iterator(compiler, step->name, &source);
	compiler->merged_nodes[index] = source.merged;
	compiler->sees = SEES_RESULT;
	playbook_compile_next(compiler, playbook_member(node, "next"),
						  playbook_member(node, "next_mode"), &step->next);
	compile_on_error(compiler, step, playbook_member(source.merged, "on_error"));
	compile_kind(step, &source);
	if (source.task_name != NULL &&
		playbook_find_step(compiler->playbook, source.task_name,
						   strlen(source.task_name)) < 0)
		step->task_name = pstrdup(source.task_name);
	result = playbook_member(source.merged, "result");
	if (result == NULL)
		result = playbook_member(source.merged, "return");
	if (result != NULL)
	{
		compiler->sees |= SEES_INPUT | SEES_BROKER;
		step->result = playbook_compile_doc(compiler, result);
	}
	compiler->sees = SEES_INPUT;
	step->when = playbook_compile_condition(compiler,
											yaml_member(source.merged, "when"));
	step->pass = playbook_compile_condition(compiler,
											yaml_member(source.merged, "pass"));
	if (source.body != NULL)
	{
		step->iterator = playbook_compile_iterator(compiler, &source);
		step->iterator->continues = step->on_error == ON_ERROR_CONTINUE;
		step->iterator->holds = step->on_error == ON_ERROR_HOLD;
		compiler->sees = SEES_INPUT | SEES_ITEM;
		step->iterator->body = compile_body(compiler, step, source.body);
		compiler->sees = SEES_INPUT;
	}
	if (step->kind == STEP_PLAYBOOK || step->kind == STEP_SQL || step->kind == STEP_SAVE ||
		step->kind == STEP_WAIT)
		compiler->sees |= SEES_BROKER;
	compile_work(compiler, step, &source);
	if (step->kind == STEP_WAIT)
		playbook_compile_wait(compiler, step, &source);
	if (step->is_end && step->result == NULL && step->kind != STEP_SAVE)
	{
		compiler->sees = SEES_INPUT | SEES_SAVE;
		step->save_data = compile_saved_data(compiler, &source);
	}
	compiler->sees = 0;
	compile_limits(compiler, step, &source);
	playbook_lint_step(compiler, step, &source);
}

/* Warns of keys of a compensation that say what follows it. */
static void
lint_compensation(Compiler *compiler, const YamlNode *node)
{
	static const char *const keys[] = {
		"step", "next", "next_mode", "join", "on_error", "pass", "max_visits", "result",
		"return", "loop", "compensate", NULL
	};

	for (int i = 0; i < node->count; i++)
		if (key_in(node->pairs[i].key->string, keys))
			playbook_issue(compiler, ISSUE_WARNING, ERRCODE_WARNING, node->pairs[i].key,
						   "A compensation is followed by that of the step before.",
						   "the key \"%s\" has no effect in a compensation",
						   node->pairs[i].key->string);
}

/* Compiles the compensation of a step. */
void
playbook_compile_compensation(Compiler *compiler, int index, int compensation)
{
	Step	   *of = &compiler->playbook->steps[index];
	Step	   *step = &compiler->playbook->steps[compensation];
	const YamlNode *node = compiler->step_nodes[compensation];
	StepSource	source;

	if (node->kind != YN_MAP)
	{
		playbook_issue(compiler, ISSUE_ERROR, ERRCODE_INVALID_OBJECT_DEFINITION, node,
					   "Write: compensate: {type: http, …}.", "compensate must be a task");
		return;
	}
	if (of->kind == STEP_ROUTER || of->kind == STEP_NOOP || of->kind == STEP_END)
		playbook_issue(compiler, ISSUE_ERROR, ERRCODE_INVALID_OBJECT_DEFINITION, node,
					   NULL, "step \"%s\" does nothing that could be compensated", of->name);
	compiler->at_step = compensation;
	playbook_resolve_step(compiler, node, step->name, &source);
	compiler->merged_nodes[compensation] = source.merged;
	compile_kind(step, &source);
	step->is_end = false;
	step->written_type = step->type;
	if (step->kind != STEP_ACTION && step->kind != STEP_SAVE && step->kind != STEP_SQL &&
		step->kind != STEP_PLAYBOOK)
		playbook_issue(compiler, ISSUE_ERROR, ERRCODE_INVALID_OBJECT_DEFINITION,
					   source.type_node != NULL ? source.type_node : node,
					   "Say what it does: type: http (or python, postgres, sql, playbook ...).",
					   "a compensation is a task");
	compiler->sees = SEES_INPUT | SEES_RESULT;
	step->when = playbook_compile_condition(compiler, yaml_member(source.merged, "when"));
	compile_work(compiler, step, &source);
	compiler->sees = 0;
	if (!step->priority.given)
		step->priority = of->priority;
	if (step->fairness == NULL)
		step->fairness = of->fairness;
	step->compensates = index;
	of->compensation = compensation;
	playbook_lint_task(compiler, node);
	lint_compensation(compiler, node);
}

/*
 * Compiles what a step or the body of an iterator does, with which input, and
 * how often.
 */
static void
compile_work(Compiler *compiler, Step *step, const StepSource *source)
{
	ActionBuilder builder = {0};
	const char *key;
	int			sees = compiler->sees;

	compiler->sees = sees | SEES_SAVE;
	playbook_compile_saves(compiler, step, step->kind == STEP_SAVE ?
						   save_here(source) : find_save(source, &key),
						   step->kind == STEP_SAVE && find_save(source, &key) == NULL);
	step->worker_saves = step->saves == NULL && find_save(source, &key) != NULL;
	compiler->sees = sees;
	if (step->kind == STEP_SQL)
		step->sql = playbook_compile_sql(compiler, source);
	else if (step->kind == STEP_ACTION)
		compile_action(compiler, step, source, &builder);
	else if (step->kind == STEP_PLAYBOOK)
		step->child = playbook_compile_child(compiler, source);
	if (step->kind == STEP_PLAYBOOK || step->kind == STEP_ITERATOR || step->kind == STEP_SQL)
		step->save_action = compile_save_action(compiler, source);
	if (source->task != NULL)
		compile_input(compiler, step, source->task, &builder);
	compile_input(compiler, step, source->own, &builder);
	compiler->sees = sees | SEES_RETRY;
	step->retry = compile_retry(compiler, playbook_member(source->merged, "retry"));
	compiler->sees = sees;
	step->timeout = playbook_compile_timeout(compiler,
											 playbook_member(source->merged, "timeout"));
	step->queue_timeout = playbook_compile_timeout(compiler,
												   playbook_member(source->merged,
																   "queue_timeout"));
	compile_on_lost(compiler, step, playbook_member(source->merged, "on_lost"));
	step->nlimits = playbook_compile_limits(compiler, playbook_member(source->merged, "limits"),
											&step->limits);
	playbook_compile_priority(compiler, playbook_member(source->merged, "priority"),
							  &step->priority);
	step->fairness = playbook_compile_fairness(compiler,
											   playbook_member(source->merged, "fairness"));
	take_raw_roots(compiler, step);
}

/* Reports what a statement that is done for each item cannot have. */
static void
check_sql_body(Compiler *compiler, const Step *body, const StepSource *source)
{
	const YamlNode *retry = playbook_member(source->merged, "retry");
	const char *key;

	if (body->retry != NULL)
		playbook_issue(compiler, ISSUE_ERROR, ERRCODE_FEATURE_NOT_SUPPORTED, retry,
					   "Write retry beside the iterator, or make the item a playbook.",
					   "a statement that is done for each item is not repeated");
	if (body->save_action != NULL)
		playbook_issue(compiler, ISSUE_ERROR, ERRCODE_FEATURE_NOT_SUPPORTED,
					   find_save(source, &key),
					   "Write save beside the iterator, or make the item a playbook.",
					   "a statement that is done for each item saves inside the database only");
}

/*
 * Returns what is done for each item of an iterator, as a step without
 * transitions.
 */
static Step *
compile_body(Compiler *compiler, const Step *iterator, const StepSource *source)
{
	Step	   *body = palloc0(sizeof(Step));

	body->index = iterator->index;
	body->compensation = -1;
	body->compensates = -1;
	body->name = iterator->name;
	body->line = source->node->line;
	body->column = source->node->column;
	body->type = pstrdup(source->type);
	if (type_is_control(body->type))
		playbook_issue(compiler, ISSUE_ERROR, ERRCODE_INVALID_OBJECT_DEFINITION,
					   source->type_node ? source->type_node : source->node,
					   "Say what it does: type: python (or http, postgres, playbook ...).",
					   "the task of the iterator does nothing");
	body->kind = strcmp(body->type, "playbook") == 0 ? STEP_PLAYBOOK :
		strcmp(body->type, "sql") == 0 ? STEP_SQL : STEP_ACTION;
	compile_work(compiler, body, source);
	if (body->kind == STEP_SQL)
		check_sql_body(compiler, body, source);
	return body;
}

/* Returns the save of a step, under either of its keys; NULL: there is none. */
static const YamlNode *
find_save(const StepSource *source, const char **key)
{
	const YamlNode *save = playbook_member(source->merged, "save");

	*key = save != NULL ? "save" : "sink";
	return save != NULL ? save : playbook_member(source->merged, "sink");
}

/*
 * Returns the saves that the database executes itself: those under save or sink,
 * or the step itself if it is of type save.  NULL: there are none.
 */
static const YamlNode *
save_here(const StepSource *source)
{
	const char *key;
	const YamlNode *save = find_save(source, &key);

	if (save == NULL)
		return playbook_save_of_step(source);
	return playbook_saves_here(save) ? save : NULL;
}

/*
 * Returns the action of a worker that saves the result of child executions or of
 * a statement; NULL: there is none to save.
 */
static TemplateDoc *
compile_save_action(Compiler *compiler, const StepSource *source)
{
	const char *key;
	const YamlNode *save = find_save(source, &key);
	TemplateDoc *doc;

	if (save == NULL || playbook_saves_here(save))
		return NULL;
	doc = palloc0(sizeof(TemplateDoc));
	doc->kind = DOC_OBJECT;
	doc->count = 2;
	doc->keys = palloc(sizeof(JsonbValue) * 2);
	doc->children = palloc(sizeof(TemplateDoc *) * 2);
	json_string(&doc->keys[0], "type");
	doc->children[0] = palloc0(sizeof(TemplateDoc));
	json_string(&doc->children[0]->value, "save");
	json_string(&doc->keys[1], key);
	doc->children[1] = playbook_raw_doc(compiler, key, save);
	return doc;
}

/* Compiles the data of an end's save, which is the result of the execution. */
static TemplateDoc *
compile_saved_data(Compiler *compiler, const StepSource *source)
{
	static const char *const keys[] = {"data", "args", NULL};
	const char *key;
	const YamlNode *save = find_save(source, &key);
	const YamlNode *storage = playbook_member(save, "storage");

	for (int i = 0; keys[i] != NULL; i++)
	{
		const YamlNode *data = playbook_member(save, keys[i]);

		if (data == NULL)
			data = playbook_member(storage, keys[i]);
		if (data != NULL)
			return playbook_compile_doc(compiler, data);
	}
	return NULL;
}

/* Decides how a step behaves; its transitions are known. */
static void
compile_kind(Step *step, const StepSource *source)
{
	const char *key;
	const YamlNode *save = find_save(source, &key);

	step->is_end = step->next.count == 0 &&
		(playbook_name_is(step->name, "end") ||
		 strcmp(source->type, "end") == 0);
	step->type = pstrdup(source->type);
	if (source->body != NULL)
		step->kind = STEP_ITERATOR;
	else if (strcmp(step->type, "playbook") == 0)
		step->kind = STEP_PLAYBOOK;
	else if (strcmp(step->type, "sql") == 0)
		step->kind = STEP_SQL;
	else if (strcmp(step->type, "save") == 0 && save_here(source) != NULL)
		step->kind = STEP_SAVE;
	else if (strcmp(step->type, "wait") == 0)
		step->kind = STEP_WAIT;
	else if (!type_is_control(step->type))
		step->kind = STEP_ACTION;
	else if (save != NULL)
	{
		step->type = pstrdup("save");
		step->kind = playbook_saves_here(save) ? STEP_SAVE : STEP_ACTION;
	}
	else if (strcmp(step->type, "noop") == 0)
		step->kind = STEP_NOOP;
	else
		step->kind = step->is_end ? STEP_END : STEP_ROUTER;
}

/* Returns how many members the layers of a step's input have that are written as maps. */
static int
layer_members(const YamlNode *merged)
{
	int			count = 0;

	for (int i = 0; step_input_keys[i] != NULL; i++)
	{
		const YamlNode *layer = playbook_member(merged, step_input_keys[i]);

		count += layer != NULL && layer->kind == YN_MAP ? layer->count : 0;
	}
	return count;
}

/* Builds the object that becomes queue.action. */
static void
compile_action(Compiler *compiler, Step *step, const StepSource *source,
			   ActionBuilder *builder)
{
	const YamlNode *merged = source->merged;
	const YamlNode *tool = playbook_member(source->node, "tool");
	const YamlNode *task_tool = playbook_member(source->written_task, "tool");
	const char *key;
	const YamlNode *save = find_save(source, &key);
	int			i;

	builder->capacity = merged->count + (tool ? tool->count : 0) +
		(task_tool ? task_tool->count : 0) + 2 + layer_members(merged);
	builder->doc = palloc0(sizeof(TemplateDoc));
	builder->doc->kind = DOC_OBJECT;
	builder->doc->keys = palloc(sizeof(JsonbValue) * (builder->capacity + 1));
	builder->doc->children = palloc(sizeof(TemplateDoc *) * (builder->capacity + 1));
	builder->nodes = MemoryContextAlloc(compiler->scratch,
										sizeof(YamlNode *) * (builder->capacity + 1));
	for (i = 0; i < merged->count; i++)
	{
		const YamlPair *pair = &merged->pairs[i];

		CHECK_FOR_INTERRUPTS();
		/* an empty "save" would hide a "sink" from the worker */
		if (pair->value->kind == YN_NULL && strcmp(pair->key->string, "save") == 0)
			continue;
		if (key_is_forwarded(pair->key->string) &&
			strcmp(pair->key->string, "data") != 0 &&
			!(step->saves != NULL && save != NULL && strcmp(pair->key->string, key) == 0))
			add_member(compiler, builder, pair,
					   compile_member(compiler, step->type, pair));
	}
	add_tool_keys(compiler, builder, tool);
	add_tool_keys(compiler, builder, task_tool);
	lift_settings(compiler, builder, step->type, merged);
	if (strcmp(step->type, "iterator") == 0 && step->on_error == ON_ERROR_CONTINUE)
		add_constant(builder, "on_error", "continue");
	/* its input is laid over that of each item; an explicit task has its own */
	if (strcmp(step->type, "iterator") == 0 && source->is_loop)
		add_constant(builder, "is_loop", "true");
	step->action = builder->doc;
}

/* Appends a member to the action. */
static void
add_member(Compiler *compiler, ActionBuilder *builder, const YamlPair *pair,
		   TemplateDoc *value)
{
	TemplateDoc *doc = builder->doc;
	JsonbValue *key = &doc->keys[doc->count];

	Assert(doc->count < builder->capacity);
	key->type = jbvString;
	key->val.string.val = pnstrdup(pair->key->string, pair->key->length);
	key->val.string.len = pair->key->length;
	builder->nodes[doc->count] = pair->value;
	doc->children[doc->count++] = value;
}

/* Appends a member that the document does not contain. */
static void
add_constant(ActionBuilder *builder, const char *key, const char *text)
{
	TemplateDoc *doc = builder->doc;
	TemplateDoc *value = palloc0(sizeof(TemplateDoc));

	json_string(&value->value, text);
	json_string(&doc->keys[doc->count], key);
	builder->nodes[doc->count] = NULL;
	doc->children[doc->count++] = value;
}

/* Compiles a member of the action as its key demands. */
static TemplateDoc *
compile_member(Compiler *compiler, const char *type, const YamlPair *pair)
{
	const char *key = pair->key->string;

	if (strcmp(type, "python") == 0)
		playbook_note_program(compiler, key, pair->value);
	if (playbook_key_is_foreign(key, type))
	{
		/* for its warnings; what has no effect must not fail the step */
		(void) playbook_compile_doc(compiler, pair->value);
		return playbook_constant_doc(pair->value);
	}
	if (key_is_code(key))
		return playbook_constant_doc(pair->value);
	if (key_is_raw(key, type))
		return playbook_raw_doc(compiler, key, pair->value);
	return playbook_compile_doc(compiler, pair->value);
}

/*
 * Appends the keys of a tool map that would steer a step: inside a tool they
 * belong to the action.
 */
static void
add_tool_keys(Compiler *compiler, ActionBuilder *builder, const YamlNode *map)
{
	int			i;

	if (map == NULL || map->kind != YN_MAP)
		return;
	for (i = 0; i < map->count; i++)
		if (!key_is_forwarded(map->pairs[i].key->string) &&
			!has_member(builder, map->pairs[i].key))
			add_member(compiler, builder, &map->pairs[i],
					   playbook_compile_doc(compiler, map->pairs[i].value));
}

/* Returns whether the action of an SQL task has a setting of a kind. */
static bool
has_setting(const ActionBuilder *builder, const char *type, SqlSetting kind)
{
	for (int i = 0; i < builder->doc->count; i++)
	{
		const JsonbValue *key = &builder->doc->keys[i];

		if (key_sql_setting(pnstrdup(key->val.string.val, key->val.string.len), type) == kind)
			return true;
	}
	return false;
}

/*
 * Appends settings of an SQL task that are written as members of the step's input, of
 * each kind that the action does not have.  Only what the playbook itself spells out
 * counts: what a caller or a transition gives never becomes a command or a connection.
 * Under "data" only a connection counts, as commands and credentials have names there
 * that data has, too.
 */
static void
lift_settings(Compiler *compiler, ActionBuilder *builder, const char *type,
			  const YamlNode *merged)
{
	for (SqlSetting kind = SETTING_CREDENTIAL; kind <= SETTING_COMMAND; kind++)
	{
		if (has_setting(builder, type, kind) ||
			(kind == SETTING_DATABASE && strcmp(type, "postgres") == 0 &&
			 has_setting(builder, type, SETTING_CREDENTIAL)))
			continue;
		for (int i = STEP_INPUT_KEYS - 1; i >= 0; i--)
		{
			const YamlNode *layer = kind != SETTING_DATABASE &&
				strcmp(step_input_keys[i], "data") == 0 ? NULL :
				playbook_member(merged, step_input_keys[i]);

			for (int m = 0; layer != NULL && layer->kind == YN_MAP && m < layer->count; m++)
				if (key_sql_setting(layer->pairs[m].key->string, type) == kind &&
					!has_member(builder, layer->pairs[m].key))
					add_member(compiler, builder, &layer->pairs[m],
							   compile_member(compiler, type, &layer->pairs[m]));
		}
	}
}

/* Returns whether the action has a member of that name already. */
static bool
has_member(const ActionBuilder *builder, const YamlNode *key)
{
	int			i;

	for (i = 0; i < builder->doc->count; i++)
		if (builder->doc->keys[i].val.string.len == key->length &&
			memcmp(builder->doc->keys[i].val.string.val, key->string,
				   key->length) == 0)
			return true;
	return false;
}

/*
 * Adds the input of one level.  A map that is also a member of the action has
 * been compiled already.
 */
static void
compile_input(Compiler *compiler, Step *step, const YamlNode *map,
			  const ActionBuilder *builder)
{
	InputLayers *input = &step->input;
	int			member;
	int			i;

	if (input->layers == NULL)
		input->layers = palloc(sizeof(TemplateDoc *) * (STEP_INPUT_KEYS + 1) * 2);
	for (i = 0; step_input_keys[i] != NULL; i++)
	{
		const YamlNode *value = playbook_member(map, step_input_keys[i]);
		TemplateDoc *doc = NULL;

		if (value == NULL || (strcmp(step_input_keys[i], "params") == 0 &&
							  strcmp(step->type, "http") == 0))
			continue;
		for (member = 0; builder->doc && member < builder->doc->count; member++)
			if (builder->nodes[member] == value &&
				word_is(builder->doc->keys[member].val.string.val,
						builder->doc->keys[member].val.string.len, step_input_keys[i]))
				doc = builder->doc->children[member];
		if (doc == NULL)
			doc = playbook_compile_doc(compiler, value);
		/* programs that their authors tried get the value, not its text */
		if (strcmp(step->type, "python") == 0)
			template_doc_read_json(doc);
		input->layers[input->count++] = doc;
	}
}

/* Reads on_error: fail, hold, continue, or transitions to handlers. */
static void
compile_on_error(Compiler *compiler, Step *step, const YamlNode *node)
{
	char	   *word = NULL;

	step->on_error = ON_ERROR_DEFAULT;
	if (node == NULL)
		return;
	if (node->kind == YN_STRING)
		word = playbook_scalar_text(node);
	if (word != NULL && pg_strcasecmp(word, "fail") == 0)
	{
		step->on_error = ON_ERROR_FAIL;
		return;
	}
	if (word != NULL && pg_strcasecmp(word, "hold") == 0)
	{
		step->on_error = ON_ERROR_HOLD;
		return;
	}
	if (word != NULL && pg_strcasecmp(word, "continue") == 0)
	{
		step->on_error = ON_ERROR_CONTINUE;
		return;
	}
	if (word == NULL && node->kind != YN_LIST && node->kind != YN_MAP)
	{
		playbook_issue(compiler, ISSUE_ERROR, ERRCODE_INVALID_OBJECT_DEFINITION,
					   node, "It is fail, hold, continue, or a step: {step: handler}.",
					   "on_error names no step");
		return;
	}
	if (word != NULL && playbook_looks_like(word, "continue") &&
		playbook_find_step(compiler->playbook, word, strlen(word)) < 0)
	{
		playbook_issue(compiler, ISSUE_ERROR, ERRCODE_INVALID_OBJECT_DEFINITION,
					   node, playbook_did_you_mean("continue"),
					   "on_error is neither fail nor continue nor a step");
		return;
	}
	step->on_error = ON_ERROR_HANDLER;
	playbook_compile_next(compiler, node, NULL, &step->on_error_next);
}

/* Reads on_lost: requeue (the default) or fail. */
static void
compile_on_lost(Compiler *compiler, Step *step, const YamlNode *node)
{
	char	   *word = node == NULL ? NULL : playbook_scalar_text(node);

	if (node == NULL || (word != NULL && pg_strcasecmp(word, "requeue") == 0))
		return;
	step->fails_when_lost = word != NULL && pg_strcasecmp(word, "fail") == 0;
	if (!step->fails_when_lost)
		playbook_issue(compiler, ISSUE_ERROR, ERRCODE_INVALID_OBJECT_DEFINITION,
					   node, "It is fail, or requeue, which is what happens without it.",
					   "on_lost must be fail or requeue");
}

/*
 * Reads a retry policy: a switch, a number of attempts, or a map.  NULL: one
 * attempt.
 */
static RetryPolicy *
compile_retry(Compiler *compiler, const YamlNode *node)
{
	RetryPolicy *policy;
	const YamlNode *delay;

	if (node == NULL || (node->kind == YN_BOOL && !node->boolean))
		return NULL;
	policy = palloc0(sizeof(RetryPolicy));
	if (node->kind == YN_BOOL)
		return policy;
	if (node->kind == YN_LIST)
	{
		playbook_issue(compiler, ISSUE_ERROR, ERRCODE_INVALID_OBJECT_DEFINITION,
					   node, "Write: retry: {max_attempts: 3, initial_delay: 1.0}.",
					   "retry must be true, false, a number or a mapping");
		return policy;
	}
	if (node->kind != YN_MAP)
	{
		policy->max_attempts = retry_number(compiler, node);
		return policy;
	}
	policy->max_attempts =
		retry_number(compiler, playbook_member(node, "max_attempts"));
	delay = playbook_member(node, "initial_delay");
	if (delay == NULL)
		delay = playbook_member(node, "retry_delay");
	policy->initial_delay = retry_number(compiler, delay);
	policy->multiplier =
		retry_number(compiler, playbook_member(node, "backoff_multiplier"));
	policy->max_delay =
		retry_number(compiler, playbook_member(node, "max_delay"));
	if (playbook_member(node, "jitter") != NULL)
		policy->jitter = playbook_compile_doc(compiler,
											  playbook_member(node, "jitter"));
	policy->retry_when =
		playbook_compile_condition(compiler, playbook_member(node, "retry_when"));
	policy->stop_when =
		playbook_compile_condition(compiler, playbook_member(node, "stop_when"));
	return policy;
}

/* Compiles a number of a retry policy, or a template that yields one. */
static TemplateDoc *
retry_number(Compiler *compiler, const YamlNode *node)
{
	bool		number;
	char	   *end;

	if (node == NULL)
		return NULL;
	number = node->kind == YN_NUMBER;
	if (node->kind == YN_STRING)
	{
		number = template_has_tags(node->string, node->length);
		if (!number && node->length > 0)
		{
			(void) strtod(node->string, &end);
			number = *end == '\0';
		}
	}
	if (!number)
		playbook_issue(compiler, ISSUE_ERROR, ERRCODE_INVALID_OBJECT_DEFINITION,
					   node, "Write a number, or a template that yields one.",
					   "the retry policy needs a number here");
	return playbook_compile_doc(compiler, node);
}

/*
 * Reads an integer key of a step; false: it is missing, or does not fit and is
 * reported.
 */
static bool
integer_key(Compiler *compiler, const YamlNode *node, IssueSeverity severity,
			int minimum, const char *key, int *value)
{
	char	   *text = playbook_scalar_text(node);
	char	   *end = NULL;
	long		number = 0;

	if (node == NULL)
		return false;
	errno = 0;
	if (text != NULL)
		number = strtol(text, &end, 10);
	if (text != NULL && *end == '\0' && errno == 0 &&
		number >= minimum && number <= PG_INT32_MAX)
	{
		*value = (int) number;
		return true;
	}
	playbook_issue(compiler, severity,
				   severity == ISSUE_ERROR ? ERRCODE_INVALID_OBJECT_DEFINITION :
				   ERRCODE_WARNING, node,
				   severity == ISSUE_ERROR ? NULL : "It has no effect.",
				   minimum > 0 ? "%s must be a positive integer" :
				   "%s must be an integer", key);
	return false;
}

/* Reads join and max_visits. */
static void
compile_limits(Compiler *compiler, Step *step, const StepSource *source)
{
	playbook_compile_join(compiler, step, playbook_member(source->node, "join"));
	integer_key(compiler, playbook_member(source->merged, "max_visits"),
				ISSUE_ERROR, 1, "max_visits", &step->max_visits);
}

/* Moves the names that raw parts of the action refer to into the step. */
static void
take_raw_roots(Compiler *compiler, Step *step)
{
	NameTable  *roots = &compiler->raw_roots;
	int			i;

	step->nraw_roots = roots->count;
	step->raw_roots = palloc(sizeof(char *) * (roots->count + 1));
	for (i = 0; i < roots->count; i++)
		step->raw_roots[i] = unconstify(char *, roots->entries[i].name);
	name_table_free(roots);
	memset(roots, 0, sizeof(NameTable));
}
