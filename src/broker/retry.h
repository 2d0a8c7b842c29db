/*
 * broker/retry.h
 *		Whether and when a failed attempt is repeated.
 */
#ifndef NOETL_BROKER_RETRY_H
#define NOETL_BROKER_RETRY_H

#include "broker/scope.h"

typedef enum RetryVerdict
{
	RETRY_NO,					/* the policy does not want it */
	RETRY_EXHAUSTED,			/* it would, but no attempt is left */
	RETRY_YES
} RetryVerdict;

/* How an attempt ended. */
typedef struct RetryAttempt
{
	const TemplateScope *scope; /* knows error, result, status_code ... */
	int			number;			/* from 1 */
	bool		success;
	double		jitter;			/* in [0, 1): spreads the delay */
} RetryAttempt;

/* Returns how many attempts a policy allows; 1 without a policy. */
extern int	retry_max_attempts(const RetryPolicy *policy, const TemplateScope *scope);

/*
 * Returns whether a policy repeats an attempt, and *delay after how many seconds.
 * error->message: why a condition could not be asked, or NULL.
 */
extern RetryVerdict retry_decide(const RetryPolicy *policy, const RetryAttempt *attempt,
								 int max_attempts, double *delay, SourceError *error);

/* Compiles a policy written as JSON; NULL: none.  False and *error when it makes no sense. */
extern bool retry_from_json(const JsonbValue *written, RetryPolicy **policy,
							SourceError *error);

#endif							/* NOETL_BROKER_RETRY_H */
