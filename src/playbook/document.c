/*
 * playbook/document.c
 *		YAML values with templates in them, compiled.
 *
 * A part of a document without any template becomes one constant, however
 * deep it is.  Everything is copied: the YAML tree does not outlive
 * compilation, the compiled playbook does.
 */
#include "common/common.h"

#include "miscadmin.h"
#include "utils/datum.h"
#include "utils/memutils.h"

#include "playbook/internal.h"
#include "value/value.h"

static bool has_tags(const YamlNode *node);
static void copy_value(const YamlNode *node, JsonbValue *value);
static void string_value(const YamlNode *node, JsonbValue *value);
static void collect_raw_roots(Compiler *compiler, const char *key,
							  const YamlNode *node, int sees);
static char *value_source(const YamlNode *node);

/* Returns whether a value contains a template, however deep. */
static bool
has_tags(const YamlNode *node)
{
	int			i;

	check_stack_depth();
	CHECK_FOR_INTERRUPTS();
	switch (node->kind)
	{
		case YN_STRING:
			return template_has_tags(node->string, node->length);
		case YN_LIST:
			for (i = 0; i < node->count; i++)
				if (has_tags(node->items[i]))
					return true;
			return false;
		case YN_MAP:
			for (i = 0; i < node->count; i++)
				if (has_tags(node->pairs[i].value))
					return true;
			return false;
		default:
			return false;
	}
}

/* Copies the text of a node into a JSON string. */
static void
string_value(const YamlNode *node, JsonbValue *value)
{
	value->type = jbvString;
	value->val.string.val = pnstrdup(node->string, node->length);
	value->val.string.len = node->length;
}

/* Finds the JSON value of a node; it shares no memory with the tree. */
static void
copy_value(const YamlNode *node, JsonbValue *value)
{
	yaml_to_json(node, value);
	if (value->type == jbvString)
		string_value(node, value);
	else if (value->type == jbvNumeric)
		value->val.numeric =
			DatumGetNumeric(datumCopy(NumericGetDatum(value->val.numeric),
									  false, -1));
}

/* Returns a value as a document without templates, whatever it contains. */
TemplateDoc *
playbook_constant_doc(const YamlNode *node)
{
	TemplateDoc *doc = palloc0(sizeof(TemplateDoc));

	doc->kind = DOC_CONSTANT;
	copy_value(node, &doc->value);
	return doc;
}

/*
 * Returns a value whose templates the worker renders: a constant here.  Notes
 * the names that it refers to, and reports a template that does not parse.
 */
TemplateDoc *
playbook_raw_doc(Compiler *compiler, const char *key, const YamlNode *node)
{
	collect_raw_roots(compiler, key, node, 0);
	return playbook_constant_doc(node);
}

/* Adds the free names of a template to a set. */
static void
add_roots(NameTable *table, const Template *template)
{
	const char *const *names;
	int			count = template_roots(template, &names);

	for (int i = 0; i < count; i++)
	{
		int			length = strlen(names[i]);

		if (name_table_find(table, names[i], length) < 0)
			name_table_add(table, pnstrdup(names[i], length), length);
	}
}

/* Notes that a template refers to its free names. */
void
playbook_mention(Compiler *compiler, const Template *template)
{
	add_roots(&compiler->mentioned, template);
}

/* Notes the free names of a template that the worker will render. */
static void
add_raw_roots_of(Compiler *compiler, const Template *template)
{
	add_roots(&compiler->raw_roots, template);
	playbook_mention(compiler, template);
}

/* Adds a name that the worker needs the value of. */
static void
add_raw_root(Compiler *compiler, const char *name)
{
	int			length = strlen(name);

	if (name_table_find(&compiler->raw_roots, name, length) < 0)
		name_table_add(&compiler->raw_roots, pstrdup(name), length);
	if (name_table_find(&compiler->mentioned, name, length) < 0)
		name_table_add(&compiler->mentioned, pstrdup(name), length);
}

/* Returns whether program text has the name context, and not as a member of something. */
static bool
says_context(const char *text)
{
	const char *word = "context";
	const char *place = text;

	while ((place = strstr(place, word)) != NULL)
	{
		const char *after = place + strlen(word);
		char		before = place == text ? ' ' : place[-1];

		if (!isalnum((unsigned char) before) && before != '_' && before != '.' &&
			!isalnum((unsigned char) *after) && *after != '_')
			return true;
		place = after;
	}
	return false;
}

/*
 * Notes that a Python program may ask for the workload and the values of steps, which
 * it knows as "context": its text has that name, or cannot be looked at here.  key is
 * that of the text or of the place where it is.
 */
void
playbook_note_program(Compiler *compiler, const char *key, const YamlNode *node)
{
	static const char *const elsewhere[] = {
		"code_b64", "code_base64", "script", "file", NULL
	};

	if (!key_in(key, elsewhere) &&
		!(strcmp(key, "code") == 0 && node->kind == YN_STRING && says_context(node->string)))
		return;
	add_raw_root(compiler, "workload");
	add_raw_root(compiler, "results");
}

/*
 * Notes the free names of text that is an expression although it has no
 * braces.  One that does not parse is reported where it is compiled to be
 * evaluated, or fails there.
 */
static void
collect_expression_roots(Compiler *compiler, const char *key, const YamlNode *node,
						 int sees)
{
	static const char *const conditions[] = {
		"where", "filter", "retry_when", "stop_when"
	};
	SourceError error;
	IteratorOrder order;
	Template   *compiled = NULL;

	if (strcmp(key, "order_by") == 0 &&
		iterator_compile_order(node->string, node->length, &order, &error))
		compiled = order.key;
	for (int i = 0; i < lengthof(conditions); i++)
		if (strcmp(key, conditions[i]) == 0)
			compiled = template_compile(node->string, node->length,
										TEMPLATE_CONDITION, &error);
	if (compiled == NULL)
		return;
	/* "order_by: age" means a member of the item */
	if (strcmp(key, "order_by") != 0)
		playbook_note_names(compiler, node, compiled, sees);
	add_raw_roots_of(compiler, compiled);
}

/*
 * Adds the free names of every template in a value to the step's raw_roots.  sees:
 * SEES_* of the keys around it.
 */
static void
collect_raw_roots(Compiler *compiler, const char *key, const YamlNode *node, int sees)
{
	Template   *compiled;
	SourceError error = {0};
	int			i;

	check_stack_depth();
	sees |= playbook_key_sees(key);
	CHECK_FOR_INTERRUPTS();
	for (i = 0; i < node->count; i++)
		if (node->kind == YN_LIST)
			collect_raw_roots(compiler, key, node->items[i], sees);
		else if (!key_is_code(node->pairs[i].key->string))
			collect_raw_roots(compiler, node->pairs[i].key->string, node->pairs[i].value, sees);
	for (i = 0; node->kind == YN_MAP && i < node->count; i++)
		if (strcmp(key, "task") == 0 || strcmp(key, "tool") == 0)
			playbook_note_program(compiler, node->pairs[i].key->string, node->pairs[i].value);
	if (node->kind != YN_STRING)
		return;
	if (!template_has_tags(node->string, node->length))
	{
		collect_expression_roots(compiler, key, node, sees);
		return;
	}
	compiled = template_compile(node->string, node->length,
								TEMPLATE_TEXT, &error);
	if (compiled == NULL)
	{
		playbook_source_issue(compiler, node, &error);
		return;
	}
	if (template_fault(compiled) != NULL)
		playbook_template_warning(compiler, node, template_fault(compiled));
	playbook_note_names(compiler, node, compiled, sees);
	add_raw_roots_of(compiler, compiled);
}

/* Compiles a value, so that it can be rendered. */
TemplateDoc *
playbook_compile_doc(Compiler *compiler, const YamlNode *node)
{
	TemplateDoc *doc;
	SourceError error = {0};
	int			i;

	check_stack_depth();
	CHECK_FOR_INTERRUPTS();
	if (!has_tags(node))
		return playbook_constant_doc(node);
	doc = palloc0(sizeof(TemplateDoc));
	if (node->kind == YN_STRING)
	{
		doc->kind = DOC_TEMPLATE;
		string_value(node, &doc->value);
		doc->line = node->text_line;
		doc->column = node->text_column;
		doc->block = node->block;
		doc->template = template_compile(node->string, node->length,
										 TEMPLATE_TEXT, &error);
		if (doc->template == NULL)
			playbook_source_issue(compiler, node, &error);
		else if (template_fault(doc->template) != NULL)
		{
			playbook_template_warning(compiler, node, template_fault(doc->template));
			/* a workload is only data until an action needs it */
			if (compiler->at_step < 0)
				doc->kind = DOC_CONSTANT;
		}
		else
		{
			playbook_note_names(compiler, node, doc->template, 0);
			playbook_mention(compiler, doc->template);
		}
		return doc;
	}
	doc->count = node->count;
	doc->children = palloc(sizeof(TemplateDoc *) * node->count);
	doc->kind = node->kind == YN_LIST ? DOC_ARRAY : DOC_OBJECT;
	if (node->kind == YN_MAP)
		doc->keys = palloc(sizeof(JsonbValue) * node->count);
	for (i = 0; i < node->count; i++)
	{
		if (node->kind == YN_LIST)
		{
			doc->children[i] = playbook_compile_doc(compiler, node->items[i]);
			continue;
		}
		string_value(node->pairs[i].key, &doc->keys[i]);
		doc->children[i] = playbook_compile_doc(compiler, node->pairs[i].value);
	}
	return doc;
}

/* Returns the text of a value that is not a string, for meta.transitions. */
static char *
value_source(const YamlNode *node)
{
	JsonbValue	value;
	Jsonb	   *jsonb;

	if (node->kind != YN_LIST && node->kind != YN_MAP)
		return pnstrdup(node->string ? node->string : "", node->length);
	yaml_to_json(node, &value);
	jsonb = JsonbValueToJsonb(&value);
	return JsonbToCString(NULL, &jsonb->root, VARSIZE(jsonb));
}

/* Returns what follows the expression in braces that begins here; NULL: nothing begins. */
static const char *
after_braces(const char *at)
{
	int			depth = 0;
	char		quote = '\0';

	if (strncmp(at, "{{", 2) != 0)
		return NULL;
	for (at += 2; *at != '\0'; at++)
	{
		if (quote != '\0')
		{
			if (*at == '\\' && at[1] != '\0')
				at++;
			else if (*at == quote)
				quote = '\0';
		}
		else if (*at == '\'' || *at == '"')
			quote = *at;
		else if (depth == 0 && strncmp(at, "}}", 2) == 0)
			return at + 2;
		else if (*at == '{' || *at == '}')
			depth += *at == '{' ? 1 : -1;
	}
	return NULL;
}

/* Returns whether a condition has braces and, outside of them, text. */
static bool
has_text_beside_braces(const YamlNode *node)
{
	const char *at = node->string;
	bool		any = false;
	bool		text = false;

	while (*at != '\0')
	{
		const char *after = after_braces(at);

		if (strncmp(at, "{%", 2) == 0 || strncmp(at, "{#", 2) == 0)
			return false;
		any = any || after != NULL;
		text = text || (after == NULL && strchr(" \t\r\n", *at) == NULL);
		at = after != NULL ? after : at + 1;
	}
	return any && text;
}

/* Compiles a condition; NULL when there is none. */
Condition *
playbook_compile_condition(Compiler *compiler, const YamlNode *node)
{
	Condition  *condition;
	SourceError error = {0};
	JsonbValue	value;
	int			i = 0;

	if (node == NULL)
		return NULL;
	condition = palloc0(sizeof(Condition));
	condition->source = value_source(node);
	condition->line = node->text_line ? node->text_line : node->line;
	condition->column = node->text_column ? node->text_column : node->column;
	condition->block = node->block;
	if (node->kind == YN_STRING)
		i = strspn(node->string, " \t\r\n");
	if (node->kind == YN_NULL || (node->kind == YN_STRING && i == node->length))
	{
		playbook_issue(compiler, ISSUE_WARNING, ERRCODE_WARNING, node,
					   "Remove it, or write the condition.",
					   "an empty condition is always false");
		return condition;
	}
	if (node->kind != YN_STRING)
	{
		yaml_to_json(node, &value);
		condition->constant = value_json_truth(&value);
		return condition;
	}
	condition->template = template_compile(node->string, node->length,
										   TEMPLATE_CONDITION, &error);
	if (condition->template == NULL)
		playbook_source_issue(compiler, node, &error);
	else if (template_fault(condition->template) != NULL)
		playbook_source_issue(compiler, node, template_fault(condition->template));
	else
	{
		playbook_note_names(compiler, node, condition->template, SEES_BROKER);
		playbook_mention(compiler, condition->template);
		if (has_text_beside_braces(node))
			playbook_issue(compiler, ISSUE_WARNING, ERRCODE_WARNING, node,
						   "Write one expression: {{ a == 5 and b }}.",
						   "a condition with text beside its braces is text, which is true");
	}
	return condition;
}
