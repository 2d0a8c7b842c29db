/*
 * jinja/members.c
 *		The members of a free name that a template mentions: name.member, name['member'].
 */
#include "common/common.h"

#include "miscadmin.h"

#include "jinja/internal.h"

/* What is looked for, and what was found. */
typedef struct Members
{
	int			name;			/* number of the name */
	List	   *found;			/* char * */
} Members;

static void find(const TemplateNode *node, Members *members);

/* Looks in a list. */
static void
find_in_list(const NodeList *list, Members *members)
{
	for (int i = 0; i < list->count; i++)
		find(list->items[i], members);
}

/* Returns the text of a member, or NULL: it is none, or the name of a method. */
static const Value *
member_of(const TemplateNode *node)
{
	const Value *value = NULL;

	if (node->type == NODE_GETATTR && (node->flags & NF_CALLEE) == 0)
		value = &node->value;
	else if (node->type == NODE_GETITEM && node->right != NULL && node->right->type == NODE_CONST)
		value = &node->right->value;
	return value != NULL && value->kind == VAL_STRING ? value : NULL;
}

/* Looks in a tree. */
static void
find(const TemplateNode *node, Members *members)
{
	const Value *member;

	if (node == NULL)
		return;
	check_stack_depth();
	member = member_of(node);
	if (member != NULL && node->left != NULL && node->left->type == NODE_NAME &&
		node->left->name == members->name)
		members->found = lappend(members->found,
												pnstrdup(member->u.string, member->length));
	find(node->left, members);
	find(node->right, members);
	find(node->third, members);
	find(node->star, members);
	find(node->starstar, members);
	find_in_list(&node->items, members);
	find_in_list(&node->keywords, members);
	find_in_list(&node->body, members);
	find_in_list(&node->orelse, members);
}

/* Returns the members (char *) of a free name that a template mentions (jinja/jinja.h). */
List *
template_members(const Template *template, const char *name)
{
	Members		members = {-1, NIL};

	for (int i = 0; i < template->nnames; i++)
		if (template->names[i].free && strcmp(template->names[i].name, name) == 0)
			members.name = i;
	if (members.name >= 0)
		find_in_list(&template->body, &members);
	if (members.name >= 0 && template->native != NULL)
		find(template->native, &members);
	return members.found;
}
