/** Enrolment, login and join tokens, on the services of `login` and `enrol`. */
import { FleetError } from '@labmesh/wire/fleet/fleet-errors';
import type { FleetOperation } from '@labmesh/wire/fleet/operation';
import { revokeCertificate } from '../../ca/revoke-certificate.ts';
import type { Core } from '../../core.ts';
import { reenroll } from '../../enrol/reenroll.ts';
import { renew } from '../../enrol/renew.ts';
import type { LabdOptions } from '../../labd-options.ts';
import { addressKey } from '../../limits/address-key.ts';
import { rateLimited } from '../../limits/rate-limiter.ts';
import type { Noted } from '../../login/caller.ts';
import { writeDenials } from '../../login/end-logins.ts';
import { pinText } from '../../login/user-certificates.ts';
import { timeTextOrNull } from '@labmesh/wire/fleet/resources/fields';
import type { Call, HandlersOf } from '../handler.ts';
import type { Identified } from '../identify.ts';

type Names =
  | 'get-bundle'
  | 'get-crl'
  | 'get-pin'
  | 'enroll'
  | 'user-enroll'
  | 'renew'
  | 'reenroll'
  | 'login'
  | 'logout'
  | 'create-certificate'
  | 'create-ticket'
  | 'start-oidc'
  | 'finish-oidc'
  | 'start-device'
  | 'poll-device'
  | 'whoami';

export type LoginHandlerParts = { core: Core; options: LabdOptions };

type Noting = Pick<Call<FleetOperation>, 'note'>;

/** The answer, its note put into the audit row. */
async function noted<T>(call: Noting, work: Promise<Noted<T>>): Promise<T> {
  const { answer, note } = await work;
  call.note(note);
  return answer;
}

const text = (body: string, type = 'text/plain') => new Response(body, { headers: { 'Content-Type': type } });

const noOidc = () =>
  new FleetError('NOT_AVAILABLE', {
    message: 'no OpenID Connect issuer is configured',
    hint: 'set [login.oidc] issuer and client_id, and add oidc to login.methods',
  });

/** Refused tries count by address and by token id; who passes is bounded by the wider window alone (RL-1). */
async function countedEnroll(call: Parameters<HandlersOf<'enroll'>['enroll']>[0], { core }: LoginHandlerParts) {
  const { limiter, people, events } = core;
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

async function logout(call: Parameters<HandlersOf<'logout'>['logout']>[0], { core }: LoginHandlerParts) {
  const { session, serial, principal } = call.caller;
  const { people, store, denyList, clock } = core;
  if (session !== undefined) await people.logins.revoke(call.caller, session);
  else if (serial !== undefined) {
    const revocation = { serial, reason: 'logged out', now: clock.wall() };
    await writeDenials({ store, denials: denyList }, principal, (tx) => revokeCertificate(tx, denyList, revocation));
  }
  return { ok: true } as const;
}

function assertMethod(options: LabdOptions, method: 'token' | 'password'): void {
  if (options.loginMethods.includes(method)) return;
  throw new FleetError('NOT_AVAILABLE', { message: `login by ${method} is switched off here (login.methods)` });
}

export function loginHandlers(parts: LoginHandlerParts): HandlersOf<Names> {
  const { core, options } = parts;
  const { people, authority, store, clock, policies } = core;
  const oidc = () => {
    if (people.oidc === undefined) throw noOidc();
    return people.oidc;
  };
  return {
    'get-bundle': async () => text(authority.anchorsPem(), 'application/x-pem-file'),
    'get-pin': async () => text(`${pinText(authority)}\n`),
    'get-crl': async (call) => {
      const { der, pem } = authority.crl();
      if (call.query.format === 'pem') return text(pem, 'application/x-pem-file');
      return new Response(Uint8Array.from(der), { headers: { 'Content-Type': 'application/pkix-crl' } });
    },
    enroll: (call) => countedEnroll(call, parts),
    'user-enroll': (call) => {
      assertMethod(options, 'token');
      return noted(call, people.userEnrol.enroll(call.caller, call.body));
    },
    renew: (call) =>
      noted(
        call,
        renew(call.caller, call.body, { store, clock, authority, ttl: people.ttl, users: people.certificates }),
      ),
    reenroll: (call) =>
      noted(
        call,
        reenroll(call.caller, call.body, {
          store,
          clock,
          authority,
          ttl: people.ttl,
          mode: options.reenrol,
          graceMs: options.expiredGraceMs,
        }),
      ),
    login: (call) => {
      assertMethod(options, 'password');
      return noted(call, people.passwordLogin.login(call.caller, call.body));
    },
    logout: (call) => logout(call, parts),
    'create-certificate': (call) => noted(call, people.certificates.forSession(call.caller, call.body)),
    'create-ticket': (call) => people.tickets.create(call.caller),
    'start-oidc': (call) => oidc().start(call.caller, call.body),
    'finish-oidc': (call) => noted(call, oidc().callback(call.caller, call.query)),
    'start-device': (call) => oidc().device(call.caller),
    'poll-device': (call) => noted(call, oidc().poll(call.caller, call.body)),
    whoami: async (call) => {
      const { principal, groups = [], serial, method, expiresAt } = call.caller as Identified;
      const roles = [...policies.rolesOf(call.subject)];
      return {
        principal,
        groups: [...groups],
        roles,
        method: method === 'none' ? 'session' : method,
        expiresAt: timeTextOrNull(expiresAt ?? null),
        serial: serial ?? null,
      };
    },
  };
}
