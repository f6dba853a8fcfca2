import type { FleetOperation } from '@labmesh/wire/fleet/operation';
import { addressKey } from '../limits/address-key.ts';
import { rateLimited, rateLimitHeaders, type RateLimiter } from '../limits/rate-limiter.ts';
import type { Caller } from '../login/caller.ts';

/** Headers that go out with the answer, also of an error. */
export type Outgoing = Record<string, string>;

/** Counts a call against the limits of its row (RL-1). @throws FleetError RATE_LIMITED. */
export async function limitCall(
  operation: FleetOperation,
  caller: Caller,
  limiter: RateLimiter,
  out: Outgoing,
): Promise<void> {
  const address = addressKey(caller.sourceIp);
  const isStranger = caller.principal.kind === 'anonymous';
  if (caller.principal.kind === 'local') return;
  // Health asks often and from one place; enrolment has its own, wider window for a rack behind one address (RL-1).
  const isFree = operation.audit === '-' && operation.access.rule === 'public';
  const first = isStranger ? (operation.limit === 'enrol' || isFree ? undefined : 'anonymous') : 'principal';
  const checks = [
    ...(first === undefined
      ? []
      : [[first, isStranger ? address : `${caller.principal.kind}:${caller.principal.id}`] as const]),
    ...(operation.limit === undefined
      ? []
      : [[operation.limit === 'detailed' ? 'health-detailed' : operation.limit, address] as const]),
  ] as const;
  for (const [name, key] of checks) {
    const found = await limiter.take(name, key);
    Object.assign(out, rateLimitHeaders(found));
    if (!found.allowed) throw rateLimited(found);
  }
}

/** Counts what was refused before anybody was known: a bad bearer, a wrong host. @throws FleetError RATE_LIMITED. */
export async function limitStranger({ sourceIp }: Caller, limiter: RateLimiter, out: Outgoing): Promise<void> {
  const found = await limiter.take('anonymous', addressKey(sourceIp));
  Object.assign(out, rateLimitHeaders(found));
  if (!found.allowed) throw rateLimited(found);
}
