/*
 * simulate/expect.c
 *		What a test expects, compared with what a play has come to.
 *
 *		status     of the execution; RUNNING: it did not end
 *		result     of the execution, exactly
 *		error      a part of its text; true, false: whether there is one
 *		steps      the completed steps of the execution in their order; or a map of
 *		           step -> status, number of visits, or {status, visits, attempts,
 *		           result, error}
 *		not_steps  steps that did not begin
 *		tasks      step -> a part of the action as a worker gets it, or a list of these,
 *		           one for each task of the step
 */
#include "common/common.h"

#include "broker/broker.h"
#include "simulate/internal.h"

/* The comparison under way. */
typedef struct Check
{
	const Playbook *playbook;
	const Findings *findings;
	StringInfoData differences;
} Check;

/* What became of a step, by the rows about it. */
typedef struct StepFinding
{
	const char *status;			/* NULL: it did not begin */
	int			visits;
	int			attempts;
	JsonbValue	result;
	const char *error;			/* or NULL */
} StepFinding;

/* Returns a value as JSON. */
static const char *
show(const JsonbValue *value)
{
	return JsonbToCString(NULL, &json_to_jsonb(value)->root, 0);
}

/* Returns text as a JSON string; null for NULL. */
static const char *
show_text(const char *text)
{
	JsonbValue	value;

	if (text == NULL)
		json_null(&value);
	else
		json_string(&value, text);
	return show(&value);
}

/* Notes a difference. */
static void
differ(Check *check, const char *what, const char *expected, const char *found)
{
	appendStringInfo(&check->differences, "%s%s: expected %s, found %s",
					 check->differences.len == 0 ? "" : "; ", what, expected, found);
}

/* Returns whether two values are the same. */
static bool
is_same(const JsonbValue *a, const JsonbValue *b)
{
	return compareJsonbContainers(&json_to_jsonb(a)->root, &json_to_jsonb(b)->root) == 0;
}

/* Returns whether an object contains another, as @> says. */
static bool
contains(const Jsonb *whole, const Jsonb *part)
{
	JsonbIterator *left;
	JsonbIterator *right;

	if (JB_ROOT_IS_OBJECT(whole) != JB_ROOT_IS_OBJECT(part))
		return false;
	left = JsonbIteratorInit(unconstify(JsonbContainer *, &whole->root));
	right = JsonbIteratorInit(unconstify(JsonbContainer *, &part->root));
	return JsonbDeepContains(&left, &right);
}

/* Returns whether a value is this word, in any case. */
static bool
is_word(const JsonbValue *value, const char *word)
{
	return value->type == jbvString && value->val.string.len == (int) strlen(word) &&
		pg_strncasecmp(value->val.string.val, word, value->val.string.len) == 0;
}

/* Compares a status word, in any case. */
static void
check_status(Check *check, const char *what, const JsonbValue *expected, const char *found)
{
	if (!is_word(expected, found == NULL ? "none" : found))
		differ(check, what, show(expected), show_text(found == NULL ? "none" : found));
}

/* Compares an error: a part of its text, or whether there is one. */
static void
check_error(Check *check, const char *what, const JsonbValue *expected, const char *found)
{
	bool		same;

	if (expected->type != jbvString && expected->type != jbvBool && expected->type != jbvNull)
	{
		differ(check, what, "a part of its text, true or false", show(expected));
		return;
	}
	if (expected->type == jbvString)
		same = found != NULL &&
			strstr(found, pnstrdup(expected->val.string.val, expected->val.string.len)) != NULL;
	else
		same = (expected->type == jbvBool && expected->val.boolean) == (found != NULL);
	if (!same)
		differ(check, what, show(expected), show_text(found));
}

/* Compares a value exactly. */
static void
check_value(Check *check, const char *what, const JsonbValue *expected,
			const JsonbValue *found)
{
	if (!is_same(expected, found))
		differ(check, what, show(expected), show(found));
}

/* Compares the result of the execution. */
static void
check_result(Check *check, const JsonbValue *expected)
{
	JsonbValue	found;

	json_null(&found);
	if (check->findings->outcome.result != NULL)
		json_from_jsonb(check->findings->outcome.result, &found);
	check_value(check, "result", expected, &found);
}

/* Takes up what one row says of its step. */
static void
add_row(StepFinding *finding, const SimRow *row)
{
	JsonbValue	data;
	JsonbValue	envelope;

	json_from_jsonb(row->data, &data);
	switch (row->type)
	{
		case EVENT_STEP_STARTED:
			finding->status = "RUNNING";
			break;
		case EVENT_STEP_COMPLETED:
		case EVENT_STEP_FAILED:
		case EVENT_EXECUTION_COMPLETE:	/* of an end that does nothing */
			finding->status = row->status;
			break;
		case EVENT_STEP_SKIPPED:
			finding->status = "SKIPPED";
			break;
		case EVENT_STEP_HELD:
			finding->status = "HELD";
			break;
		case EVENT_ACTION_RETRY:
			finding->attempts++;
			break;
		default:
			break;
	}
	if (row->visit > finding->visits)
	{
		finding->attempts += row->visit - finding->visits;
		finding->visits = row->visit;
	}
	if (row->item < 0 && event_type_carries_value(row->type) &&
		json_get(&data, "result", &envelope))
		result_value(&envelope, &finding->result);
	if (row->type == EVENT_STEP_FAILED || row->type == EVENT_STEP_HELD)
		finding->error = json_get_text(&data, "error");
}

/* Finds what became of a step. */
static void
find_step(const Findings *findings, const char *step, StepFinding *finding)
{
	ListCell   *lc;

	memset(finding, 0, sizeof(StepFinding));
	json_null(&finding->result);
	foreach(lc, findings->rows)
	{
		const SimRow *row = (SimRow *) lfirst(lc);

		if (row->visit > 0 && row->step != NULL && strcmp(row->step, step) == 0 &&
			row->type != EVENT_OTHER)
			add_row(finding, row);
	}
}

/* Compares what is expected of one step. */
static void
check_step(Check *check, const char *step, const JsonbValue *expected)
{
	StepFinding finding;
	JsonbIterator *it;
	JsonbValue	key;
	JsonbValue	value;
	JsonbValue	number;

	find_step(check->findings, step, &finding);
	if (expected->type == jbvNumeric)
	{
		json_int(&number, finding.visits);
		check_value(check, psprintf("visits of %s", step), expected, &number);
		return;
	}
	if (!json_is_object(expected))
	{
		check_status(check, psprintf("step %s", step), expected, finding.status);
		return;
	}
	it = json_walk(expected);
	while (json_next_member(&it, &key, &value))
	{
		char	   *name = pnstrdup(key.val.string.val, key.val.string.len);
		char	   *what = psprintf("%s of step %s", name, step);

		if (strcmp(name, "status") == 0)
			check_status(check, what, &value, finding.status);
		else if (strcmp(name, "error") == 0)
			check_error(check, what, &value, finding.error);
		else if (strcmp(name, "result") == 0)
			check_value(check, what, &value, &finding.result);
		else if (strcmp(name, "visits") == 0 || strcmp(name, "attempts") == 0)
		{
			json_int(&number, name[0] == 'v' ? finding.visits : finding.attempts);
			check_value(check, what, &value, &number);
		}
		else
			differ(check, what, "status, visits, attempts, result or error", "an unknown key");
	}
}

/* Finds the completed steps of the execution, in their order. */
static void
completed_steps(const Findings *findings, JsonbValue *steps)
{
	JsonBuilder list;
	JsonbValue	value;
	ListCell   *lc;

	json_begin_array(&list);
	foreach(lc, findings->rows)
	{
		const SimRow *row = (SimRow *) lfirst(lc);

		if (row->type != EVENT_STEP_COMPLETED || row->depth > 0 || row->item >= 0)
			continue;
		json_string(&value, row->step);
		json_push(&list, &value);
	}
	json_end_array(&list, steps);
}

/* Compares "steps": a list of completed steps, or a map. */
static void
check_steps(Check *check, const JsonbValue *expected)
{
	JsonbIterator *it;
	JsonbValue	key;
	JsonbValue	value;

	if (!json_is_object(expected))
	{
		completed_steps(check->findings, &value);
		check_value(check, "steps", expected, &value);
		return;
	}
	it = json_walk(expected);
	while (json_next_member(&it, &key, &value))
		check_step(check, pnstrdup(key.val.string.val, key.val.string.len), &value);
}

/* Compares "not_steps": a name, or a list of names. */
static void
check_not_steps(Check *check, const JsonbValue *expected)
{
	JsonbIterator *it;
	JsonbValue	name;
	StepFinding finding;

	if (expected->type == jbvString)
	{
		char	   *name = pnstrdup(expected->val.string.val, expected->val.string.len);

		find_step(check->findings, name, &finding);
		if (!playbook_names_step(check->playbook, name))
			differ(check, "not_steps", "a step of the playbook", show(expected));
		else if (finding.status != NULL)
			differ(check, psprintf("step %s", show(expected)), "that it does not begin",
				   show_text(finding.status));
		return;
	}
	if (!json_is_array(expected))
	{
		differ(check, "not_steps", "a list of steps", "something else");
		return;
	}
	it = json_walk(expected);
	while (json_next_element(&it, &name))
	{
		JsonbValue	copy = name;

		if (copy.type == jbvString)
			check_not_steps(check, &copy);
		else
			differ(check, "not_steps", "a list of steps", show(&copy));
	}
}

/* Returns the actions of the tasks of a step (Jsonb *), each with its type. */
static List *
find_tasks(const Findings *findings, const char *step)
{
	List	   *tasks = NIL;
	ListCell   *lc;

	foreach(lc, findings->rows)
	{
		const SimRow *row = (SimRow *) lfirst(lc);
		JsonBuilder builder;
		JsonbValue	data;
		JsonbValue	action;

		if (strcmp(row->event_type, ROW_TASK) != 0 || strcmp(row->step, step) != 0)
			continue;
		json_from_jsonb(row->data, &data);
		json_begin_object(&builder);
		json_add_text(&builder, "type", json_get_text(&data, "type"));
		if (json_get(&data, "action", &action))
			json_add_members(&builder, &action);
		json_end_object(&builder, &action);
		tasks = lappend(tasks, json_to_jsonb(&action));
	}
	return tasks;
}

/* Compares one task of a step with a part of an action. */
static void
check_task(Check *check, const char *what, const JsonbValue *expected, const Jsonb *task)
{
	if (task == NULL)
		differ(check, what, show(expected), "no task");
	else if (!json_is_object(expected) || !contains(task, json_to_jsonb(expected)))
		differ(check, what, show(expected),
			   JsonbToCString(NULL, unconstify(JsonbContainer *, &task->root), 0));
}

/* Compares the tasks of a step: any of them, or each in its turn. */
static void
check_step_tasks(Check *check, const char *step, const JsonbValue *expected)
{
	List	   *tasks = find_tasks(check->findings, step);
	char	   *what = psprintf("task of step %s", step);
	JsonbIterator *it;
	JsonbValue	element;
	ListCell   *lc;
	int			n = 0;

	if (!json_is_array(expected))
	{
		if (json_is_object(expected))
			foreach(lc, tasks)
				if (contains((Jsonb *) lfirst(lc), json_to_jsonb(expected)))
					return;
		check_task(check, what, expected, tasks == NIL ? NULL : (Jsonb *) llast(tasks));
		return;
	}
	it = json_walk(expected);
	while (json_next_element(&it, &element))
	{
		JsonbValue	copy = element;

		check_task(check, psprintf("task %d of step %s", n + 1, step), &copy,
				   n < list_length(tasks) ? (Jsonb *) list_nth(tasks, n) : NULL);
		n++;
	}
	if (n < list_length(tasks))
		differ(check, psprintf("tasks of step %s", step), psprintf("%d", n),
			   psprintf("%d", list_length(tasks)));
}

/* Compares "tasks": step -> what its tasks contain. */
static void
check_tasks(Check *check, const JsonbValue *expected)
{
	JsonbIterator *it;
	JsonbValue	key;
	JsonbValue	value;

	if (!json_is_object(expected))
	{
		differ(check, "tasks", "a mapping of steps", show(expected));
		return;
	}
	it = json_walk(expected);
	while (json_next_member(&it, &key, &value))
	{
		JsonbValue	copy = value;

		check_step_tasks(check, pnstrdup(key.val.string.val, key.val.string.len), &copy);
	}
}

/* Compares one key of what a test expects. */
static void
check_key(Check *check, const char *key, const JsonbValue *expected)
{
	const SimOutcome *outcome = &check->findings->outcome;

	if (strcmp(key, "status") == 0)
		check_status(check, key, expected, outcome->status);
	else if (strcmp(key, "result") == 0)
		check_result(check, expected);
	else if (strcmp(key, "error") == 0)
		check_error(check, key, expected, outcome->error);
	else if (strcmp(key, "steps") == 0)
		check_steps(check, expected);
	else if (strcmp(key, "not_steps") == 0)
		check_not_steps(check, expected);
	else if (strcmp(key, "tasks") == 0)
		check_tasks(check, expected);
	else
		differ(check, "expect", "status, result, error, steps, not_steps or tasks",
			   show_text(key));
}

/* Compares what a test expects with what was found (simulate/internal.h). */
char *
expect_compare(const Playbook *playbook, const JsonbValue *expect, const Findings *findings)
{
	const SimOutcome *outcome = &findings->outcome;
	Check		check;
	JsonbIterator *it;
	JsonbValue	key;
	JsonbValue	value;

	check.playbook = playbook;
	check.findings = findings;
	initStringInfo(&check.differences);
	it = json_walk(expect);
	while (json_next_member(&it, &key, &value))
	{
		JsonbValue	copy = value;

		check_key(&check, pnstrdup(key.val.string.val, key.val.string.len), &copy);
	}
	if (check.differences.len == 0)
		return NULL;
	if (outcome->stopped != NULL)
		appendStringInfo(&check.differences, " (%s)", outcome->stopped);
	else if (outcome->error != NULL && strstr(check.differences.data, outcome->error) == NULL)
		appendStringInfo(&check.differences, " (%s)", outcome->error);
	return check.differences.data;
}
