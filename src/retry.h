/*
 * retry.h
 *		Whether and when a failed attempt is repeated.
 */
#ifndef NOETL_RETRY_H
#define NOETL_RETRY_H

#include "scope.h"

typedef enum RetryVerdict
{
	RETRY_NO,					/* the policy does not want it */
	RETRY_EXHAUSTED,			/* it would, but no attempt is left */
	RETRY_YES
} RetryVerdict;

/* The bound that goes into the queue row; 1 without a policy. */
extern int	retry_max_attempts(const RetryPolicy *policy, Scope *scope);

/*
 * Asks the policy about an attempt.  "scope" has is_retry, response, success,
 * error, attempt.  *delay is in seconds.
 */
extern RetryVerdict retry_decide(const RetryPolicy *policy, Scope *scope,
								 int max_attempts, double *delay);

#endif							/* NOETL_RETRY_H */
