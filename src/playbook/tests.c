/*
 * playbook/tests.c
 *		Warnings of what is doubtful in the tests of a playbook, which noetl.test()
 *		plays (simulate/test.c).
 */
#include "common/common.h"

#include "miscadmin.h"

#include "playbook/internal.h"

/*
 * Returns whether a playbook has a step; the steps of a playbook that a step calls
 * come after its name and a slash.
 */
static bool
names_step(const Playbook *playbook, const YamlNode *name)
{
	const char *slash;

	if (playbook_find_step(playbook, name->string, name->length) >= 0)
		return true;
	for (slash = strchr(name->string, '/'); slash != NULL; slash = strchr(slash + 1, '/'))
		if (playbook_find_step(playbook, name->string, slash - name->string) >= 0)
			return true;
	return false;
}

/* Warns of a name of a step that the playbook does not have. */
static void
lint_step_name(Compiler *compiler, const YamlNode *name)
{
	const Playbook *playbook = compiler->playbook;

	if (name->kind != YN_STRING || names_step(playbook, name))
		return;
	for (int i = 0; i < playbook->nsteps; i++)
		if (playbook_looks_like(name->string, playbook->steps[i].name))
		{
			playbook_issue(compiler, ISSUE_WARNING, ERRCODE_WARNING, name,
						   playbook_did_you_mean(playbook->steps[i].name),
						   "a test names step \"%s\", which does not exist", name->string);
			return;
		}
	playbook_issue(compiler, ISSUE_WARNING, ERRCODE_WARNING, name, NULL,
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

	if (tests == NULL || tests->kind == YN_NULL)
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
			continue;
		lint_step_names(compiler, playbook_member(test, "stubs"));
		lint_expect(compiler, playbook_member(test, "expect"));
	}
}
