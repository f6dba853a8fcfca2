/** The CA's public half, join tokens (JT-1, JT-2), and how machines get and keep their certificates. */
import { FleetError } from '@labmesh/wire/fleet/fleet-errors';
import type { Policies } from '../../access/policies.ts';
import type { Authority } from '../../ca/authority.ts';
import type { EnrolServices } from '../../enrol/enrol-services.ts';
import { reenroll } from '../../enrol/reenroll.ts';
import { renew } from '../../enrol/renew.ts';
import type { EventLog } from '../../events/event-log.ts';
import { addressKey } from '../../limits/address-key.ts';
import { rateLimited, type RateLimiter } from '../../limits/rate-limiter.ts';
import { pinText, type UserCertificates } from '../../login/user-certificates.ts';
import { noted, type HandlersOf } from '../handler.ts';

type TokenNames = 'list-tokens' | 'create-token' | 'get-token' | 'revoke-token';
type Names = 'get-bundle' | 'get-crl' | 'get-pin' | 'enroll' | 'renew' | 'reenroll' | TokenNames;

export type EnrolHandlerParts = Pick<EnrolServices['lifecycle'], 'store' | 'clock'> & {
  authority: Authority;
  limiter: RateLimiter;
  policies: Policies;
  events: EventLog;
  people: EnrolServices & { certificates: UserCertificates };
  options: { reenrol: string; expiredGraceMs: number };
};

const text = (body: string, type = 'text/plain') => new Response(body, { headers: { 'Content-Type': type } });

/** Refused tries count by address and by token id; who passes is bounded by the wider window alone (RL-1). */
async function countedEnroll(
  call: Parameters<HandlersOf<'enroll'>['enroll']>[0],
  { limiter, people, events }: EnrolHandlerParts,
) {
  const prefix = /^lmj_[0-9a-z]{8}/.exec(call.body.token)?.[0] ?? 'none';
  const keys = [`ip:${addressKey(call.caller.sourceIp)}`, `token:${prefix}`];
  for (const key of keys) {
    const found = await limiter.peek('enrol-failed', key);
    if (!found.allowed) throw rateLimited(found);
  }
  try {
    const answer = await noted(call, people.enrolment.enroll(call.caller, call.body));
    events.emit('server-enrolled', 'server', answer.serverId, { hostname: call.body.hostname });
    return answer;
  } catch (error) {
    if (error instanceof FleetError && error.status < 500 && error.code !== 'WAITING_APPROVAL') {
      for (const key of keys) await limiter.take('enrol-failed', key);
    }
    throw error;
  }
}

function tokenHandlers({ people, policies }: EnrolHandlerParts): HandlersOf<TokenNames> {
  const { tokens } = people;
  return {
    'list-tokens': (call) => tokens.list(call.caller, call.query, policies.condition(call.subject, 'list', 'tokens')),
    'create-token': async (call) => {
      const made = await tokens.create(call.caller, call.body);
      const { type, kind, ttlMs } = call.body;
      call.note({ resource: `token/${made.prefix}`, resourceId: made.id, details: { type, kind, ttlMs } });
      return made;
    },
    'get-token': async (call) => {
      call.may('get', { kind: 'tokens', name: call.params['id'] ?? '' });
      return tokens.get(call.caller, call.params['id'] ?? '');
    },
    'revoke-token': async (call) => {
      call.may('revoke', { kind: 'tokens', name: call.params['id'] ?? '' });
      const token = await tokens.revoke(call.caller, call.params['id'] ?? '');
      call.note({ resource: `token/${token.prefix}`, resourceId: token.id });
      return token;
    },
  };
}

export function enrolHandlers(parts: EnrolHandlerParts): HandlersOf<Names> {
  const { store, clock, authority, people, options } = parts;
  const { ttl, certificates: users } = people;
  const mode = options.reenrol === 'approve' ? 'approve' : 'auto';
  return {
    ...tokenHandlers(parts),
    'get-bundle': async () => text(authority.anchorsPem(), 'application/x-pem-file'),
    'get-pin': async () => text(`${pinText(authority)}\n`),
    'get-crl': async (call) => {
      const { der, pem } = authority.crl();
      if (call.query.format === 'pem') return text(pem, 'application/x-pem-file');
      return new Response(Uint8Array.from(der), { headers: { 'Content-Type': 'application/pkix-crl' } });
    },
    enroll: (call) => countedEnroll(call, parts),
    renew: (call) => noted(call, renew(call.caller, call.body, { store, clock, authority, ttl, users })),
    reenroll: (call) =>
      noted(
        call,
        reenroll(call.caller, call.body, { store, clock, authority, ttl, mode, graceMs: options.expiredGraceMs }),
      ),
  };
}
