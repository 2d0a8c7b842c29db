/*
 * jinja/symbols.c
 *		The names that a scope hides before it gives them a value.
 *
 * Jinja2 decides at compile time where a name lives: a name that a scope sets,
 * without having read it before, belongs to that scope from its beginning.
 * Inner scopes then see it as undefined until it is set, even if the context
 * has a value of that name.  This file makes the same decision.
 */
#include "common/common.h"

#include "miscadmin.h"

#include "jinja/internal.h"

/* The source of the value that a name of a scope has before the scope runs. */
typedef enum Load
{
	LOAD_PARAMETER,
	LOAD_RESOLVE,				/* from the context */
	LOAD_ALIAS,					/* from the scope outside */
	LOAD_UNDEFINED
} Load;

typedef struct Symbol
{
	int			name;
	Load		load;
	bool		stored;
} Symbol;

typedef struct Symbols
{
	const struct Symbols *parent;
	int			count;
	int			allocated;
	Symbol	   *symbols;
} Symbols;

typedef struct Analyser
{
	Template   *template;
	Symbols    *symbols;		/* of the scope under analysis */
} Analyser;

static void visit_body(Analyser *a, const NodeList *body);
static void visit_expression(Analyser *a, const TemplateNode *node);
static void analyse_inner(Template *t, const Symbols *outer, NodeList *body);

/* Returns the entry of a name in this very scope, or NULL. */
static Symbol *
find_symbol(const Symbols *s, int name)
{
	int			i;

	bounds_work(s->count + 1);
	for (i = 0; i < s->count; i++)
	{
		if (s->symbols[i].name == name)
			return &s->symbols[i];
	}
	return NULL;
}

/* Returns whether this scope or one outside knows the name. */
static bool
is_known(const Symbols *s, int name)
{
	for (; s != NULL; s = s->parent)
	{
		if (find_symbol(s, name))
			return true;
	}
	return false;
}

/* Adds a name to a scope. */
static Symbol *
add_symbol(Symbols *s, int name, Load load)
{
	Symbol	   *symbol;

	if (s->count == s->allocated)
	{
		s->allocated = s->allocated ? s->allocated * 2 : 8;
		s->symbols = s->symbols ?
			repalloc(s->symbols, s->allocated * sizeof(Symbol)) :
			palloc(s->allocated * sizeof(Symbol));
	}
	symbol = &s->symbols[s->count++];
	symbol->name = name;
	symbol->load = load;
	symbol->stored = false;
	return symbol;
}

/* Notes that a name is read. */
static void
load_name(Symbols *s, int name)
{
	if (!is_known(s, name))
		add_symbol(s, name, LOAD_RESOLVE);
}

/* Notes that a name is set. */
static void
store_name(Symbols *s, int name)
{
	Symbol	   *symbol = find_symbol(s, name);

	if (symbol == NULL)
		symbol = add_symbol(s, name, is_known(s->parent, name) ? LOAD_ALIAS : LOAD_UNDEFINED);
	symbol->stored = true;
}

/* Notes that a name is a parameter of the scope. */
static void
declare_parameter(Symbols *s, int name)
{
	Symbol	   *symbol = find_symbol(s, name);

	if (symbol == NULL)
		symbol = add_symbol(s, name, LOAD_PARAMETER);
	symbol->load = LOAD_PARAMETER;
	symbol->stored = true;
}

/* Declares a name that the engine binds, when the template mentions it. */
static void
declare_text(Template *t, Symbols *s, const char *name)
{
	int			i;

	bounds_work(t->nnames);
	for (i = 0; i < t->nnames; i++)
	{
		if (strcmp(t->names[i].name, name) == 0)
			declare_parameter(s, i);
	}
}

/*
 * Notes the names of a target; parameter: the target of a loop or with block.
 */
static void
visit_target(Analyser *a, const TemplateNode *target, bool parameter)
{
	int			i;

	if (target->type == NODE_NAME && parameter)
		declare_parameter(a->symbols, target->name);
	else if (target->type == NODE_NAME)
		store_name(a->symbols, target->name);
	else if (target->type == NODE_NSREF)
		load_name(a->symbols, target->name);
	else
	{
		for (i = 0; i < target->items.count; i++)
			visit_target(a, target->items.items[i], parameter);
	}
}

/* Notes the names that an expression reads. */
static void
visit_expression(Analyser *a, const TemplateNode *node)
{
	int			i;

	if (node == NULL)
		return;
	check_stack_depth();
	if (node->type == NODE_NAME)
	{
		load_name(a->symbols, node->name);
		return;
	}
	visit_expression(a, node->left);
	visit_expression(a, node->third);
	visit_expression(a, node->right);
	for (i = 0; i < node->items.count; i++)
		visit_expression(a, node->items.items[i]);
	for (i = 0; i < node->keywords.count; i++)
		visit_expression(a, node->keywords.items[i]);
	visit_expression(a, node->star);
	visit_expression(a, node->starstar);
}

/* Returns a copy of a scope, for a branch. */
static Symbols
copy_symbols(const Symbols *s)
{
	Symbols		copy = *s;

	bounds_work(10 + s->count);
	copy.symbols = palloc((s->allocated + 1) * sizeof(Symbol));
	if (s->count > 0)
		memcpy(copy.symbols, s->symbols, s->count * sizeof(Symbol));
	return copy;
}

/*
 * Takes the names of a branch into the scope; they override what the scope
 * knows.
 */
static void
merge_branch(Symbols *s, const Symbols *branch)
{
	int			i;

	for (i = 0; i < branch->count; i++)
	{
		Symbol	   *symbol;

		/* a branch begins as a copy of the scope: most names keep their places */
		bounds_work(2);
		if (i < s->count && s->symbols[i].name == branch->symbols[i].name)
			symbol = &s->symbols[i];
		else
			symbol = find_symbol(s, branch->symbols[i].name);
		if (symbol == NULL)
			symbol = add_symbol(s, branch->symbols[i].name, LOAD_RESOLVE);
		symbol->load = branch->symbols[i].load;
		symbol->stored |= branch->symbols[i].stored;
	}
}

/*
 * Takes the names of the branches of an "if" into the scope, and frees the
 * branches. A name that only
 * branches set has the value from outside before, because a branch may not be
 * taken.
 */
static void
merge_branches(Symbols *s, const Symbols *branches, int count)
{
	Symbols		before = copy_symbols(s);
	int			b;
	int			i;

	for (b = 0; b < count; b++)
		merge_branch(s, &branches[b]);
	for (i = 0; i < s->count; i++)
	{
		Symbol	   *symbol = &s->symbols[i];
		Symbol	   *old = i < before.count ? &before.symbols[i] : NULL;

		bounds_work(2);
		if (symbol->stored && !(old && old->stored))
			symbol->load = is_known(s->parent, symbol->name) ? LOAD_ALIAS : LOAD_RESOLVE;
	}
	for (b = 0; b < count; b++)
		pfree(branches[b].symbols);
	pfree(before.symbols);
}

/* Notes the names of an elif: an "if" without branches after it. */
static void
visit_elif(Analyser *a, const TemplateNode *node)
{
	Symbols    *s = a->symbols;
	Symbols		branch;

	visit_expression(a, node->third);
	branch = copy_symbols(s);
	a->symbols = &branch;
	visit_body(a, &node->body);
	a->symbols = s;
	merge_branches(s, &branch, 1);
}

/*
 * Notes the names of an "if": body, elif parts and else are analysed side by
 * side.
 */
static void
visit_if(Analyser *a, const TemplateNode *node)
{
	Symbols    *s = a->symbols;
	Symbols		branches[3];
	const TemplateNode *rest = node;
	int			b;

	visit_expression(a, node->third);
	for (b = 0; b < 3; b++)
		branches[b] = copy_symbols(s);
	a->symbols = &branches[0];
	visit_body(a, &node->body);

	/* all elif parts together are the second branch */
	a->symbols = &branches[1];
	while (rest->orelse.count == 1 && rest->orelse.items[0]->type == NODE_IF &&
		   (rest->orelse.items[0]->flags & NF_ELIF))
	{
		rest = rest->orelse.items[0];
		visit_elif(a, rest);
	}
	a->symbols = &branches[2];
	visit_body(a, &rest->orelse);
	a->symbols = s;
	merge_branches(s, branches, 3);
}

/* Notes the names of a statement that belong to the scope around it. */
static void
visit_statement(Analyser *a, const TemplateNode *node)
{
	int			i;

	check_stack_depth();
	switch (node->type)
	{
		case NODE_PRINT:
			visit_expression(a, node->left);
			break;
		case NODE_IF:
			visit_if(a, node);
			break;
		case NODE_FOR:
			visit_expression(a, node->right);
			break;
		case NODE_SET:
			visit_expression(a, node->right);
			visit_target(a, node->left, false);
			break;
		case NODE_SET_BLOCK:
			visit_target(a, node->left, false);
			break;
		case NODE_MACRO:
			store_name(a->symbols, node->name);
			break;
		case NODE_CALL_BLOCK:
			visit_expression(a, node->left);
			break;
		case NODE_FILTER_BLOCK:
			visit_expression(a, node->right);
			break;
		case NODE_WITH:
			for (i = 1; i < node->items.count; i += 2)
				visit_expression(a, node->items.items[i]);
			break;
		default:
			break;
	}
}

/* Notes the names of the statements of one scope. */
static void
visit_body(Analyser *a, const NodeList *body)
{
	int			i;

	for (i = 0; i < body->count; i++)
		visit_statement(a, body->items[i]);
}

/* Adds the names that a scope hides to a list. */
static void
note_undefined(const Symbols *s, NameList *list)
{
	int			i;

	for (i = 0; i < s->count; i++)
	{
		if (s->symbols[i].load != LOAD_UNDEFINED)
			continue;
		if (list->names == NULL)
			list->names = palloc(s->count * sizeof(int));
		list->names[list->count++] = s->symbols[i].name;
	}
}

/*
 * Analyses a scope whose parameters are declared: its own body, then inner
 * scopes.
 */
static void
analyse_scope(Template *t, Symbols *s, NodeList *body, NameList *hidden)
{
	Analyser	a = {t, s};

	visit_body(&a, body);
	note_undefined(s, hidden);
	analyse_inner(t, s, body);
}

/* Analyses the scopes that a statement opens. */
static void
analyse_statement(Template *t, const Symbols *outer, TemplateNode *node)
{
	Symbols		s = {outer};
	Symbols		orelse = {outer};
	Analyser	a = {t, &s};
	int			i;

	check_stack_depth();
	switch (node->type)
	{
		case NODE_IF:
			analyse_inner(t, outer, &node->body);
			analyse_inner(t, outer, &node->orelse);
			break;
		case NODE_FOR:
			declare_text(t, &s, "loop");
			visit_target(&a, node->left, true);
			analyse_scope(t, &s, &node->body, &node->hidden);
			analyse_scope(t, &orelse, &node->orelse, &node->hidden_else);
			break;
		case NODE_MACRO:
		case NODE_CALL_BLOCK:
			for (i = 0; i < node->items.count; i += 2)
				declare_parameter(&s, node->items.items[i]->name);
			if (node->flags & NF_CALLER)
				declare_text(t, &s, "caller");
			if (node->flags & NF_VARARGS)
				declare_text(t, &s, "varargs");
			if (node->flags & NF_KWARGS)
				declare_text(t, &s, "kwargs");
			for (i = 1; i < node->items.count; i += 2)
				visit_expression(&a, node->items.items[i]);
			analyse_scope(t, &s, &node->body, &node->hidden);
			break;
		case NODE_WITH:
			for (i = 0; i < node->items.count; i += 2)
				visit_target(&a, node->items.items[i], true);
			analyse_scope(t, &s, &node->body, &node->hidden);
			break;
		case NODE_AUTOESCAPE:
			visit_expression(&a, node->left);
			analyse_scope(t, &s, &node->body, &node->hidden);
			break;
		case NODE_SET_BLOCK:
		case NODE_FILTER_BLOCK:
			analyse_scope(t, &s, &node->body, &node->hidden);
			break;
		default:
			break;
	}
}

/* Analyses the scopes that the statements of a body open. */
static void
analyse_inner(Template *t, const Symbols *outer, NodeList *body)
{
	int			i;

	for (i = 0; i < body->count; i++)
		analyse_statement(t, outer, body->items[i]);
}

/* Notes, for every scope of a template, the names that it hides. */
void
jinja_analyse_scopes(Template *template)
{
	Symbols		s = {NULL};

	analyse_scope(template, &s, &template->body, &template->hidden);
}
