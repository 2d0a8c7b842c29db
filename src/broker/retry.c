/*
 * broker/retry.c
 *		Whether and when a failed attempt is repeated.
 */
#include "common/common.h"

#include <math.h>

#include "broker/condition.h"
#include "broker/retry.h"
#include "value/value.h"

#define DEFAULT_MAX_ATTEMPTS	3
#define DEFAULT_INITIAL_DELAY	1.0
#define DEFAULT_MULTIPLIER		2.0
#define DEFAULT_MAX_DELAY		60.0
#define LONGEST_DELAY			(365.0 * 86400.0)

/*
 * Renders a number of the policy; false counts as 0, and any other value that is not a
 * number as the default.
 */
static double
policy_number(const TemplateDoc *doc, const TemplateScope *scope, double otherwise)
{
	JsonbValue	value;
	SourceError error;
	double		number;

	if (doc == NULL)
		return otherwise;
	memset(&error, 0, sizeof(error));
	if (!template_doc_render(doc, scope, &value, &error))
		return otherwise;
	if (value.type == jbvBool && !value.val.boolean)
		return 0;
	if (!json_number(&value, &number) || number < 0)
		return otherwise;
	return number;
}

/* Renders the jitter switch, which is on by default. */
static bool
policy_jitter(const TemplateDoc *doc, const TemplateScope *scope)
{
	JsonbValue	value;
	SourceError error;

	if (doc == NULL)
		return true;
	memset(&error, 0, sizeof(error));
	return !template_doc_render(doc, scope, &value, &error) ||
		value_json_truth(&value);
}

/*
 * Returns how many attempts a policy allows; 1 without a policy, and where a template
 * yields false instead.
 */
int
retry_max_attempts(const RetryPolicy *policy, const TemplateScope *scope)
{
	double		n;

	if (policy == NULL)
		return 1;
	n = policy_number(policy->max_attempts, scope, DEFAULT_MAX_ATTEMPTS);
	return (int) Min(Max(n, 1.0), 1000000.0);
}

/*
 * Returns the delay before the next attempt, in seconds: min(initial *
 * multiplier^(n-1), max), then jitter.  It is a whole number of microseconds,
 * so that the log says exactly when the attempt is due.
 */
static double
backoff(const RetryPolicy *policy, const RetryAttempt *attempt)
{
	const TemplateScope *scope = attempt->scope;
	double		initial = policy_number(policy->initial_delay, scope, DEFAULT_INITIAL_DELAY);
	double		multiplier = policy_number(policy->multiplier, scope, DEFAULT_MULTIPLIER);
	double		longest = policy_number(policy->max_delay, scope, DEFAULT_MAX_DELAY);
	double		delay = initial > 0 ? initial * pow(multiplier, attempt->number - 1) : 0;

	if (!(delay < longest))
		delay = longest;
	if (policy_jitter(policy->jitter, scope))
		delay *= 0.5 + attempt->jitter;
	return rint(Min(delay, LONGEST_DELAY) * USECS_PER_SEC) / USECS_PER_SEC;
}

/*
 * Asks a policy whether an attempt is repeated, and *delay after how many
 * seconds.  A condition that raises counts as a policy that does not repeat; *error says
 * why it did.
 */
RetryVerdict
retry_decide(const RetryPolicy *policy, const RetryAttempt *attempt, int max_attempts,
			 double *delay, SourceError *error)
{
	bool		holds;

	memset(error, 0, sizeof(SourceError));
	if (policy == NULL)
		return RETRY_NO;
	if (policy->stop_when != NULL &&
		(!condition_evaluate(policy->stop_when, attempt->scope, &holds, error) || holds))
		return RETRY_NO;
	if (policy->retry_when != NULL)
	{
		if (!condition_evaluate(policy->retry_when, attempt->scope, &holds, error) || !holds)
			return RETRY_NO;
	}
	else if (attempt->success)
		return RETRY_NO;
	if (attempt->number >= max_attempts)
		return RETRY_EXHAUSTED;
	*delay = backoff(policy, attempt);
	return RETRY_YES;
}

/*
 * Compiles a member of a written policy as a document; NULL: there is none.
 * False after an error.
 */
static bool
member_doc(const JsonbValue *written, const char *key, TemplateDoc **doc, SourceError *error)
{
	JsonbValue *value = palloc(sizeof(JsonbValue));	/* the document points to it */

	if (!json_get(written, key, value) || value->type == jbvNull)
		return true;
	*doc = template_doc_compile(value, error);
	return *doc != NULL;
}

/*
 * Compiles a member of a written policy as a condition; NULL: there is none.
 * False after an error.
 */
static bool
member_condition(const JsonbValue *written, const char *key, Condition **condition,
				 SourceError *error)
{
	JsonbValue	value;

	if (!json_get(written, key, &value) || value.type == jbvNull)
		return true;
	*condition = palloc0(sizeof(Condition));
	(*condition)->constant = value_json_truth(&value);
	if (value.type != jbvString)
		return true;
	(*condition)->template = template_compile(value.val.string.val, value.val.string.len,
											  TEMPLATE_CONDITION, error);
	return (*condition)->template != NULL;
}

/*
 * Compiles a policy that is written as JSON; *result is NULL for a policy that
 * never repeats.  False and *error when it makes no sense.
 */
bool
retry_from_json(const JsonbValue *written, RetryPolicy **result, SourceError *error)
{
	RetryPolicy *policy;

	*result = NULL;
	if (written->type == jbvNull || (written->type == jbvBool && !written->val.boolean))
		return true;
	*result = policy = palloc0(sizeof(RetryPolicy));
	if (written->type == jbvBool)
		return true;
	if (!json_is_object(written))
	{
		policy->max_attempts = template_doc_compile(written, error);
		return policy->max_attempts != NULL;
	}
	return member_doc(written, "max_attempts", &policy->max_attempts, error) &&
		member_doc(written, "retry_delay", &policy->initial_delay, error) &&
		member_doc(written, "initial_delay", &policy->initial_delay, error) &&
		member_doc(written, "backoff_multiplier", &policy->multiplier, error) &&
		member_doc(written, "max_delay", &policy->max_delay, error) &&
		member_doc(written, "jitter", &policy->jitter, error) &&
		member_condition(written, "retry_when", &policy->retry_when, error) &&
		member_condition(written, "stop_when", &policy->stop_when, error);
}
