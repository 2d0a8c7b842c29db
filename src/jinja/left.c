/*
 * jinja/left.c
 *		Templates that refer to what only a worker can render, where there is no
 *		worker: conditions, and what the broker renders for itself.
 */
#include "common/common.h"

#include "miscadmin.h"

#include "jinja/internal.h"

typedef struct Search
{
	const Template *template;
	const TemplateScope *scope;
	const TemplateNode *found;	/* the name, or the access to its member */
	TemplateLeft what;
} Search;

static void search(Search *s, const TemplateNode *node);

/* Searches a list of nodes. */
static void
search_list(Search *s, const NodeList *list)
{
	for (int i = 0; i < list->count; i++)
		search(s, list->items[i]);
}

/* Asks the scope about a free name, or about a member of its value. */
static void
ask(Search *s, const TemplateNode *at, const TemplateNode *name, const Value *member)
{
	const TemplateName *n = &s->template->names[name->name];

	if (!n->free || n->global != NULL || s->found != NULL)
		return;
	s->what = s->scope->left(s->scope->arg, n->name, n->length,
							 member != NULL ? member->u.string : NULL,
							 member != NULL ? member->length : 0);
	/* whoever asks whether there is such a name gets an answer */
	if (s->what != LEFT_NOTHING && !(s->what == LEFT_NAME && n->optional))
		s->found = at;
}

/* Searches a tree. */
static void
search(Search *s, const TemplateNode *node)
{
	const Value *member = NULL;

	if (node == NULL || s->found != NULL)
		return;
	check_stack_depth();
	CHECK_FOR_INTERRUPTS();
	if (node->type == NODE_GETATTR)
		member = &node->value;
	else if (node->type == NODE_GETITEM && node->right != NULL &&
			 node->right->type == NODE_CONST && node->right->value.kind == VAL_STRING)
		member = &node->right->value;
	if (member != NULL && node->left != NULL && node->left->type == NODE_NAME)
	{
		ask(s, node, node->left, member);
		return;
	}
	if (node->type == NODE_NAME)
		ask(s, node, node, NULL);
	search(s, node->left);
	search(s, node->right);
	search(s, node->third);
	search(s, node->star);
	search(s, node->starstar);
	search_list(s, &node->items);
	search_list(s, &node->keywords);
	search_list(s, &node->body);
	search_list(s, &node->orelse);
}

/*
 * Returns whether a template refers to what only a worker can render, as its scope says;
 * then *error tells what.
 */
bool
template_refers_to_left(const Template *template, const TemplateScope *scope,
						SourceError *error)
{
	Search		s = {template, scope, NULL, LEFT_NOTHING};
	const TemplateNode *name;
	const TemplateName *n;

	if (scope->left == NULL || template->verbatim)
		return false;
	search(&s, template->native);
	search_list(&s, &template->body);
	if (s.found == NULL)
		return false;
	name = s.found->type == NODE_NAME ? s.found : s.found->left;
	n = &template->names[name->name];
	memset(error, 0, sizeof(SourceError));
	error->sqlerrcode = ERRCODE_UNDEFINED_OBJECT;
	if (s.what == LEFT_NAME)
		error->message = psprintf("only a worker knows the name \"%s\"",
								  value_clip_name(n->name, n->length));
	else
		error->message = psprintf("only a worker can render what \"%s\" contains",
								  value_clip_name(n->name, n->length));
	error->hint = "The broker renders this template itself; use the name in an action.";
	jinja_locate(template->source, template->length, name->pos, &error->line, &error->column);
	return true;
}
