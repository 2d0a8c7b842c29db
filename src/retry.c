/*
 * retry.c
 *		Whether and when a failed attempt is repeated.
 */
#include "noetl.h"

#include <math.h>

#include "json.h"
#include "retry.h"

#define DEFAULT_MAX_ATTEMPTS	3
#define DEFAULT_INITIAL_DELAY	1.0
#define DEFAULT_MULTIPLIER		2.0
#define DEFAULT_MAX_DELAY		60.0
#define LONGEST_DELAY			(365.0 * 86400.0)

/* A number of the policy; what cannot be read as one is the default. */
static double
policy_number(const TemplateDoc *doc, Scope *scope, double otherwise)
{
	JsonbValue	value;
	SourceError error;
	double		number;

	if (doc == NULL)
		return otherwise;
	memset(&error, 0, sizeof(error));
	if (!template_doc_render(doc, &scope->template, &value, &error) ||
		!json_number(&value, &number) || number < 0)
		return otherwise;
	return number;
}

/* The jitter switch, true unless said otherwise. */
static bool
policy_jitter(const TemplateDoc *doc, Scope *scope)
{
	JsonbValue	value;
	SourceError error;

	if (doc == NULL)
		return true;
	memset(&error, 0, sizeof(error));
	return !template_doc_render(doc, &scope->template, &value, &error) ||
		json_truth(&value);
}

/* See retry.h. */
int
retry_max_attempts(const RetryPolicy *policy, Scope *scope)
{
	double		n;

	if (policy == NULL)
		return 1;
	n = policy_number(policy->max_attempts, scope, DEFAULT_MAX_ATTEMPTS);
	return (int) Min(Max(n, 1.0), 1000000.0);
}

/*
 * min(initial · multiplier^(n-1), max), then jitter; in whole microseconds, so
 * that the log says exactly when the next attempt is due.
 */
static double
backoff(const RetryPolicy *policy, Scope *scope)
{
	double		initial = policy_number(policy->initial_delay, scope, DEFAULT_INITIAL_DELAY);
	double		multiplier = policy_number(policy->multiplier, scope, DEFAULT_MULTIPLIER);
	double		longest = policy_number(policy->max_delay, scope, DEFAULT_MAX_DELAY);
	double		delay = initial * pow(multiplier, scope->attempt - 1);

	if (!(delay < longest))
		delay = longest;
	if (policy_jitter(policy->jitter, scope))
		delay *= 0.5 + scope->state->jitter;
	return rint(Min(delay, LONGEST_DELAY) * USECS_PER_SEC) / USECS_PER_SEC;
}

/* See retry.h. */
RetryVerdict
retry_decide(const RetryPolicy *policy, Scope *scope, int max_attempts,
			 double *delay)
{
	bool		holds;
	char	   *error;

	if (policy == NULL)
		return RETRY_NO;
	if (policy->stop_when != NULL &&
		(!condition_holds(policy->stop_when, scope, &holds, &error) || holds))
		return RETRY_NO;
	if (policy->retry_when != NULL)
	{
		if (!condition_holds(policy->retry_when, scope, &holds, &error) || !holds)
			return RETRY_NO;
	}
	else if (scope->success)
		return RETRY_NO;
	if (scope->attempt >= max_attempts)
		return RETRY_EXHAUSTED;
	*delay = backoff(policy, scope);
	return RETRY_YES;
}
