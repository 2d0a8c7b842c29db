/*
 * simulate/stub.c
 *		Stubs: what workers, statements and senders of signals answer.
 *
 * A stub is a result; or an object of the members below, at least one of the first
 * four; or a list of these, one for each attempt (of an iterator's items: one for each
 * item), of which the last is repeated:
 *
 *		result   what the work comes to; {} where nothing is said
 *		error    it fails with this text
 *		after    so long it takes, or so long after a wait has begun the signal comes
 *		signal   a signal of this name comes (true: the first that the step waits for),
 *		         with data, key and sent_by
 */
#include "common/common.h"

#include "utils/builtins.h"

#include "simulate/internal.h"

static const char *const leading_members[] = {"result", "error", "after", "signal", NULL};
static const char *const signal_members[] = {"data", "key", "sent_by", NULL};
static const char *const text_members[] = {"key", "sent_by", NULL};

/* Returns whether a stub is no result but an object of the members above. */
static bool
is_directive(const JsonbValue *stub)
{
	JsonbIterator *it;
	JsonbValue	key;
	JsonbValue	value;
	bool		leads = false;

	if (!json_is_object(stub))
		return false;
	it = json_walk(stub);
	while (json_next_member(&it, &key, &value))
	{
		bool		leading = word_in(key.val.string.val, key.val.string.len, leading_members);

		if (!leading && !word_in(key.val.string.val, key.val.string.len, signal_members))
			return false;
		leads = leads || leading;
	}
	return leads;
}

/* Returns a value as text: that of a string, else its JSON. */
static const char *
text_of(const JsonbValue *value)
{
	if (value->type == jbvString)
		return pnstrdup(value->val.string.val, value->val.string.len);
	return JsonbToCString(NULL, &json_to_jsonb(value)->root, 0);
}

/* Returns the text of a member, or NULL; a number counts as its text, as in a wait. */
static const char *
member_text(const JsonbValue *stub, const char *member)
{
	JsonbValue	value;

	return json_get(stub, member, &value) && value.type != jbvNull ? text_of(&value) : NULL;
}

/* Returns the number of elements of a list. */
static int
list_size(const JsonbValue *list)
{
	return (int) JsonContainerSize(list->val.binary.data);
}

/* Reads an element of a list, which has it. */
static void
list_element(const JsonbValue *list, int n, JsonbValue *element)
{
	JsonbValue *found = getIthJsonbValueFromContainer(list->val.binary.data, n);

	*element = *found;
}

/* Replaces a list by its n-th element, or by its last; an empty one by null. */
void
stub_pick(JsonbValue *stub, int n)
{
	JsonbValue	element;

	if (!json_is_array(stub))
		return;
	if (list_size(stub) == 0)
		json_null(&element);
	else
		list_element(stub, Min(n, list_size(stub) - 1), &element);
	*stub = element;
}

/* Reads how long something takes; NULL or what is wrong. */
static char *
read_after(const JsonbValue *stub, int64 *after)
{
	JsonbValue	value;
	char	   *error = NULL;

	*after = 0;
	if (!json_get(stub, "after", &value))
		return NULL;
	if (!wait_span_parse(&value, after, &error))
		return error;
	*after = Max(*after, 0);
	return NULL;
}

/* Adds the signal that a stub sends to a list. */
static List *
add_signal(List *signals, const JsonbValue *stub)
{
	StubSignal *signal;
	JsonbValue	name;

	if (!json_get(stub, "signal", &name) || name.type == jbvNull ||
		(name.type == jbvBool && !name.val.boolean))
		return signals;
	signal = palloc0(sizeof(StubSignal));
	if (name.type != jbvBool)
		signal->name = text_of(&name);
	if (!json_get(stub, "data", &signal->data))
		json_null(&signal->data);
	signal->key = member_text(stub, "key");
	signal->sent_by = member_text(stub, "sent_by");
	(void) read_after(stub, &signal->after);
	return lappend(signals, signal);
}

/* Reads one answer, which is no list of answers. */
static void
read_answer(const JsonbValue *stub, StubAnswer *answer)
{
	JsonbValue	error;

	answer->given = true;
	if (!is_directive(stub))
	{
		answer->has_result = true;
		answer->result = *stub;
		return;
	}
	answer->has_result = json_get(stub, "result", &answer->result);
	if (json_get(stub, "error", &error) && error.type != jbvNull)
		answer->error = text_of(&error);
	(void) read_after(stub, &answer->after);
	answer->signals = add_signal(NIL, stub);
}

/* Empties an answer: the result is {}. */
static void
answer_init(StubAnswer *answer)
{
	JsonBuilder builder;

	memset(answer, 0, sizeof(StubAnswer));
	json_begin_object(&builder);
	json_end_object(&builder, &answer->result);
}

/* Finds the stub of a step of an execution; false: it has none. */
bool
stub_find(const SimExecution *execution, const Step *step, JsonbValue *stub)
{
	const char *name = execution->prefix[0] == '\0' ? step->name :
		psprintf("%s%s", execution->prefix, step->name);

	return json_get(&execution->simulation->request->stubs, name, stub);
}

/* Reads what the work of a run, or of an item, comes to (simulate/internal.h). */
void
stub_answer(SimExecution *execution, const Step *step, int item, int attempt,
			StubAnswer *answer)
{
	JsonbValue	stub;

	answer_init(answer);
	if (!stub_find(execution, step, &stub))
		return;
	if (item >= 0)
	{
		stub_pick(&stub, item);
		stub_pick(&stub, attempt);
	}
	else
		stub_pick(&stub, execution->uses[step->index]++);
	read_answer(&stub, answer);
}

/* Returns whether the elements of a list are answers, and not rows. */
static bool
lists_answers(const JsonbValue *list)
{
	JsonbIterator *it = json_walk(list);
	JsonbValue	element;

	while (json_next_element(&it, &element))
		if (json_is_array(&element) || is_directive(&element))
			return true;
	return false;
}

/*
 * Reads what a statement returns.  A list of objects is its rows; a list with lists or
 * objects that say more is one answer for each time it is executed.
 */
void
stub_rows(SimExecution *execution, const Step *step, int item, StubAnswer *answer)
{
	JsonbValue	stub;
	JsonBuilder list;

	answer_init(answer);
	if (stub_find(execution, step, &stub))
	{
		int			use = item >= 0 ? item : execution->uses[step->index]++;

		if (json_is_array(&stub) && lists_answers(&stub))
			stub_pick(&stub, use);
		read_answer(&stub, answer);
	}
	if (answer->has_result && json_is_array(&answer->result))
		return;
	json_begin_array(&list);
	if (answer->has_result && answer->result.type != jbvNull)
		json_push(&list, &answer->result);
	json_end_array(&list, &answer->result);
}

/* Reads which signals come once a wait has begun; a mere result is a signal's data. */
List *
stub_signals(SimExecution *execution, const Step *step)
{
	JsonbValue	stub;
	JsonbValue	element;
	List	   *signals = NIL;

	if (!stub_find(execution, step, &stub))
		return NIL;
	stub_pick(&stub, execution->uses[step->index]++);
	for (int i = 0; json_is_array(&stub) ? i < list_size(&stub) : i < 1; i++)
	{
		element = stub;
		if (json_is_array(&stub))
			list_element(&stub, i, &element);
		if (is_directive(&element))
			signals = add_signal(signals, &element);
		else
		{
			StubSignal *signal = palloc0(sizeof(StubSignal));

			signal->data = element;
			signals = lappend(signals, signal);
		}
	}
	return signals;
}

/* ---------------------------------------------------------------------------
 * Stubs are checked
 * ---------------------------------------------------------------------------
 */

/* Returns whether a member is not there, is null, or is text or a number. */
static bool
is_text(const JsonbValue *stub, const char *member)
{
	JsonbValue	value;

	return !json_get(stub, member, &value) || value.type == jbvNull ||
		value.type == jbvString || value.type == jbvNumeric;
}

/* Finds what is wrong with the members of a stub that is no result; NULL: nothing. */
static char *
check_directive(const char *name, const JsonbValue *stub)
{
	int64		after;
	char	   *error = read_after(stub, &after);
	JsonbValue	value;

	if (error != NULL)
		return psprintf("\"after\" in the stub of step \"%s\": %s", name, error);
	if (json_get(stub, "error", &value) && value.type == jbvBool)
		return psprintf("\"error\" in the stub of step \"%s\" must be text", name);
	if (!is_text(stub, "signal") && !(json_get(stub, "signal", &value) && value.type == jbvBool))
		return psprintf("\"signal\" in the stub of step \"%s\" must be a name, or true", name);
	for (int i = 0; text_members[i] != NULL; i++)
		if (!is_text(stub, text_members[i]))
			return psprintf("\"%s\" in the stub of step \"%s\" must be text", text_members[i],
							name);
	return NULL;
}

/* Finds what is wrong with one stub; NULL: nothing. */
static char *
check_stub(const char *name, const JsonbValue *stub, int lists)
{
	char	   *error = NULL;

	if (json_is_array(stub) && lists > 0)
	{
		JsonbIterator *it = json_walk(stub);
		JsonbValue	element;

		while (error == NULL && json_next_element(&it, &element))
		{
			JsonbValue	copy = element;

			error = check_stub(name, &copy, lists - 1);
		}
		return error;
	}
	return is_directive(stub) ? check_directive(name, stub) : NULL;
}

/* Finds what is wrong with stubs for a playbook; NULL: nothing. */
char *
stub_check(const Playbook *playbook, const JsonbValue *stubs)
{
	JsonbIterator *it;
	JsonbValue	key;
	JsonbValue	value;

	if (!json_is_object(stubs))
		return pstrdup("stubs must be an object: step -> result");
	it = json_walk(stubs);
	while (json_next_member(&it, &key, &value))
	{
		char	   *name = pnstrdup(key.val.string.val, key.val.string.len);
		JsonbValue	stub = value;
		char	   *error;

		if (!playbook_names_step(playbook, name))
		{
			const char *meant = playbook_similar_step(playbook, name);

			return meant == NULL ?
				psprintf("there is a stub for \"%s\", but no step of that name", name) :
				psprintf("there is a stub for \"%s\", but no step of that name; did you mean \"%s\"?",
						 name, meant);
		}
		error = check_stub(name, &stub, 2);
		if (error != NULL)
			return error;
	}
	return NULL;
}
