/*
 * jinja/parse_expression.c
 *		The parser of expressions: tokens into nodes.
 *
 * The parser is written by hand, not with bison: Jinja2's grammar depends on
 * context in ways that a grammar file hides (a bare tuple ends where the
 * statement says so, "is divisibleby 3" takes an argument without parentheses,
 * filters bind tighter than a sign), and every node needs its exact position.
 * The functions follow the levels of precedence, loosest first.
 */
#include "common/common.h"

#include "miscadmin.h"

#include "jinja/internal.h"

static TemplateNode *parse_conditional(Parser *p);
static TemplateNode *parse_or(Parser *p);
static TemplateNode *parse_sum(Parser *p);
static TemplateNode *parse_primary(Parser *p, bool with_namespace);
static TemplateNode *parse_postfix(Parser *p, TemplateNode *node);
static TemplateNode *parse_unary(Parser *p, bool with_filter);

/* ------------------------------------------------------------------------
 * Tokens and nodes, also for parse_statement.c
 * ------------------------------------------------------------------------
 */

/* Returns the current token. */
Token *
jinja_token(Parser *p)
{
	return &p->tokens.tokens[p->current];
}

/* Returns the token after the current one. */
static Token *
look_ahead(Parser *p)
{
	if (p->current + 1 >= p->tokens.count)
		return jinja_token(p);
	return &p->tokens.tokens[p->current + 1];
}

/* Goes to the next token; returns the one that was current. */
Token *
jinja_next(Parser *p)
{
	Token	   *token = jinja_token(p);

	if (token->type != TOK_EOF)
		p->current++;
	return token;
}

/* Returns Jinja2's name of a token, for messages. */
static const char *
token_name(TokenType type)
{
	static const char *const names[] = {
		[TOK_EOF] = "end of template", [TOK_DATA] = "template data / text",
		[TOK_VARIABLE_BEGIN] = "begin of print statement",
		[TOK_VARIABLE_END] = "end of print statement",
		[TOK_BLOCK_BEGIN] = "begin of statement block",
		[TOK_BLOCK_END] = "end of statement block",
		[TOK_NAME] = "name", [TOK_STRING] = "string",
		[TOK_INTEGER] = "integer", [TOK_FLOAT] = "float",
		[TOK_ADD] = "+", [TOK_ASSIGN] = "=", [TOK_COLON] = ":",
		[TOK_COMMA] = ",", [TOK_DIV] = "/", [TOK_DOT] = ".", [TOK_EQ] = "==",
		[TOK_FLOORDIV] = "//", [TOK_GT] = ">", [TOK_GE] = ">=",
		[TOK_LBRACE] = "{", [TOK_LBRACKET] = "[", [TOK_LPAREN] = "(",
		[TOK_LT] = "<", [TOK_LE] = "<=", [TOK_MOD] = "%", [TOK_MUL] = "*",
		[TOK_NE] = "!=", [TOK_PIPE] = "|", [TOK_POW] = "**",
		[TOK_RBRACE] = "}", [TOK_RBRACKET] = "]", [TOK_RPAREN] = ")",
		[TOK_SEMICOLON] = ";", [TOK_SUB] = "-", [TOK_TILDE] = "~"
	};

	return names[type];
}

/* Returns what a message calls a token. */
char *
jinja_describe_token(const Token *token)
{
	if (token->type == TOK_NAME)
		return value_clip_name(token->value.u.string, token->value.length);
	return pstrdup(token_name(token->type));
}

/*
 * Goes past a token of this type and returns it. Raises when another token is
 * current.
 */
Token *
jinja_expect(Parser *p, TokenType type)
{
	Token	   *token = jinja_token(p);

	if (token->type == type)
		return jinja_next(p);
	if (token->type == TOK_EOF)
		jinja_syntax_error(token->pos, "unexpected end of template, expected \"%s\"",
						   token_name(type));
	jinja_syntax_error(token->pos, "expected token \"%s\", got \"%s\"",
					   token_name(type), jinja_describe_token(token));
}

/*
 * Goes past a token of this type; returns false when another token is current.
 */
bool
jinja_skip_if(Parser *p, TokenType type)
{
	if (jinja_token(p)->type != type)
		return false;
	jinja_next(p);
	return true;
}

/* Returns whether the token is this word. */
bool
jinja_token_is(const Token *token, const char *name)
{
	return token->type == TOK_NAME && utext_is(&token->value, name);
}

/* Returns whether the current token is this word. */
bool
jinja_at_name(Parser *p, const char *name)
{
	return jinja_token_is(jinja_token(p), name);
}

/* Goes past a word; returns false when another token is current. */
bool
jinja_skip_name(Parser *p, const char *name)
{
	if (!jinja_at_name(p, name))
		return false;
	jinja_next(p);
	return true;
}

/* Goes past a word.  Raises when another token is current. */
void
jinja_expect_name(Parser *p, const char *name)
{
	Token	   *token = jinja_token(p);

	if (jinja_skip_name(p, name))
		return;
	jinja_syntax_error(token->pos, "expected token \"%s\", got \"%s\"",
					   name, jinja_describe_token(token));
}

/* Returns a new node. */
TemplateNode *
jinja_node(NodeType type, int pos)
{
	TemplateNode *node = palloc0(sizeof(TemplateNode));

	bounds_work(100);
	node->type = type;
	node->pos = pos;
	return node;
}

/* Appends a node to a list. */
void
jinja_append(NodeList *list, TemplateNode *node)
{
	if (list->count == list->allocated)
	{
		list->allocated = list->allocated ? list->allocated * 2 : 4;
		if (list->items == NULL)
			list->items = palloc(list->allocated * sizeof(TemplateNode *));
		else
			list->items = repalloc_huge(list->items,
										list->allocated * sizeof(TemplateNode *));
	}
	list->items[list->count++] = node;
}

/* Returns the number of a name; equal names have equal numbers. */
int
jinja_intern(Parser *p, const char *name, int length)
{
	Template   *t = p->template;
	TemplateName *entry;
	int			i = name_table_find(&p->names, name, length);

	if (i >= 0)
		return i;
	if (t->nnames == t->allocated_names)
	{
		t->allocated_names = t->allocated_names ? t->allocated_names * 2 : 4;
		if (t->names == NULL)
			t->names = palloc(t->allocated_names * sizeof(TemplateName));
		else
			t->names = repalloc(t->names, t->allocated_names * sizeof(TemplateName));
	}
	entry = &t->names[t->nnames];
	memset(entry, 0, sizeof(TemplateName));
	entry->name = pnstrdup(name, length);
	entry->length = length;
	name_table_add(&p->names, entry->name, length);
	entry->global = jinja_find_global(name, length);
	entry->function = jinja_find_function(name, length);
	return t->nnames++;
}

/* Returns a node for a binary operator. */
static TemplateNode *
binary(NodeType type, ValueOperator op, TemplateNode *left, TemplateNode *right, int pos)
{
	TemplateNode *node = jinja_node(type, pos);

	node->op = op;
	node->left = left;
	node->right = right;
	return node;
}

/* ------------------------------------------------------------------------
 * Expressions
 * ------------------------------------------------------------------------
 */

/* Parses an expression; "x if y else z" only where it is allowed. */
TemplateNode *
jinja_parse_expression(Parser *p, bool conditional)
{
	check_stack_depth();
	return conditional ? parse_conditional(p) : parse_or(p);
}

/* Parses "a if b else c". */
static TemplateNode *
parse_conditional(Parser *p)
{
	TemplateNode *node;

	check_stack_depth();
	node = parse_or(p);
	while (jinja_at_name(p, "if"))
	{
		TemplateNode *cond = jinja_node(NODE_CONDITIONAL, jinja_next(p)->pos);

		cond->left = node;
		cond->third = parse_or(p);
		if (jinja_skip_name(p, "else"))
			cond->right = parse_conditional(p);
		node = cond;
	}
	return node;
}

/* Parses "not a" and comparisons. */
static TemplateNode *
parse_not(Parser *p)
{
	static const struct
	{
		TokenType	token;
		ValueOperator op;
	}			comparisons[] = {
		{TOK_EQ, OP_EQ}, {TOK_NE, OP_NE}, {TOK_LT, OP_LT}, {TOK_LE, OP_LE},
		{TOK_GT, OP_GT}, {TOK_GE, OP_GE}
	};
	TemplateNode *left;
	TemplateNode *compare = NULL;

	check_stack_depth();
	if (jinja_at_name(p, "not"))
	{
		TemplateNode *node = jinja_node(NODE_NOT, jinja_next(p)->pos);

		node->left = parse_not(p);
		return node;
	}
	left = parse_sum(p);
	for (;;)
	{
		Token	   *token = jinja_token(p);
		int			op = -1;
		int			i;
		TemplateNode *operand;

		for (i = 0; i < lengthof(comparisons); i++)
		{
			if (token->type == comparisons[i].token)
				op = comparisons[i].op;
		}
		if (op >= 0)
			jinja_next(p);
		else if (jinja_skip_name(p, "in"))
			op = OP_IN;
		else if (jinja_token_is(token, "not") && jinja_token_is(look_ahead(p), "in"))
		{
			jinja_next(p);
			jinja_next(p);
			op = OP_NOT_IN;
		}
		else
			break;
		if (compare == NULL)
		{
			compare = jinja_node(NODE_COMPARE, token->pos);
			compare->left = left;
		}
		operand = jinja_node(NODE_COMPARE, token->pos);
		operand->op = op;
		operand->left = parse_sum(p);
		jinja_append(&compare->items, operand);
	}
	return compare ? compare : left;
}

/* Parses "a and b". */
static TemplateNode *
parse_and(Parser *p)
{
	TemplateNode *left = parse_not(p);

	while (jinja_at_name(p, "and"))
	{
		int			pos = jinja_next(p)->pos;

		left = binary(NODE_AND, 0, left, parse_not(p), pos);
	}
	return left;
}

/* Parses "a or b". */
static TemplateNode *
parse_or(Parser *p)
{
	TemplateNode *left = parse_and(p);

	while (jinja_at_name(p, "or"))
	{
		int			pos = jinja_next(p)->pos;

		left = binary(NODE_OR, 0, left, parse_and(p), pos);
	}
	return left;
}

/* Parses a ** b; from the left, as Jinja2 does. */
static TemplateNode *
parse_power(Parser *p)
{
	TemplateNode *left = parse_unary(p, true);

	while (jinja_token(p)->type == TOK_POW)
	{
		int			pos = jinja_next(p)->pos;

		left = binary(NODE_BINARY, OP_POW, left, parse_unary(p, true), pos);
	}
	return left;
}

/* Parses a * b, a / b, a // b and a % b. */
static TemplateNode *
parse_product(Parser *p)
{
	TemplateNode *left = parse_power(p);

	for (;;)
	{
		TokenType	type = jinja_token(p)->type;
		int			pos;
		ValueOperator op;

		if (type == TOK_MUL)
			op = OP_MUL;
		else if (type == TOK_DIV)
			op = OP_DIV;
		else if (type == TOK_FLOORDIV)
			op = OP_FLOORDIV;
		else if (type == TOK_MOD)
			op = OP_MOD;
		else
			return left;
		pos = jinja_next(p)->pos;
		left = binary(NODE_BINARY, op, left, parse_power(p), pos);
	}
}

/* Parses a ~ b ~ c. */
static TemplateNode *
parse_concat(Parser *p)
{
	TemplateNode *first = parse_product(p);
	TemplateNode *node;

	if (jinja_token(p)->type != TOK_TILDE)
		return first;
	node = jinja_node(NODE_CONCAT, jinja_token(p)->pos);
	jinja_append(&node->items, first);
	while (jinja_skip_if(p, TOK_TILDE))
		jinja_append(&node->items, parse_product(p));
	return node;
}

/* Parses a + b and a - b; "~" binds tighter. */
static TemplateNode *
parse_sum(Parser *p)
{
	TemplateNode *left = parse_concat(p);

	for (;;)
	{
		TokenType	type = jinja_token(p)->type;
		int			pos;

		if (type != TOK_ADD && type != TOK_SUB)
			return left;
		pos = jinja_next(p)->pos;
		left = binary(NODE_BINARY, type == TOK_ADD ? OP_ADD : OP_SUB,
					  left, parse_concat(p), pos);
	}
}

/* Parses the arguments of a call, a filter or a test. */
static void
parse_arguments(Parser *p, TemplateNode *node)
{
	int			pos = jinja_expect(p, TOK_LPAREN)->pos;
	bool		comma = false;

	check_stack_depth();
	while (jinja_token(p)->type != TOK_RPAREN)
	{
		if (comma)
		{
			jinja_expect(p, TOK_COMMA);
			if (jinja_token(p)->type == TOK_RPAREN)
				break;
		}
		if (jinja_token(p)->type == TOK_MUL && !node->star && !node->starstar)
		{
			jinja_next(p);
			node->star = jinja_parse_expression(p, true);
		}
		else if (jinja_token(p)->type == TOK_POW && !node->starstar)
		{
			jinja_next(p);
			node->starstar = jinja_parse_expression(p, true);
		}
		else if (jinja_token(p)->type == TOK_NAME && !node->starstar &&
				 look_ahead(p)->type == TOK_ASSIGN)
		{
			Token	   *name = jinja_next(p);
			TemplateNode *keyword = jinja_node(NODE_KEYWORD, name->pos);

			jinja_next(p);
			keyword->value = name->value;
			keyword->left = jinja_parse_expression(p, true);
			jinja_append(&node->keywords, keyword);
		}
		else if (!node->star && !node->starstar && node->keywords.count == 0)
			jinja_append(&node->items, jinja_parse_expression(p, true));
		else
			jinja_syntax_error(pos, "invalid syntax for function call expression");
		comma = true;
	}
	jinja_expect(p, TOK_RPAREN);
}

/* Parses one index or slice between brackets. */
static TemplateNode *
parse_subscribed(Parser *p)
{
	TemplateNode *parts[3] = {NULL, NULL, NULL};
	TemplateNode *slice;
	int			pos = jinja_token(p)->pos;
	int			i;

	if (jinja_token(p)->type != TOK_COLON)
	{
		parts[0] = jinja_parse_expression(p, true);
		if (jinja_token(p)->type != TOK_COLON)
			return parts[0];
	}
	jinja_next(p);
	for (i = 1; i < 3; i++)
	{
		TokenType	type = jinja_token(p)->type;

		if (type != TOK_COLON && type != TOK_RBRACKET && type != TOK_COMMA)
			parts[i] = jinja_parse_expression(p, true);
		if (i == 1 && !jinja_skip_if(p, TOK_COLON))
			break;
	}
	slice = jinja_node(NODE_SLICE, pos);
	for (i = 0; i < 3; i++)
		jinja_append(&slice->items, parts[i]);
	return slice;
}

/*
 * Notes which step's value results.name and results['name'] are, so that its envelope is
 * found: node->name is the number of the name, from 1.
 */
static void
note_result(Parser *p, const TemplateNode *object, const Value *key, TemplateNode *node)
{
	if (object->type == NODE_NAME && key->kind == VAL_STRING &&
		strcmp(p->template->names[object->name].name, "results") == 0)
		node->name = jinja_intern(p, key->u.string, key->length) + 1;
}

/* Parses [index], [start:stop:step] or [a, b] after an object. */
static TemplateNode *
parse_brackets(Parser *p, TemplateNode *object)
{
	int			pos = jinja_next(p)->pos;
	TemplateNode *node;
	NodeList	items = {0};
	bool		slices = false;

	while (jinja_token(p)->type != TOK_RBRACKET)
	{
		if (items.count > 0)
			jinja_expect(p, TOK_COMMA);
		jinja_append(&items, parse_subscribed(p));
		if (items.items[items.count - 1]->type == NODE_SLICE &&
			items.items[items.count - 1]->left == NULL)
			slices = true;
	}
	jinja_expect(p, TOK_RBRACKET);
	if (slices && items.count == 1)
	{
		node = items.items[0];
		node->left = object;
		return node;
	}
	if (slices)
		jinja_syntax_error(pos, "a slice cannot be part of a tuple");
	node = jinja_node(NODE_GETITEM, pos);
	node->left = object;
	if (items.count == 1)
		node->right = items.items[0];
	else
	{
		node->right = jinja_node(NODE_TUPLE, pos);
		node->right->items = items;
	}
	if (node->right->type == NODE_CONST)
		note_result(p, object, &node->right->value, node);
	return node;
}

/* Parses .name or .0 after an object. */
static TemplateNode *
parse_dot(Parser *p, TemplateNode *object)
{
	int			pos = jinja_next(p)->pos;
	Token	   *token = jinja_next(p);
	TemplateNode *node;

	if (token->type == TOK_NAME)
	{
		if (token->value.u.string[0] == '_' && jinja_token(p)->type == TOK_LPAREN)
			jinja_unsupported(token->pos,
							  "Functions whose names begin with an underscore are private.",
							  "call of \"%s\" is not allowed",
							  value_clip_name(token->value.u.string, token->value.length));
		node = jinja_node(NODE_GETATTR, pos);
		node->value = token->value;
		note_result(p, object, &node->value, node);
	}
	else if (token->type == TOK_INTEGER)
	{
		node = jinja_node(NODE_GETITEM, pos);
		node->right = jinja_node(NODE_CONST, token->pos);
		node->right->value = token->value;
	}
	else
		jinja_syntax_error(token->pos, "expected name or number");
	node->left = object;
	return node;
}

/* Notes the names that tell executions and steps apart, when the callee is uuid. */
static void
note_identity(Parser *p, const TemplateNode *callee)
{
	static const char *const names[] = {"execution_id", "job"};

	if (callee->type != NODE_NAME ||
		strcmp(p->template->names[callee->name].name, "uuid") != 0)
		return;
	for (int i = 0; i < lengthof(names); i++)
	{
		int			name = jinja_intern(p, names[i], strlen(names[i]));

		p->template->names[name].optional = true;
		p->template->identity[i] = name + 1;
	}
}

/* Parses the arguments of f(...). */
static TemplateNode *
parse_call(Parser *p, TemplateNode *callee)
{
	TemplateNode *node = jinja_node(NODE_CALL, jinja_token(p)->pos);

	node->left = callee;
	callee->flags |= NF_CALLEE;
	note_identity(p, callee);
	parse_arguments(p, node);
	return node;
}

/* Parses everything that may follow a primary expression. */
static TemplateNode *
parse_postfix(Parser *p, TemplateNode *node)
{
	for (;;)
	{
		switch (jinja_token(p)->type)
		{
			case TOK_DOT:
				node = parse_dot(p, node);
				break;
			case TOK_LBRACKET:
				node = parse_brackets(p, node);
				break;
			case TOK_LPAREN:
				node = parse_call(p, node);
				break;
			default:
				return node;
		}
	}
}

/* Parses the name of a filter or test, which may have dots. */
static Value
parse_dotted_name(Parser *p)
{
	Token	   *token = jinja_expect(p, TOK_NAME);
	Value		name = token->value;
	StringInfoData buf;

	if (jinja_token(p)->type != TOK_DOT)
		return name;
	initStringInfo(&buf);
	appendBinaryStringInfo(&buf, name.u.string, name.length);
	while (jinja_skip_if(p, TOK_DOT))
	{
		token = jinja_expect(p, TOK_NAME);
		appendStringInfoChar(&buf, '.');
		appendBinaryStringInfo(&buf, token->value.u.string, token->value.length);
	}
	return utext_make(buf.data, buf.len);
}

/*
 * Parses |filter(...), once or several times; start_inline: without the first
 * bar.
 */
TemplateNode *
jinja_parse_filter(Parser *p, TemplateNode *node, bool start_inline)
{
	while (start_inline || jinja_token(p)->type == TOK_PIPE)
	{
		TemplateNode *filter;

		if (!start_inline)
			jinja_next(p);
		filter = jinja_node(NODE_FILTER, jinja_token(p)->pos);
		filter->value = parse_dotted_name(p);
		filter->builtin = jinja_find_filter(filter->value.u.string,
											filter->value.length);
		filter->left = node;
		if (jinja_token(p)->type == TOK_LPAREN)
			parse_arguments(p, filter);
		node = filter;
		start_inline = false;
	}
	return node;
}

/* Parses "is [not] test [argument]". */
static TemplateNode *
parse_test(Parser *p, TemplateNode *operand)
{
	int			pos = jinja_next(p)->pos;
	TemplateNode *node = jinja_node(NODE_TEST, pos);
	TokenType	type;

	if (jinja_skip_name(p, "not"))
		node->flags |= NF_NEGATED;
	node->pos = jinja_token(p)->pos;
	node->value = parse_dotted_name(p);
	node->builtin = jinja_find_test(node->value.u.string, node->value.length);
	node->left = operand;
	type = jinja_token(p)->type;
	if (type == TOK_LPAREN)
		parse_arguments(p, node);
	else if ((type == TOK_NAME || type == TOK_STRING || type == TOK_INTEGER ||
			  type == TOK_FLOAT || type == TOK_LBRACKET || type == TOK_LBRACE) &&
			 !jinja_at_name(p, "else") && !jinja_at_name(p, "or") &&
			 !jinja_at_name(p, "and"))
	{
		if (jinja_at_name(p, "is"))
			jinja_syntax_error(jinja_token(p)->pos,
							   "you cannot chain multiple tests with is");
		jinja_append(&node->items, parse_postfix(p, parse_primary(p, false)));
	}
	return node;
}

/* Parses filters, tests and calls after an operand. */
static TemplateNode *
parse_filter_expression(Parser *p, TemplateNode *node)
{
	for (;;)
	{
		Token	   *token = jinja_token(p);

		if (token->type == TOK_PIPE)
			node = jinja_parse_filter(p, node, false);
		else if (jinja_token_is(token, "is"))
			node = parse_test(p, node);
		else if (token->type == TOK_LPAREN)
			node = parse_call(p, node);
		else
			return node;
	}
}

/* Parses signs, which bind tighter than filters. */
static TemplateNode *
parse_unary(Parser *p, bool with_filter)
{
	Token	   *token = jinja_token(p);
	TemplateNode *node;

	check_stack_depth();
	if (token->type == TOK_SUB || token->type == TOK_ADD)
	{
		node = jinja_node(token->type == TOK_SUB ? NODE_NEGATE : NODE_PLUS,
						  jinja_next(p)->pos);
		node->left = parse_unary(p, false);
	}
	else
		node = parse_primary(p, false);
	node = parse_postfix(p, node);
	return with_filter ? parse_filter_expression(p, node) : node;
}

/* Parses [a, b]. */
static TemplateNode *
parse_list(Parser *p)
{
	TemplateNode *node = jinja_node(NODE_LIST, jinja_next(p)->pos);

	while (jinja_token(p)->type != TOK_RBRACKET)
	{
		if (node->items.count > 0)
			jinja_expect(p, TOK_COMMA);
		if (jinja_token(p)->type == TOK_RBRACKET)
			break;
		jinja_append(&node->items, jinja_parse_expression(p, true));
	}
	jinja_expect(p, TOK_RBRACKET);
	return node;
}

/* Parses {a: b}. */
static TemplateNode *
parse_dict(Parser *p)
{
	TemplateNode *node = jinja_node(NODE_DICT, jinja_next(p)->pos);

	while (jinja_token(p)->type != TOK_RBRACE)
	{
		if (node->items.count > 0)
			jinja_expect(p, TOK_COMMA);
		if (jinja_token(p)->type == TOK_RBRACE)
			break;
		jinja_append(&node->items, jinja_parse_expression(p, true));
		jinja_expect(p, TOK_COLON);
		jinja_append(&node->items, jinja_parse_expression(p, true));
	}
	jinja_expect(p, TOK_RBRACE);
	return node;
}

/* Parses a name or one of the constants true, false and none. */
static TemplateNode *
parse_name(Parser *p, bool with_namespace)
{
	Token	   *token = jinja_next(p);
	TemplateNode *node = jinja_node(NODE_CONST, token->pos);

	if (jinja_token_is(token, "true") || jinja_token_is(token, "True"))
		node->value = value_bool(true);
	else if (jinja_token_is(token, "false") || jinja_token_is(token, "False"))
		node->value = value_bool(false);
	else if (jinja_token_is(token, "none") || jinja_token_is(token, "None"))
		node->value = value_none();
	else
	{
		node->type = NODE_NAME;
		node->name = jinja_intern(p, token->value.u.string, token->value.length);
		if (with_namespace && jinja_skip_if(p, TOK_DOT))
		{
			node->type = NODE_NSREF;
			node->value = jinja_expect(p, TOK_NAME)->value;
		}
	}
	return node;
}

/* Parses adjacent string literals, which are one string. */
static TemplateNode *
parse_string(Parser *p)
{
	Token	   *token = jinja_next(p);
	TemplateNode *node = jinja_node(NODE_CONST, token->pos);
	StringInfoData buf;

	node->value = token->value;
	if (jinja_token(p)->type != TOK_STRING)
		return node;
	initStringInfo(&buf);
	appendBinaryStringInfo(&buf, token->value.u.string, token->value.length);
	while (jinja_token(p)->type == TOK_STRING)
	{
		token = jinja_next(p);
		appendBinaryStringInfo(&buf, token->value.u.string, token->value.length);
	}
	node->value = utext_make(buf.data, buf.len);
	return node;
}

/* Parses a literal, a name or an expression in brackets. */
static TemplateNode *
parse_primary(Parser *p, bool with_namespace)
{
	Token	   *token = jinja_token(p);
	TemplateNode *node;

	check_stack_depth();
	switch (token->type)
	{
		case TOK_NAME:
			return parse_name(p, with_namespace);
		case TOK_STRING:
			return parse_string(p);
		case TOK_INTEGER:
		case TOK_FLOAT:
			node = jinja_node(NODE_CONST, token->pos);
			node->value = jinja_next(p)->value;
			return node;
		case TOK_LPAREN:
			jinja_next(p);
			node = jinja_parse_tuple(p, false, true, true, false);
			jinja_expect(p, TOK_RPAREN);
			return node;
		case TOK_LBRACKET:
			return parse_list(p);
		case TOK_LBRACE:
			return parse_dict(p);
		default:
			jinja_syntax_error(token->pos, "unexpected \"%s\"",
							   jinja_describe_token(token));
	}
}

/*
 * Parses expressions with commas between them, which are a tuple even without
 * parentheses. The tuple ends where the tag does; after a comma, no word ends it: in
 * "for a, in x" the "in" is a target, to Jinja2, too.
 * simplified: only targets of assignments are allowed.
 */
TemplateNode *
jinja_parse_tuple(Parser *p, bool simplified, bool conditional, bool parenthesized,
				  bool with_namespace)
{
	TemplateNode *tuple = jinja_node(NODE_TUPLE, jinja_token(p)->pos);
	bool		is_tuple = false;

	for (;;)
	{
		TokenType	type;

		if (tuple->items.count > 0)
			jinja_expect(p, TOK_COMMA);
		type = jinja_token(p)->type;
		if (type == TOK_VARIABLE_END || type == TOK_BLOCK_END || type == TOK_RPAREN)
			break;
		jinja_append(&tuple->items,
					 simplified ? parse_primary(p, with_namespace) :
					 jinja_parse_expression(p, conditional));
		if (jinja_token(p)->type != TOK_COMMA)
			break;
		is_tuple = true;
	}
	if (!is_tuple)
	{
		if (tuple->items.count > 0)
			return tuple->items.items[0];
		if (!parenthesized)
			jinja_syntax_error(jinja_token(p)->pos, "expected an expression, got \"%s\"",
							   jinja_describe_token(jinja_token(p)));
	}
	return tuple;
}
