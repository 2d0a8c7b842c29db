/*
 * playbook/iterator.c
 *		Iterators in all the forms in which they are written, and child
 *		playbooks.
 *
 *		type: iterator				loop: {in: xs, iterator: x}
 *		collection: xs				tool: python
 *		element: x					code: …
 *		task: {tool: python, …}
 *
 * Both become the map on the left.  This file also decides who goes through the
 * items: the broker where the items are child playbooks or statements, or are spread
 * over all workers (mode: distributed), else one worker.
 */
#include "common/common.h"

#include "miscadmin.h"
#include "utils/memutils.h"

#include "playbook/internal.h"

/* Appends a member under a key that the document does not contain. */
static void
add_named(YamlNode *map, const char *key, const YamlNode *value)
{
	playbook_add_pair(map, playbook_new_string(value, key), unconstify(YamlNode *, value));
}

/*
 * Notes for each part of an iterator the key that gives it, or NULL: the first of its names
 * that is not empty.
 */
static void
find_parts(const YamlNode *map, const char **given)
{
	for (int i = 0; i < ITERATOR_KEYS; i++)
	{
		const char *const *name = iterator_keys[i].names;

		while (*name != NULL && playbook_member(map, *name) == NULL)
			name++;
		given[i] = *name;
	}
}

/* Returns whether a key gives a part of an iterator, or would hide one that another gives. */
static bool
is_part(const char *const *given, const char *key)
{
	for (int i = 0; i < ITERATOR_KEYS; i++)
		if (given[i] != NULL &&
			(strcmp(given[i], key) == 0 || strcmp(iterator_keys[i].key, key) == 0))
			return true;
	return false;
}

/*
 * Returns what a step with "loop" does for each item: the step without the
 * keys of the loop.
 */
static const YamlNode *
body_of_loop(const StepSource *source)
{
	const YamlNode *merged = source->merged;
	YamlNode   *body = playbook_new_map(merged, merged->count);

	for (int i = 0; i < merged->count; i++)
	{
		const char *key = merged->pairs[i].key->string;

		if (!key_in(key, loop_frame_keys) && !key_in(key, whole_step_keys))
			playbook_add_pair(body, merged->pairs[i].key, merged->pairs[i].value);
	}
	return body;
}

/*
 * Returns the nested task as written: a map, a list of maps, or the map of a
 * workbook task that is named; NULL after an issue.
 */
static const YamlNode *
body_of_iterator(Compiler *compiler, const StepSource *source)
{
	static const char *const names[] = {"task", "workbook", "tasks", NULL};
	const YamlNode *body = playbook_first_member(source->merged, names);
	char	   *text = playbook_scalar_text(body);
	bool		empty = body != NULL && body->kind == YN_LIST && body->count == 0;

	if (body != NULL && text == NULL && !empty)
		return body;
	if (text != NULL)
	{
		const YamlNode *task = playbook_find_task(compiler, text);

		if (task == NULL)
			playbook_issue(compiler, ISSUE_ERROR, ERRCODE_UNDEFINED_OBJECT, body,
						   "Name a task of the workbook, or write the task itself.",
						   "workbook task \"%s\" does not exist", text);
		return task;
	}
	playbook_issue(compiler, ISSUE_ERROR, ERRCODE_INVALID_OBJECT_DEFINITION,
				   source->type_node ? source->type_node : source->node,
				   "Write: task: {type: python, code: …}.",
				   "the iterator has no task");
	return NULL;
}

/* Resolves the references of one nested task; false after an issue. */
static bool
resolve_body(Compiler *compiler, const YamlNode *node, const char *name,
			 StepSource *body)
{
	if (node->kind != YN_MAP)
	{
		playbook_issue(compiler, ISSUE_ERROR, ERRCODE_INVALID_OBJECT_DEFINITION,
					   node, "Write: task: {type: python, code: …}.",
					   "the task of an iterator must be a mapping");
		return false;
	}
	if (!playbook_resolve_step(compiler, node, name, body))
		return false;
	if (body->type[0] == '\0')
	{
		playbook_issue(compiler, ISSUE_ERROR, ERRCODE_INVALID_OBJECT_DEFINITION,
					   node,
					   "Say what it does: type: python (or http, postgres, playbook ...).",
					   "the task of the iterator has no type");
		return false;
	}
	if (strcmp(body->type, "wait") == 0)
	{
		playbook_issue(compiler, ISSUE_ERROR, ERRCODE_FEATURE_NOT_SUPPORTED,
					   body->type_node ? body->type_node : node,
					   "Put the wait into a playbook of its own, and call that for each item.",
					   "an iterator cannot wait for each item");
		return false;
	}
	playbook_resolve_iterator(compiler, name, body);
	if (body->body != NULL)
	{
		playbook_issue(compiler, ISSUE_ERROR, ERRCODE_FEATURE_NOT_SUPPORTED,
					   body->type_node ? body->type_node : node,
					   "Make the inner iterator a playbook of its own, and call that for each item.",
					   "an iterator inside an iterator can only be done by one worker");
		return false;
	}
	return true;
}

/*
 * Resolves all nested tasks and returns them as one node for the worker; NULL
 * after an issue.  *single: the only one, for the broker.
 */
static const YamlNode *
resolve_bodies(Compiler *compiler, const YamlNode *written, const char *name,
			   StepSource *single)
{
	YamlNode   *list;
	bool		resolved = true;

	if (written->kind == YN_LIST && written->count == 1)
		written = written->items[0];
	if (written->kind != YN_LIST)
		return resolve_body(compiler, written, name, single) ? single->merged : NULL;
	list = palloc0(sizeof(YamlNode));
	*list = *written;
	list->items = palloc_extended(sizeof(YamlNode *) * (written->count + 1),
								  MCXT_ALLOC_HUGE);
	for (int i = 0; i < written->count; i++)
	{
		StepSource	body;

		CHECK_FOR_INTERRUPTS();
		if (!resolve_body(compiler, written->items[i], name, &body))
			resolved = false;
		else
			list->items[i] = unconstify(YamlNode *, body.merged);
		if (resolved && (strcmp(body.type, "playbook") == 0 || strcmp(body.type, "sql") == 0))
		{
			playbook_issue(compiler, ISSUE_ERROR, ERRCODE_FEATURE_NOT_SUPPORTED,
						   written->items[i],
						   "Let the iterator's only task be a playbook, and do the rest there.",
						   strcmp(body.type, "sql") == 0 ?
						   "a list of tasks cannot contain a statement" :
						   "a list of tasks cannot contain a playbook");
			resolved = false;
		}
	}
	return resolved ? list : NULL;
}

/* Returns the canonical map of an iterator: its own members, then all others. */
static YamlNode *
canonical_map(const StepSource *source, const YamlNode *loop, const YamlNode *task)
{
	const YamlNode *merged = source->merged;
	YamlNode   *map = playbook_new_map(merged, merged->count + ITERATOR_KEYS + 2);
	const char *given[ITERATOR_KEYS];

	find_parts(loop, given);
	for (int i = 0; i < ITERATOR_KEYS; i++)
		if (given[i] != NULL)
			add_named(map, iterator_keys[i].key, playbook_member(loop, given[i]));
	add_named(map, "task", task);
	add_named(map, "type", playbook_new_string(merged, "iterator"));
	for (int i = 0; i < merged->count; i++)
	{
		const char *key = merged->pairs[i].key->string;
		bool		wanted;

		CHECK_FOR_INTERRUPTS();
		if (loop != merged)
			wanted = key_in(key, whole_step_keys);
		else
			wanted = strcmp(key, "type") != 0 && strcmp(key, "tool") != 0 &&
				strcmp(key, "task") != 0 && strcmp(key, "workbook") != 0 &&
				strcmp(key, "tasks") != 0;
		if (wanted && !is_part(given, key))
			playbook_add_pair(map, merged->pairs[i].key, merged->pairs[i].value);
	}
	return map;
}

/* Reports an iterator without a collection or an element, and an unknown mode. */
static void
check_parts(Compiler *compiler, const YamlNode *map, const StepSource *source)
{
	const YamlNode *where = source->type_node ? source->type_node : source->node;
	const YamlNode *element = playbook_member(map, "element");
	static const char *const modes[] = {
		"sequential", "async", "parallel", "distributed", NULL
	};
	char	   *mode = playbook_scalar_text(playbook_member(map, "mode"));

	if (playbook_member(map, "collection") == NULL)
		playbook_issue(compiler, ISSUE_ERROR, ERRCODE_INVALID_OBJECT_DEFINITION,
					   where, "Write: collection: \"{{ workload.items }}\".",
					   "the iterator has no collection");
	if (playbook_scalar_text(element) == NULL)
		playbook_issue(compiler, ISSUE_ERROR, ERRCODE_INVALID_OBJECT_DEFINITION,
					   element ? element : where, "Write: element: item.",
					   "the iterator does not say how its items are called");
	if (mode != NULL && !template_has_tags(mode, strlen(mode)) && !key_in(mode, modes))
		playbook_issue(compiler, ISSUE_WARNING, ERRCODE_WARNING,
					   playbook_member(map, "mode"),
					   "It is sequential (the default), async, parallel or distributed.",
					   "unknown mode \"%s\"", mode);
}

/* Returns whether the items are spread over all workers. */
static bool
is_distributed(const YamlNode *map)
{
	char	   *mode = playbook_scalar_text(playbook_member(map, "mode"));

	return mode != NULL && pg_strcasecmp(mode, "distributed") == 0;
}

/* Returns whether the broker goes through the items, instead of one worker. */
static bool
broker_expands(const YamlNode *map, const StepSource *body)
{
	return body->node != NULL &&
		(strcmp(body->type, "playbook") == 0 || strcmp(body->type, "sql") == 0 ||
		 is_distributed(map));
}

/*
 * Compiles order_by: an expression over the item, or the path of a member.
 * NULL: there is none.
 */
static IteratorOrder *
compile_order(Compiler *compiler, const YamlNode *node)
{
	IteratorOrder *order = palloc0(sizeof(IteratorOrder));
	SourceError error = {0};

	if (node == NULL)
		return NULL;
	if (node->kind != YN_STRING)
	{
		playbook_issue(compiler, ISSUE_ERROR, ERRCODE_INVALID_OBJECT_DEFINITION,
					   node, "Write an expression: order_by: \"{{ item.age }}\".",
					   "order_by must be text");
		return NULL;
	}
	if (!iterator_compile_order(node->string, node->length, order, &error))
		playbook_source_issue(compiler, node, &error);
	else
		playbook_mention(compiler, order->key);
	return order;
}

/*
 * Turns a step that goes through a collection, however it is written, into one
 * of type iterator.  Sets source->body when the broker expands it.
 */
void
playbook_resolve_iterator(Compiler *compiler, const char *name, StepSource *source)
{
	const YamlNode *loop = playbook_member(source->merged, "loop");
	bool		is_iterator = strcmp(source->type, "iterator") == 0;
	MemoryContext caller;
	const YamlNode *written;
	const YamlNode *task;
	StepSource *body;
	YamlNode   *map;

	if (loop == NULL && !is_iterator)
		return;
	if (loop != NULL && loop->kind != YN_MAP)
	{
		playbook_issue(compiler, ISSUE_ERROR, ERRCODE_INVALID_OBJECT_DEFINITION,
					   loop, "Write: loop: {collection: \"{{ workload.items }}\", element: item}.",
					   "loop must be a mapping");
		return;
	}
	if (loop != NULL && type_is_control(source->type))
	{
		playbook_issue(compiler, ISSUE_WARNING, ERRCODE_WARNING, loop,
					   "Give the step a type, or let an iterator do a playbook for each item.",
					   "the loop has nothing to repeat");
		return;
	}
	check_stack_depth();
	caller = MemoryContextSwitchTo(compiler->scratch);
	body = palloc0(sizeof(StepSource));
	written = is_iterator ? body_of_iterator(compiler, source) : body_of_loop(source);
	task = written == NULL ? NULL : resolve_bodies(compiler, written, name, body);
	if (is_iterator && written != NULL)
		playbook_lint_task(compiler, written);
	if (task != NULL)
	{
		map = canonical_map(source, loop != NULL ? loop : source->merged, task);
		check_parts(compiler, map, source);
		if (broker_expands(map, body))
			source->body = body;
		else if (is_distributed(map))
			playbook_issue(compiler, ISSUE_ERROR, ERRCODE_FEATURE_NOT_SUPPORTED, written,
						   "Put the tasks into a playbook of their own, and let it be the task.",
						   "a distributed iterator has exactly one task");
		if (source->body == NULL)
		{
			/* the worker evaluates these; what does not parse is reported now */
			compiler->sees = SEES_INPUT | SEES_ITEM;
			(void) playbook_compile_condition(compiler, playbook_member(map, "where"));
			(void) compile_order(compiler, playbook_member(map, "order_by"));
			compiler->sees = 0;
		}
		source->is_loop = !is_iterator;
		source->merged = map;
		source->own = map;
		source->task = NULL;
		source->written_task = NULL;
		source->type = pstrdup("iterator");
	}
	MemoryContextSwitchTo(caller);
}

/* Compiles a member of a map; NULL: there is none. */
static TemplateDoc *
optional_doc(Compiler *compiler, const YamlNode *map, const char *key)
{
	const YamlNode *node = playbook_member(map, key);

	return node != NULL ? playbook_compile_doc(compiler, node) : NULL;
}

/*
 * Compiles what the broker needs to go through the items; the body is compiled
 * later.
 */
IteratorSpec *
playbook_compile_iterator(Compiler *compiler, const StepSource *source)
{
	IteratorSpec *spec = palloc0(sizeof(IteratorSpec));
	const YamlNode *map = source->merged;

	spec->collection = optional_doc(compiler, map, "collection");
	spec->element = playbook_scalar_text(playbook_member(map, "element"));
	compiler->sees |= SEES_ITEM;
	spec->where = playbook_compile_condition(compiler, playbook_member(map, "where"));
	spec->order_by = compile_order(compiler, playbook_member(map, "order_by"));
	compiler->sees &= ~SEES_ITEM;
	spec->limit = optional_doc(compiler, map, "limit");
	spec->chunk = optional_doc(compiler, map, "chunk");
	spec->concurrency = optional_doc(compiler, map, "concurrency");
	spec->mode = optional_doc(compiler, map, "mode");
	spec->is_loop = source->is_loop;
	return spec;
}

/*
 * Compiles the content of a child playbook.  It has templates of its own, so
 * it is a constant; unless it is one expression, which yields the playbook.
 */
static TemplateDoc *
compile_content(Compiler *compiler, const YamlNode *node)
{
	if (node == NULL)
		return NULL;
	if (node->kind == YN_STRING &&
		strncmp(node->string + strspn(node->string, " \t\r\n"), "{{", 2) == 0)
		return playbook_compile_doc(compiler, node);
	return playbook_constant_doc(node);
}

/* Compiles which playbook a step calls. */
ChildSpec *
playbook_compile_child(Compiler *compiler, const StepSource *source)
{
	static const char *const paths[] = {
		"path", "resource_path", "playbook_path", NULL
	};
	ChildSpec  *child = palloc0(sizeof(ChildSpec));
	const YamlNode *path = playbook_first_member(source->merged, paths);

	child->content = compile_content(compiler, playbook_member(source->merged, "content"));
	child->version = optional_doc(compiler, source->merged, "version");
	child->return_step = optional_doc(compiler, source->merged, "return_step");
	if (path != NULL)
		child->path = playbook_compile_doc(compiler, path);
	else if (child->content == NULL)
		playbook_issue(compiler, ISSUE_ERROR, ERRCODE_INVALID_OBJECT_DEFINITION,
					   source->type_node ? source->type_node : source->node,
					   "Write: path: the/catalog/path (or content: the playbook itself).",
					   "the step does not say which playbook it calls");
	return child;
}
