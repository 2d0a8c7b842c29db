/*
 * engine/change_rule.h
 *		Rules on changes of a table: compiled, evaluated for a row, and carried out.
 */
#ifndef NOETL_ENGINE_CHANGE_RULE_H
#define NOETL_ENGINE_CHANGE_RULE_H

#include "engine/internal.h"
#include "jinja/jinja.h"

/* A rule whose templates are compiled. */
typedef struct CompiledRule
{
	ChangeRule	rule;
	Template   *condition;		/* NULL: always */
	Template   *key;			/* NULL: none */
	Template   *signal;			/* NULL: the rule starts executions */
	TemplateDoc *parameters;	/* NULL: {"new": …, "old": …} */
	const char *fault;			/* why the rule does not fit its table, or NULL */
} CompiledRule;

/* A row that has changed: what templates see. */
typedef struct ChangedRow
{
	const char *event;			/* INSERT, UPDATE or DELETE */
	JsonbValue	new_row;		/* null: there is none */
	JsonbValue	old_row;
} ChangedRow;

/* What a rule says of a row. */
typedef struct ChangeOutcome
{
	bool		wanted;			/* something is to be done */
	JsonbValue	parameters;		/* an object */
	char	   *key;			/* or NULL */
	char	   *signal;			/* or NULL */
	char	   *error;			/* why it is unknown what is to be done, or NULL */
} ChangeOutcome;

/*
 * Compiles a rule into the current memory context.  What does not compile, or speaks
 * of columns that the table does not have, is the fault of the rule.
 */
extern CompiledRule *change_rule_compile(const ChangeRule *rule, TupleDesc desc);

/* Evaluates a rule for a row; raises nothing that is about its templates. */
extern void change_rule_evaluate(const CompiledRule *compiled, const ChangedRow *row,
								 ChangeOutcome *outcome);

/* Adds "new" and "old" of a row to an object. */
extern void change_rule_add_rows(JsonBuilder *builder, const ChangedRow *row);

/* Raises unless the role of a rule exists and has the right to do what the rule does. */
extern void change_check_role(const ChangeRule *rule);

/*
 * Does what a rule says of a row, as the role of the rule, which is the current one.
 * What the rule does not know becomes a failed execution, or a row of
 * noetl.change_failure.
 */
extern void change_act(const CompiledRule *compiled, const ChangedRow *row,
					   const ChangeOutcome *outcome);

/* Records that nothing could be done for a row; row: NULL when it could not be read. */
extern void change_record_failure(const ChangeRule *rule, const ChangedRow *row,
								  const char *sqlstate, const char *error);

#endif							/* NOETL_ENGINE_CHANGE_RULE_H */
