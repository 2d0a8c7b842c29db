/*
 * engine/change_rule.c
 *		Rules on changes of a table: their templates are compiled, checked against the
 *		columns of the table, and evaluated for a row.
 */
#include "common/common.h"

#include "access/tupdesc.h"
#include "utils/builtins.h"
#include "utils/timestamp.h"

#include "broker/broker.h"
#include "engine/change_rule.h"

static const char *const known_names[] = {"new", "old", "event"};

/* Returns whether a table has a column. */
static bool
has_column(TupleDesc desc, const char *name)
{
	for (int i = 0; i < desc->natts; i++)
		if (!TupleDescAttr(desc, i)->attisdropped &&
			strcmp(NameStr(TupleDescAttr(desc, i)->attname), name) == 0)
			return true;
	return false;
}

/* Returns why a template mentions what is not there, or NULL. */
static char *
unknown_name(const Template *template, TupleDesc desc)
{
	const char *const *names;
	int			count = template_roots(template, &names);

	for (int i = 0; i < count; i++)
	{
		bool		known = false;

		for (int k = 0; k < lengthof(known_names); k++)
			known = known || strcmp(names[i], known_names[k]) == 0;
		if (!known)
			return psprintf("unknown name \"%s\": a rule knows new, old and event", names[i]);
	}
	for (int k = 0; k < 2; k++)
	{
		ListCell   *lc;

		foreach(lc, template_members(template, known_names[k]))
			if (!has_column(desc, (char *) lfirst(lc)))
				return psprintf("%s.%s: the table has no such column", known_names[k],
								(char *) lfirst(lc));
	}
	return NULL;
}

/* Checks a compiled template; returns what is wrong with it, or NULL. */
static char *
template_fault_text(const Template *template, TupleDesc desc)
{
	const SourceError *fault = template_fault(template);

	return fault != NULL ? scope_error_text(fault) : unknown_name(template, desc);
}

/* Compiles a template of a rule; what is wrong with it is the fault of the rule. */
static Template *
compile(CompiledRule *compiled, TupleDesc desc, const char *what, const char *text,
		TemplateMode mode)
{
	SourceError error;
	Template   *template;
	char	   *fault;

	if (text == NULL)
		return NULL;
	memset(&error, 0, sizeof(error));
	template = template_compile(text, strlen(text), mode, &error);
	fault = template == NULL ? scope_error_text(&error) : template_fault_text(template, desc);
	if (fault != NULL && compiled->fault == NULL)
		compiled->fault = psprintf("%s: %s", what, fault);
	return template;
}

/* Returns what is wrong with the templates of a document, or NULL. */
static char *
doc_fault(const TemplateDoc *doc, TupleDesc desc)
{
	char	   *fault = NULL;

	if (doc->kind == DOC_TEMPLATE)
		return template_fault_text(doc->template, desc);
	if (doc->kind == DOC_CONSTANT)
		return NULL;
	for (int i = 0; i < doc->count && fault == NULL; i++)
		fault = doc_fault(doc->children[i], desc);
	return fault;
}

/* Compiles the parameters of a rule. */
static void
compile_parameters(CompiledRule *compiled, TupleDesc desc)
{
	SourceError error;
	JsonbValue	value;
	char	   *fault;

	if (compiled->rule.parameters == NULL)
		return;
	memset(&error, 0, sizeof(error));
	json_from_jsonb(compiled->rule.parameters, &value);
	compiled->parameters = template_doc_compile(&value, &error);
	fault = compiled->parameters == NULL ? scope_error_text(&error) :
		doc_fault(compiled->parameters, desc);
	if (fault != NULL && compiled->fault == NULL)
		compiled->fault = psprintf("parameters: %s", fault);
}

/* Compiles a rule (engine/change_rule.h). */
CompiledRule *
change_rule_compile(const ChangeRule *rule, TupleDesc desc)
{
	CompiledRule *compiled = palloc0(sizeof(CompiledRule));

	compiled->rule = *rule;
	compiled->condition = compile(compiled, desc, "condition", rule->condition,
								  TEMPLATE_CONDITION);
	compiled->key = compile(compiled, desc, "key", rule->key, TEMPLATE_TEXT);
	compiled->signal = compile(compiled, desc, "signal", rule->signal, TEMPLATE_TEXT);
	compile_parameters(compiled, desc);
	return compiled;
}

/* Raises when a rule does not fit its table (engine/engine.h). */
void
engine_check_rule(const ChangeRule *rule, TupleDesc desc)
{
	const CompiledRule *compiled = change_rule_compile(rule, desc);

	if (compiled->fault != NULL)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("%s", compiled->fault)));
	change_check_role(rule);
}

/* Finds the value of a name of a template; TemplateScope.lookup. */
static TemplateBinding
find_name(void *arg, const char *name, int length, JsonbValue *value)
{
	const ChangedRow *row = (ChangedRow *) arg;

	if (word_is(name, length, "new"))
		*value = row->new_row;
	else if (word_is(name, length, "old"))
		*value = row->old_row;
	else if (word_is(name, length, "event"))
		json_string(value, row->event);
	else
		return TEMPLATE_UNKNOWN;
	return TEMPLATE_VALUE;
}

/*
 * Evaluates a template that yields text.  Returns NULL and sets *error when it fails,
 * or yields nothing or a container.
 */
static char *
evaluate_text(const Template *template, const TemplateScope *scope, const char *what,
			  char **error)
{
	SourceError failure;
	JsonbValue	value;

	memset(&failure, 0, sizeof(failure));
	if (!template_render(template, scope, &value, &failure))
		*error = psprintf("%s: %s", what, scope_error_text(&failure));
	else if (value.type == jbvString && value.val.string.len > 0)
		return pnstrdup(value.val.string.val, value.val.string.len);
	else if (value.type == jbvNumeric)
		return DatumGetCString(DirectFunctionCall1(numeric_out,
												   NumericGetDatum(value.val.numeric)));
	else if (value.type == jbvBool)
		return pstrdup(value.val.boolean ? "true" : "false");
	else
		*error = psprintf("%s: it is %s", what, value.type == jbvNull ? "null" :
						  value.type == jbvString ? "empty" : "no text");
	return NULL;
}

/* Evaluates the parameters of a rule. */
static void
evaluate_parameters(const CompiledRule *compiled, const ChangedRow *row,
					const TemplateScope *scope, ChangeOutcome *outcome)
{
	SourceError failure;
	JsonBuilder builder;

	if (compiled->parameters == NULL)
	{
		json_begin_object(&builder);
		change_rule_add_rows(&builder, row);
		json_end_object(&builder, &outcome->parameters);
		return;
	}
	memset(&failure, 0, sizeof(failure));
	if (!template_doc_render(compiled->parameters, scope, &outcome->parameters, &failure))
		outcome->error = psprintf("parameters: %s", scope_error_text(&failure));
}

/* Adds "new" and "old" of a row to an object. */
void
change_rule_add_rows(JsonBuilder *builder, const ChangedRow *row)
{
	json_add(builder, "new", &row->new_row);
	json_add(builder, "old", &row->old_row);
}

/* Evaluates a rule for a row (engine/change_rule.h). */
void
change_rule_evaluate(const CompiledRule *compiled, const ChangedRow *row,
					 ChangeOutcome *outcome)
{
	SourceError failure;
	TemplateScope scope;

	memset(outcome, 0, sizeof(ChangeOutcome));
	outcome->wanted = true;
	if (compiled->fault != NULL)
	{
		outcome->error = pstrdup(compiled->fault);
		return;
	}
	memset(&scope, 0, sizeof(scope));
	memset(&failure, 0, sizeof(failure));
	scope.lookup = find_name;
	scope.arg = unconstify(ChangedRow *, row);
	scope.now = GetCurrentTimestamp();
	if (compiled->condition != NULL &&
		!template_truth(compiled->condition, &scope, &outcome->wanted, &failure))
	{
		outcome->wanted = true;
		outcome->error = psprintf("condition: %s", scope_error_text(&failure));
		return;
	}
	if (!outcome->wanted)
		return;
	evaluate_parameters(compiled, row, &scope, outcome);
	if (outcome->error == NULL && compiled->key != NULL)
		outcome->key = evaluate_text(compiled->key, &scope, "key", &outcome->error);
	if (outcome->error == NULL && compiled->signal != NULL)
		outcome->signal = evaluate_text(compiled->signal, &scope, "signal", &outcome->error);
}
