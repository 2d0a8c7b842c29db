/*
 * jinja/check_names.c
 *		The names of a template: the free ones and those that the template binds.
 *
 * Checks that need this knowledge are made here: special names of macros and
 * loops, unknown filters and tests.
 */
#include "common/common.h"

#include "miscadmin.h"

#include "jinja/internal.h"

/* Names bound so far, innermost scope first. */
typedef struct Scope
{
	struct Scope *parent;
	int			count;
	int			allocated;
	int		   *names;
} Scope;

typedef struct Checker
{
	Template   *template;
	int			allocated_roots;
} Checker;

typedef void (*NameVisitor) (void *arg, const TemplateNode *name, bool store);

static void check_expression(Checker *c, Scope *scope, TemplateNode *node, bool soft);
static void check_body(Checker *c, Scope *scope, NodeList *body, bool soft);

/* ------------------------------------------------------------------------
 * Walk over every name of a tree, in the order of Jinja2
 * ------------------------------------------------------------------------
 */
static void walk(const TemplateNode *node, bool store, NameVisitor visit, void *arg);

/* Walks over a list. */
static void
walk_list(const NodeList *list, NameVisitor visit, void *arg)
{
	int			i;

	for (i = 0; i < list->count; i++)
		walk(list->items[i], false, visit, arg);
}

/* Walks over the parameters or targets (even or odd places) of a list. */
static void
walk_pairs(const NodeList *list, int first, bool store, NameVisitor visit, void *arg)
{
	int			i;

	for (i = first; i < list->count; i += 2)
		walk(list->items[i], store, visit, arg);
}

/* Walks over a tree; store: the tree is a target. */
static void
walk(const TemplateNode *node, bool store, NameVisitor visit, void *arg)
{
	int			i;

	if (node == NULL)
		return;
	check_stack_depth();
	bounds_work(10);
	switch (node->type)
	{
		case NODE_NAME:
			visit(arg, node, store);
			return;
		case NODE_TUPLE:
			for (i = 0; i < node->items.count; i++)
				walk(node->items.items[i], store, visit, arg);
			return;
		case NODE_FOR:
			walk(node->left, true, visit, arg);
			walk(node->right, false, visit, arg);
			walk_list(&node->body, visit, arg);
			walk_list(&node->orelse, visit, arg);
			walk(node->third, false, visit, arg);
			return;
		case NODE_SET:
		case NODE_SET_BLOCK:
			walk(node->left, true, visit, arg);
			walk(node->right, false, visit, arg);
			walk_list(&node->body, visit, arg);
			return;
		case NODE_MACRO:
		case NODE_CALL_BLOCK:
		case NODE_WITH:
			walk(node->left, false, visit, arg);
			walk_pairs(&node->items, 0, true, visit, arg);
			walk_pairs(&node->items, 1, false, visit, arg);
			walk_list(&node->body, visit, arg);
			return;
		default:
			walk(node->third, false, visit, arg);
			walk(node->left, false, visit, arg);
			walk_list(&node->items, visit, arg);
			walk_list(&node->keywords, visit, arg);
			walk(node->star, false, visit, arg);
			walk(node->starstar, false, visit, arg);
			walk_list(&node->body, visit, arg);
			walk(node->right, false, visit, arg);
			walk_list(&node->orelse, visit, arg);
			return;
	}
}

/* ------------------------------------------------------------------------
 * Special names of macros and loops
 * ------------------------------------------------------------------------
 */
typedef struct SpecialNames
{
	const Template *template;
	uint8		wanted;
	uint8		found;
} SpecialNames;

/* Notes which of caller, varargs and kwargs are read before they are bound. */
static void
note_special(void *arg, const TemplateNode *node, bool store)
{
	static const struct
	{
		const char *name;
		uint8		flag;
	}			special[] = {
		{"caller", NF_CALLER}, {"varargs", NF_VARARGS}, {"kwargs", NF_KWARGS}
	};
	SpecialNames *names = arg;
	int			i;

	for (i = 0; i < lengthof(special); i++)
	{
		if (strcmp(names->template->names[node->name].name, special[i].name) != 0)
			continue;
		if (store)
			names->wanted &= ~special[i].flag;
		else
			names->found |= names->wanted & special[i].flag;
	}
}

/* Raises for {% set loop = ... %} inside a loop. */
static void
refuse_loop_target(void *arg, const TemplateNode *node, bool store)
{
	Template   *t = arg;

	if (store && strcmp(t->names[node->name].name, "loop") == 0)
		jinja_syntax_error(node->pos,
						   "cannot assign to special loop variable in for-loop target");
}

/*
 * Notes which special names the body of a macro uses. Raises for parameters
 * that contradict each other.
 */
static void
check_special(Checker *c, TemplateNode *macro)
{
	SpecialNames names = {c->template, NF_CALLER | NF_VARARGS | NF_KWARGS, 0};
	uint8		parameters = 0;
	int			i;

	if (macro->items.count > 2 * MAX_KEYWORDS)
		jinja_unsupported(macro->items.items[2 * MAX_KEYWORDS]->pos,
						  "Give it one mapping with what it needs.",
						  "a macro has more than %d parameters", MAX_KEYWORDS);
	walk_list(&macro->body, note_special, &names);
	for (i = 0; i < macro->items.count; i += 2)
	{
		const char *name = c->template->names[macro->items.items[i]->name].name;
		int			j;

		bounds_work(i);
		for (j = 0; j < i; j += 2)
		{
			if (macro->items.items[j]->name == macro->items.items[i]->name)
				jinja_syntax_error(macro->items.items[i]->pos, "duplicate parameter \"%s\"",
								   value_clip_name(name, strlen(name)));
		}
		if (strcmp(name, "varargs") == 0)
			parameters |= NF_VARARGS;
		else if (strcmp(name, "kwargs") == 0)
			parameters |= NF_KWARGS;
		else if (strcmp(name, "caller") == 0)
		{
			parameters |= NF_CALLER;
			macro->flags |= NF_EXPLICIT_CALLER;
			if ((names.found & NF_CALLER) && macro->items.items[i + 1] == NULL)
				jinja_syntax_error(macro->items.items[i]->pos,
								   "the special \"caller\" argument must be omitted or be given a default");
		}
	}

	/* an explicit caller with a default still counts as using it */
	macro->flags |= names.found & ~(parameters & (NF_VARARGS | NF_KWARGS));
}

/* ------------------------------------------------------------------------
 * Scopes
 * ------------------------------------------------------------------------
 */

/* Binds a name in a scope. */
static void
bind_name(Scope *scope, int name)
{
	if (scope->count == scope->allocated)
	{
		scope->allocated = scope->allocated ? scope->allocated * 2 : 8;
		if (scope->names == NULL)
			scope->names = palloc(scope->allocated * sizeof(int));
		else
			scope->names = repalloc(scope->names, scope->allocated * sizeof(int));
	}
	scope->names[scope->count++] = name;
}

/* Binds a name given as text, when the template mentions it. */
static void
bind_mentioned(Checker *c, Scope *scope, const char *name)
{
	int			i;

	bounds_work(c->template->nnames);
	for (i = 0; i < c->template->nnames; i++)
	{
		if (strcmp(c->template->names[i].name, name) == 0)
			bind_name(scope, i);
	}
}

/* Binds every name of a target. */
static void
bind_target(Checker *c, Scope *scope, TemplateNode *target, bool soft)
{
	int			i;

	if (target->type == NODE_NAME)
		bind_name(scope, target->name);
	else if (target->type == NODE_NSREF)
		check_expression(c, scope, target, soft);
	else
	{
		for (i = 0; i < target->items.count; i++)
			bind_target(c, scope, target->items.items[i], soft);
	}
}

/* Notes that a name is free. */
static void
note_free(Checker *c, int number, int pos)
{
	Template   *t = c->template;
	TemplateName *name = &t->names[number];

	if (name->free)
		return;
	name->free = true;
	name->pos = pos;
	if (t->nroots == c->allocated_roots)
	{
		c->allocated_roots = c->allocated_roots ? c->allocated_roots * 2 : 4;
		if (t->roots == NULL)
			t->roots = palloc(c->allocated_roots * sizeof(char *));
		else
			t->roots = repalloc(t->roots, c->allocated_roots * sizeof(char *));
	}
	t->roots[t->nroots++] = name->name;
}

/* Notes that a name is read: the name is free unless some scope binds it. */
static void
check_name(Checker *c, const Scope *scope, const TemplateNode *node)
{
	Template   *t = c->template;
	TemplateName *name = &t->names[node->name];
	int			i;

	for (; scope != NULL; scope = scope->parent)
	{
		bounds_work(scope->count + 1);
		for (i = 0; i < scope->count; i++)
		{
			if (scope->names[i] == node->name)
				return;
		}
	}
	if (name->function && (node->flags & NF_CALLEE))
	{
		/* uuid: a worker that renders the template needs these names */
		for (i = 0; i < lengthof(t->identity); i++)
			if (strcmp(name->name, "uuid") == 0 && t->identity[i] > 0)
				note_free(c, t->identity[i] - 1, node->pos);
		return;
	}
	if (!name->global || !(node->flags & NF_CALLEE))
		note_free(c, node->name, node->pos);
}

/* Returns whether a filter is random, whose result changes, and has no seed. */
static bool
is_unseeded_random(const TemplateNode *node)
{
	if (!word_is(node->value.u.string, node->value.length, "random"))
		return false;
	for (int i = 0; i < node->keywords.count; i++)
		if (word_is(node->keywords.items[i]->value.u.string,
					node->keywords.items[i]->value.length, "seed"))
			return false;
	return node->items.count < 3 && node->star == NULL && node->starstar == NULL;
}

/*
 * Notes an unknown filter or test as the fault of the template, except where
 * it may never be reached ("soft": inside if), as in Jinja2.
 */
static void
check_builtin(Template *t, const TemplateNode *node, bool soft)
{
	const char *kind = node->type == NODE_FILTER ? "filter" : "test";

	if (node->type == NODE_FILTER && is_unseeded_random(node))
		jinja_unsupported(node->pos,
						  "A template must give the same result whenever it is rendered again: give it a seed, random(seed=execution_id).",
						  "filter \"random\" is not supported without a seed");
	if (node->builtin != NULL)
		return;
	if (soft || t->fault != NULL)
		return;
	t->fault = palloc0(sizeof(SourceError));
	t->fault->sqlerrcode = ERRCODE_UNDEFINED_FUNCTION;
	t->fault->message = psprintf("no %s named \"%s\"", kind,
								 value_clip_name(node->value.u.string, node->value.length));
	jinja_locate(t->source, t->length, node->pos, &t->fault->line, &t->fault->column);
}

/* Checks a list of expressions. */
static void
check_list(Checker *c, Scope *scope, NodeList *list, bool soft)
{
	int			i;

	for (i = 0; i < list->count; i++)
		check_expression(c, scope, list->items[i], soft);
}

/*
 * Notes the names whose truth or presence a question asks for: the template
 * provides for their absence.
 */
static void
note_question(Checker *c, const TemplateNode *node)
{
	if (node == NULL)
		return;
	check_stack_depth();
	bounds_work(10);
	if (node->type == NODE_NAME)
		c->template->names[node->name].optional = true;
	else if (node->type == NODE_NOT || node->type == NODE_AND || node->type == NODE_OR)
	{
		note_question(c, node->left);
		note_question(c, node->right);
	}
}

/* Returns whether a filter or test has one of some names. */
static bool
is_called(const TemplateNode *node, const char *const *names)
{
	for (; *names != NULL; names++)
		if (node->value.length == strlen(*names) &&
			memcmp(node->value.u.string, *names, node->value.length) == 0)
			return true;
	return false;
}

/* Notes what an expression asks of names: x | default(1), x is defined, x or y. */
static void
note_questions(Checker *c, const TemplateNode *node)
{
	static const char *const filters[] = {"default", "d", NULL};
	static const char *const tests[] = {"defined", "undefined", "none", NULL};

	if ((node->type == NODE_FILTER && is_called(node, filters)) ||
		(node->type == NODE_TEST && is_called(node, tests)) ||
		node->type == NODE_AND || node->type == NODE_OR || node->type == NODE_NOT)
		note_question(c, node->left);
	else if (node->type == NODE_CONDITIONAL || node->type == NODE_IF)
		note_question(c, node->third);
}

/* Checks an expression. */
static void
check_expression(Checker *c, Scope *scope, TemplateNode *node, bool soft)
{
	if (node == NULL)
		return;
	check_stack_depth();
	note_questions(c, node);
	switch (node->type)
	{
		case NODE_NAME:
		case NODE_NSREF:
			check_name(c, scope, node);
			return;
		case NODE_CONDITIONAL:
			soft = true;
			break;
		case NODE_FILTER:
		case NODE_TEST:
			check_builtin(c->template, node, soft);
			break;
	}
	check_expression(c, scope, node->left, soft);
	check_expression(c, scope, node->third, soft);
	check_expression(c, scope, node->right, soft);
	check_list(c, scope, &node->items, soft);
	check_list(c, scope, &node->keywords, soft);
	check_expression(c, scope, node->star, soft);
	check_expression(c, scope, node->starstar, soft);
}

/* Checks a loop: the target and "loop" are bound in its body only. */
static void
check_for(Checker *c, Scope *outer, TemplateNode *node, bool soft)
{
	Scope		test = {outer};
	Scope		body = {outer};
	Scope		orelse = {outer};

	walk(node, false, refuse_loop_target, c->template);
	check_expression(c, outer, node->right, soft);
	bind_target(c, &test, node->left, false);
	check_expression(c, &test, node->third, false);
	bind_target(c, &body, node->left, false);
	bind_mentioned(c, &body, "loop");
	check_body(c, &body, &node->body, false);
	check_body(c, &orelse, &node->orelse, false);
}

/* Checks a macro, or the block of a call. */
static void
check_macro(Checker *c, Scope *outer, TemplateNode *node)
{
	Scope		body = {outer};
	int			i;

	check_special(c, node);
	for (i = 0; i < node->items.count; i += 2)
		bind_name(&body, node->items.items[i]->name);
	bind_mentioned(c, &body, "caller");
	bind_mentioned(c, &body, "varargs");
	bind_mentioned(c, &body, "kwargs");
	for (i = 1; i < node->items.count; i += 2)
		check_expression(c, &body, node->items.items[i], false);
	check_body(c, &body, &node->body, false);
}

/* Checks a with block: its values are evaluated in the scope outside. */
static void
check_with(Checker *c, Scope *outer, TemplateNode *node, bool soft)
{
	Scope		body = {outer};
	int			i;

	for (i = 1; i < node->items.count; i += 2)
		check_expression(c, outer, node->items.items[i], soft);
	for (i = 0; i < node->items.count; i += 2)
		bind_target(c, &body, node->items.items[i], false);
	check_body(c, &body, &node->body, false);
}

/* Checks a statement. */
static void
check_statement(Checker *c, Scope *scope, TemplateNode *node, bool soft)
{
	Scope		inner = {scope};

	check_stack_depth();
	switch (node->type)
	{
		case NODE_DATA:
			break;
		case NODE_PRINT:
			check_expression(c, scope, node->left, soft);
			break;
		case NODE_IF:
			note_questions(c, node);
			check_expression(c, scope, node->third, true);
			check_body(c, scope, &node->body, soft || (node->flags & NF_PRINT) == 0);
			check_body(c, scope, &node->orelse, true);
			break;
		case NODE_FOR:
			check_for(c, scope, node, soft);
			break;
		case NODE_SET:
			check_expression(c, scope, node->right, soft);
			bind_target(c, scope, node->left, soft);
			break;
		case NODE_SET_BLOCK:
			check_body(c, &inner, &node->body, false);
			check_expression(c, &inner, node->right, false);
			bind_target(c, scope, node->left, soft);
			break;
		case NODE_MACRO:
			bind_name(scope, node->name);
			check_macro(c, scope, node);
			break;
		case NODE_CALL_BLOCK:
			check_expression(c, scope, node->left, soft);
			check_macro(c, scope, node);
			break;
		case NODE_FILTER_BLOCK:
			check_body(c, &inner, &node->body, false);
			check_expression(c, &inner, node->right, false);
			break;
		case NODE_WITH:
			check_with(c, scope, node, soft);
			break;
		case NODE_AUTOESCAPE:
			check_expression(c, scope, node->left, soft);
			check_body(c, &inner, &node->body, false);
			break;
		default:
			elog(ERROR, "unexpected template node type %d", node->type);
	}
}

/*
 * Checks a list of statements. Macros are bound first: one may call another
 * that is defined further down.
 */
static void
check_body(Checker *c, Scope *scope, NodeList *body, bool soft)
{
	int			i;

	for (i = 0; i < body->count; i++)
	{
		if (body->items[i]->type == NODE_MACRO)
			bind_name(scope, body->items[i]->name);
	}
	for (i = 0; i < body->count; i++)
		check_statement(c, scope, body->items[i], soft);
}

/*
 * Finds the free names of a compiled template, and checks what depends on
 * them.
 */
void
jinja_check_names(Template *template)
{
	Checker		c = {template};
	Scope		scope = {NULL};

	if (template->body.count > 0)
		check_body(&c, &scope, &template->body, false);
	else
		check_expression(&c, &scope, template->native, false);
}
