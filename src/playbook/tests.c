/*
 * playbook/tests.c
 *		Warnings of what is doubtful in the tests of a playbook, which noetl.test()
 *		plays (simulate/test.c).
 */
#include "common/common.h"

#include "miscadmin.h"

#include "playbook/internal.h"

/* Warns of a name of a step that the playbook does not have. */
static void
lint_step_name(Compiler *compiler, const YamlNode *name)
{
	const char *meant;

	if (name->kind != YN_STRING || playbook_names_step(compiler->playbook, name->string))
		return;
	meant = playbook_similar_step(compiler->playbook, name->string);
	playbook_issue(compiler, ISSUE_WARNING, ERRCODE_WARNING, name,
				   meant == NULL ? NULL : playbook_did_you_mean(meant),
				   "a test names step \"%s\", which does not exist", name->string);
}

/* Warns of unknown steps that a list, or the keys of a map, names. */
static void
lint_step_names(Compiler *compiler, const YamlNode *steps)
{
	if (steps == NULL)
		return;
	for (int i = 0; steps->kind == YN_LIST && i < steps->count; i++)
		lint_step_name(compiler, steps->items[i]);
	for (int i = 0; steps->kind == YN_MAP && i < steps->count; i++)
		lint_step_name(compiler, steps->pairs[i].key);
}

/* Warns of what is doubtful in what a test expects. */
static void
lint_expect(Compiler *compiler, const YamlNode *expect)
{
	const YamlNode *steps = playbook_member(expect, "steps");

	if (expect == NULL)
		return;
	playbook_lint_closed(compiler, expect, expect_keys,
						 "It is one of status, result, error, steps, not_steps, tasks.");
	lint_step_names(compiler, steps);
	lint_step_names(compiler, playbook_member(expect, "not_steps"));
	lint_step_names(compiler, playbook_member(expect, "tasks"));
	for (int i = 0; steps != NULL && steps->kind == YN_MAP && i < steps->count; i++)
		playbook_lint_closed(compiler, steps->pairs[i].value, expect_step_keys,
							 "It is one of status, visits, attempts, result, error.");
}

/* Warns of what is doubtful in the tests of a playbook. */
void
playbook_lint_tests(Compiler *compiler)
{
	const YamlNode *tests = playbook_member(compiler->root, "tests");

	if (tests == NULL)
		return;
	if (tests->kind != YN_LIST)
		playbook_issue(compiler, ISSUE_WARNING, ERRCODE_WARNING, tests,
					   "Write a list of {name, parameters, stubs, at, expect}.",
					   "tests must be a list");
	for (int i = 0; tests->kind == YN_LIST && i < tests->count; i++)
	{
		const YamlNode *test = tests->items[i];

		CHECK_FOR_INTERRUPTS();
		playbook_lint_closed(compiler, test, test_keys,
							 "It is one of name, description, parameters, stubs, at, expect.");
		if (test->kind != YN_MAP)
			playbook_issue(compiler, ISSUE_WARNING, ERRCODE_WARNING, test,
						   "Write {name, parameters, stubs, at, expect}.",
						   "a test must be a mapping");
		lint_step_names(compiler, playbook_member(test, "stubs"));
		lint_expect(compiler, playbook_member(test, "expect"));
	}
}
