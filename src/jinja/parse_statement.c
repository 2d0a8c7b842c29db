/*
 * jinja/parse_statement.c
 *		The parser of statements and of the text between tags: tokens into nodes.
 */
#include "common/common.h"

#include "mb/pg_wchar.h"
#include "miscadmin.h"

#include "jinja/internal.h"

static void parse_until(Parser *p, NodeList *body, const char *const *end_tags);

/* Tags of Jinja2 or its extensions that are refused, with the reason. */
static const struct
{
	const char *tag;
	const char *hint;
}			refused_tags[] = {
	{"include", "There is no loader of templates; use a macro in the same template."},
	{"import", "There is no loader of templates; define the macro in the same template."},
	{"from", "There is no loader of templates; define the macro in the same template."},
	{"extends", "There is no loader of templates."},
	{"block", "Template inheritance needs a loader of templates; use a macro or a set block."},
	{"do", "Not part of the core language; use {% set %}."},
	{"break", "Not part of the core language; filter the sequence: {% for x in xs if ... %}."},
	{"continue", "Not part of the core language; filter the sequence: {% for x in xs if ... %}."},
	{"trans", "Translations are not supported."},
	{"debug", "Not part of the core language; print what you want to see with |pprint."},
};

/* Raises for an unknown tag, or for an end tag that ends nothing. */
static void
fail_unknown_tag(Parser *p, Token *token)
{
	int			i;

	for (i = 0; i < lengthof(refused_tags); i++)
	{
		if (jinja_token_is(token, refused_tags[i].tag))
			jinja_unsupported(token->pos, refused_tags[i].hint,
							  "tag \"%s\" is not supported", refused_tags[i].tag);
	}
	if (p->innermost)
		jinja_syntax_error(token->pos,
						   "encountered unknown tag \"%s\"; the innermost block that needs to be closed is \"%s\"",
						   jinja_describe_token(token), p->innermost);
	jinja_syntax_error(token->pos, "encountered unknown tag \"%s\"",
					   jinja_describe_token(token));
}

/* Returns whether the expression can be assigned to. */
static bool
can_assign(const TemplateNode *node)
{
	int			i;

	if (node->type == NODE_NAME || node->type == NODE_NSREF)
		return true;
	if (node->type != NODE_TUPLE)
		return false;
	for (i = 0; i < node->items.count; i++)
	{
		if (!can_assign(node->items.items[i]))
			return false;
	}
	return true;
}

/* Parses a target of for, set or with. */
static TemplateNode *
parse_target(Parser *p, bool with_namespace)
{
	int			pos = jinja_token(p)->pos;
	TemplateNode *target = jinja_parse_tuple(p, true, true, false, with_namespace);

	if (!can_assign(target))
		jinja_syntax_error(pos, "cannot assign to this expression");
	return target;
}

/* Parses a target that must be a plain name. */
static TemplateNode *
parse_target_name(Parser *p)
{
	Token	   *token = jinja_expect(p, TOK_NAME);
	TemplateNode *node = jinja_node(NODE_NAME, token->pos);

	if (jinja_token_is(token, "true") || jinja_token_is(token, "false") ||
		jinja_token_is(token, "none") || jinja_token_is(token, "True") ||
		jinja_token_is(token, "False") || jinja_token_is(token, "None"))
		jinja_syntax_error(token->pos, "cannot assign to this expression");
	node->name = jinja_intern(p, token->value.u.string, token->value.length);
	return node;
}

/*
 * Parses the body of a statement up to one of its end tags, which is current
 * afterwards.
 */
static void
parse_statements(Parser *p, NodeList *body, const char *const *end_tags)
{
	jinja_skip_if(p, TOK_COLON);
	jinja_expect(p, TOK_BLOCK_END);
	parse_until(p, body, end_tags);
}

/* Parses the body of a statement that has one end tag. */
static void
parse_block(Parser *p, NodeList *body, const char *end_tag)
{
	const char *const end_tags[] = {end_tag, NULL};

	parse_statements(p, body, end_tags);
	jinja_next(p);
}

/* Parses "for target in expression [if condition] [recursive]". */
static TemplateNode *
parse_for(Parser *p)
{
	static const char *const end_tags[] = {"endfor", "else", NULL};
	TemplateNode *node = jinja_node(NODE_FOR, jinja_next(p)->pos);

	node->left = parse_target(p, false);
	jinja_expect_name(p, "in");
	node->right = jinja_parse_tuple(p, false, false, false, false);
	if (jinja_skip_name(p, "if"))
		node->third = jinja_parse_expression(p, true);
	if (jinja_skip_name(p, "recursive"))
		node->flags |= NF_RECURSIVE;
	parse_statements(p, &node->body, end_tags);
	if (jinja_token_is(jinja_next(p), "else"))
		parse_block(p, &node->orelse, "endfor");
	return node;
}

/*
 * Parses "if condition ... elif ... else". An elif is an "if" in the else
 * branch.
 */
static TemplateNode *
parse_if(Parser *p)
{
	static const char *const end_tags[] = {"elif", "else", "endif", NULL};
	TemplateNode *first = NULL;
	TemplateNode *node = NULL;

	for (;;)
	{
		TemplateNode *branch = jinja_node(NODE_IF, jinja_next(p)->pos);

		if (node != NULL)
		{
			branch->flags |= NF_ELIF;
			jinja_append(&node->orelse, branch);
		}
		else
			first = branch;
		node = branch;
		node->third = jinja_parse_tuple(p, false, false, false, false);
		parse_statements(p, &node->body, end_tags);
		if (!jinja_at_name(p, "elif"))
			break;
	}
	if (jinja_token_is(jinja_next(p), "else"))
		parse_block(p, &node->orelse, "endif");
	return first;
}

/* Returns whether an expression is the value of a target of "set". */
static bool
is_value_of(const TemplateNode *node, const TemplateNode *target)
{
	if (target->type == NODE_NAME)
		return node->type == NODE_NAME && node->name == target->name;
	return target->type == NODE_NSREF && node->type == NODE_GETATTR &&
		node->left->type == NODE_NAME && node->left->name == target->name &&
		node->value.length == target->value.length &&
		memcmp(node->value.u.string, target->value.u.string, target->value.length) == 0;
}

/*
 * Marks the operators of "set x = x + y + z" and "set x = x ~ y", whose result
 * takes the place of their left operand.
 */
static void
mark_append(TemplateNode *set)
{
	TemplateNode *node = set->right;

	if (node->type == NODE_CONCAT)
	{
		if (is_value_of(node->items.items[0], set->left))
			node->flags |= NF_APPEND;
		return;
	}
	while (node->type == NODE_BINARY && node->op == OP_ADD &&
		   !is_value_of(node->left, set->left))
		node = node->left;
	if (node->type != NODE_BINARY || node->op != OP_ADD)
		return;
	for (node = set->right; node->type == NODE_BINARY; node = node->left)
		node->flags |= NF_APPEND;
}

/* Parses "set target = expression", or "set target ... endset". */
static TemplateNode *
parse_set(Parser *p)
{
	TemplateNode *node = jinja_node(NODE_SET, jinja_next(p)->pos);

	node->left = parse_target(p, true);
	if (jinja_skip_if(p, TOK_ASSIGN))
	{
		node->right = jinja_parse_tuple(p, false, true, false, false);
		mark_append(node);
		return node;
	}
	node->type = NODE_SET_BLOCK;
	node->right = jinja_parse_filter(p, NULL, false);
	parse_block(p, &node->body, "endset");
	return node;
}

/* Parses "with a = 1, b = 2". */
static TemplateNode *
parse_with(Parser *p)
{
	TemplateNode *node = jinja_node(NODE_WITH, jinja_next(p)->pos);

	while (jinja_token(p)->type != TOK_BLOCK_END)
	{
		if (node->items.count > 0)
			jinja_expect(p, TOK_COMMA);
		jinja_append(&node->items, parse_target(p, false));
		jinja_expect(p, TOK_ASSIGN);
		jinja_append(&node->items, jinja_parse_expression(p, true));
	}
	parse_block(p, &node->body, "endwith");
	return node;
}

/* Parses parameters, (a, b = 1), as target and default (or NULL) in turn. */
static void
parse_signature(Parser *p, TemplateNode *node)
{
	bool		defaults = false;

	jinja_expect(p, TOK_LPAREN);
	while (jinja_token(p)->type != TOK_RPAREN)
	{
		if (node->items.count > 0)
			jinja_expect(p, TOK_COMMA);
		jinja_append(&node->items, parse_target_name(p));
		if (jinja_skip_if(p, TOK_ASSIGN))
		{
			jinja_append(&node->items, jinja_parse_expression(p, true));
			defaults = true;
		}
		else
		{
			if (defaults)
				jinja_syntax_error(jinja_token(p)->pos,
								   "non-default argument follows default argument");
			jinja_append(&node->items, NULL);
		}
	}
	jinja_expect(p, TOK_RPAREN);
}

/* Parses "macro name(parameters)". */
static TemplateNode *
parse_macro(Parser *p)
{
	TemplateNode *node = jinja_node(NODE_MACRO, jinja_next(p)->pos);

	node->name = parse_target_name(p)->name;
	parse_signature(p, node);
	parse_block(p, &node->body, "endmacro");
	return node;
}

/* Parses "call[(parameters)] macro(...)". */
static TemplateNode *
parse_call_block(Parser *p)
{
	int			pos = jinja_next(p)->pos;
	TemplateNode *node = jinja_node(NODE_CALL_BLOCK, pos);

	node->name = -1;
	if (jinja_token(p)->type == TOK_LPAREN)
		parse_signature(p, node);
	node->left = jinja_parse_expression(p, true);
	if (node->left->type != NODE_CALL)
		jinja_syntax_error(pos, "expected call");
	parse_block(p, &node->body, "endcall");
	return node;
}

/* Parses "filter name|name(...)". */
static TemplateNode *
parse_filter_block(Parser *p)
{
	TemplateNode *node = jinja_node(NODE_FILTER_BLOCK, jinja_next(p)->pos);

	node->right = jinja_parse_filter(p, NULL, true);
	parse_block(p, &node->body, "endfilter");
	return node;
}

/* Parses "print a, b", which Jinja2 has without documenting it. */
static TemplateNode *
parse_print(Parser *p)
{
	int			pos = jinja_next(p)->pos;
	TemplateNode *node = jinja_node(NODE_IF, pos);

	node->flags |= NF_PRINT;
	node->third = jinja_node(NODE_CONST, pos);
	node->third->value = value_bool(true);
	while (jinja_token(p)->type != TOK_BLOCK_END)
	{
		TemplateNode *print;

		if (node->body.count > 0)
			jinja_expect(p, TOK_COMMA);
		print = jinja_node(NODE_PRINT, jinja_token(p)->pos);
		print->left = jinja_parse_expression(p, true);
		jinja_append(&node->body, print);
	}
	return node;
}

/* Parses "autoescape expression". */
static TemplateNode *
parse_autoescape(Parser *p)
{
	TemplateNode *node = jinja_node(NODE_AUTOESCAPE, jinja_next(p)->pos);

	node->left = jinja_parse_expression(p, true);
	parse_block(p, &node->body, "endautoescape");
	return node;
}

/* Parses one statement. */
static TemplateNode *
parse_statement(Parser *p)
{
	static const struct
	{
		const char *tag;
		TemplateNode *(*parse) (Parser *p);
	}			statements[] = {
		{"if", parse_if}, {"for", parse_for}, {"set", parse_set},
		{"macro", parse_macro}, {"call", parse_call_block},
		{"filter", parse_filter_block}, {"with", parse_with},
		{"print", parse_print}, {"autoescape", parse_autoescape}
	};
	Token	   *token = jinja_token(p);
	const char *outer = p->innermost;
	TemplateNode *node = NULL;
	int			i;

	check_stack_depth();
	if (token->type != TOK_NAME)
		jinja_syntax_error(token->pos, "tag name expected");
	for (i = 0; i < lengthof(statements); i++)
	{
		if (jinja_token_is(token, statements[i].tag))
		{
			p->innermost = statements[i].tag;
			node = statements[i].parse(p);
			p->innermost = outer;
			return node;
		}
	}
	fail_unknown_tag(p, token);
	return NULL;				/* keep compiler quiet */
}

/*
 * Parses text, {{ }} and statements up to one of the end tags; NULL means the
 * end of the template.
 */
static void
parse_until(Parser *p, NodeList *body, const char *const *end_tags)
{
	for (;;)
	{
		Token	   *token = jinja_token(p);
		TemplateNode *node;
		int			i;

		CHECK_FOR_INTERRUPTS();
		switch (token->type)
		{
			case TOK_EOF:
				if (end_tags != NULL)
					jinja_syntax_error(token->pos,
									   "unexpected end of template; the innermost block that needs to be closed is \"%s\"",
									   p->innermost);
				return;
			case TOK_DATA:
				node = jinja_node(NODE_DATA, token->pos);
				node->value = jinja_next(p)->value;
				jinja_append(body, node);
				break;
			case TOK_VARIABLE_BEGIN:
				jinja_next(p);
				node = jinja_node(NODE_PRINT, token->pos);
				node->left = jinja_parse_tuple(p, false, true, false, false);
				jinja_expect(p, TOK_VARIABLE_END);
				jinja_append(body, node);
				break;
			default:
				jinja_expect(p, TOK_BLOCK_BEGIN);
				for (i = 0; end_tags != NULL && end_tags[i] != NULL; i++)
				{
					if (jinja_at_name(p, end_tags[i]))
						return;
				}
				jinja_append(body, parse_statement(p));
				jinja_expect(p, TOK_BLOCK_END);
				break;
		}
	}
}

/* Parses a whole template. */
void
jinja_parse_body(Parser *p, NodeList *body)
{
	parse_until(p, body, NULL);
}
