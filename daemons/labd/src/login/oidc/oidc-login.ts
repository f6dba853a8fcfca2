/**
 * Login by OpenID Connect (ID-4).
 *
 *     code:   client makes verifier + challenge, listens on loopback
 *             start(redirectUri, challenge) → url, state     browser → provider → loopback: code, state
 *             callback(code, state, verifier) → session
 *     device: device() → handle, user code                   poll(handle) until done → session
 *
 * Between the two calls nothing is stored: state and handle are sealed by the store's own key, so any replica can go
 * on. The code is worth nothing without the verifier, which only the client that started has; the provider takes each
 * code once.
 */
import { createHash, randomBytes } from 'node:crypto';
import { FleetError } from '@labmesh/wire/fleet/fleet-errors';
import type {
  DevicePoll,
  DevicePolled,
  DeviceStarted,
  LoggedIn,
  OidcCallback,
  OidcStart,
  OidcStarted,
} from '@labmesh/wire/fleet/login';
import { system } from '@labmesh/wire/fleet/principal';
import { timeText } from '@labmesh/wire/fleet/resources/fields';
import { z } from 'zod';
import type { Sealer } from '../../secrets/sealer.ts';
import type { Caller, Noted } from '../caller.ts';
import type { LoginSessions } from '../login-sessions.ts';
import type { OidcIdentity } from './oidc-identity.ts';
import type { OidcProvider } from './oidc-provider.ts';
import { userOfIdentity } from './oidc-user.ts';
import { openText, sealText } from './sealed-text.ts';
import type { World } from '../../settings/world.ts';

const stateTtlMs = 10 * 60_000;
const deviceTtlMaxMs = 30 * 60_000;
/** What `slow_down` adds (RFC 8628, 3.5). */
const slowDownMs = 5_000;

const stateSchema = z.object({ nonce: z.string(), redirectUri: z.string(), challenge: z.string(), until: z.number() });
const handleSchema = z.object({ deviceCode: z.string(), intervalMs: z.number(), until: z.number() });

const self = system('oidc-login');
const loopbackHosts = ['127.0.0.1', '[::1]', 'localhost'];

export type OidcLoginParts = {
  store: World['store'];
  clock: World['clock'];
  sealer: Sealer;
  logins: LoginSessions;
  provider: OidcProvider;
  /** Further redirect addresses, whole: the dashboard's. */
  redirects?: readonly string[];
};

/** RFC 8252: plain http to this machine, any port. */
function isLoopbackRedirect(text: string): boolean {
  const url = URL.parse(text);
  return (
    url !== null &&
    url.protocol === 'http:' &&
    loopbackHosts.includes(url.hostname) &&
    url.username === '' &&
    url.hash === '' &&
    url.search === ''
  );
}

const invalid = () =>
  new FleetError('UNAUTHENTICATED', { message: 'this login is unknown or too old', hint: 'start again: labctl login' });

export class OidcLogin {
  readonly #parts: OidcLoginParts;

  constructor(parts: OidcLoginParts) {
    this.#parts = parts;
  }

  /** @throws FleetError VALIDATION_FAILED for a redirect that is neither loopback nor one of ours. */
  async start(_caller: Caller, request: OidcStart): Promise<OidcStarted> {
    const { redirectUri, challenge } = request;
    if (!isLoopbackRedirect(redirectUri) && !(this.#parts.redirects ?? []).includes(redirectUri))
      throw new FleetError('VALIDATION_FAILED', {
        field: 'redirectUri',
        message: 'the redirect has to be http on loopback',
      });
    const until = this.#parts.clock.wall() + stateTtlMs;
    const nonce = randomBytes(32).toString('base64url');
    const state = sealText(this.#parts.sealer, 'state', { nonce, redirectUri, challenge, until } satisfies z.infer<
      typeof stateSchema
    >);
    const url = await this.#parts.provider.authorizationUrl({ redirectUri, challenge, state, nonce });
    return { url, state, expiresAt: timeText(until) };
  }

  /** @throws FleetError UNAUTHENTICATED, REVOKED (a disabled user), INTERNAL when the provider cannot be asked. */
  async callback(_caller: Caller, query: OidcCallback): Promise<Noted<LoggedIn>> {
    const state = this.#open('state', query.state, stateSchema);
    const challenge = createHash('sha256').update(query.verifier).digest('base64url');
    if (state.challenge !== challenge) throw invalid();
    const { nonce, redirectUri } = state;
    const { code, verifier, iss } = query;
    const answer = { redirectUri, code, state: query.state, verifier, nonce, ...(iss !== undefined && { iss }) };
    return await this.#enter(await this.#parts.provider.exchange(answer));
  }

  /** Begins a login on a machine without a browser. */
  async device(_caller: Caller): Promise<DeviceStarted> {
    const grant = await this.#parts.provider.startDevice();
    const { deviceCode, intervalMs } = grant;
    const until = this.#parts.clock.wall() + Math.min(grant.expiresInMs, deviceTtlMaxMs);
    return {
      handle: sealText(this.#parts.sealer, 'device', { deviceCode, intervalMs, until } satisfies z.infer<
        typeof handleSchema
      >),
      userCode: grant.userCode,
      verificationUri: grant.verificationUri,
      verificationUriComplete: grant.verificationUriComplete ?? null,
      expiresAt: timeText(until),
      intervalMs,
    };
  }

  /** @throws FleetError as `callback`. */
  async poll(_caller: Caller, request: DevicePoll): Promise<Noted<DevicePolled>> {
    const { deviceCode, intervalMs } = this.#open('device', request.handle, handleSchema);
    const polled = await this.#parts.provider.pollDevice(deviceCode);
    if (polled.status === 'pending')
      return { answer: { status: 'pending', intervalMs: intervalMs + (polled.slowDown ? slowDownMs : 0) }, note: {} };
    const { answer, note } = await this.#enter(polled.identity);
    return { answer: { status: 'done', ...answer }, note };
  }

  async #enter(identity: OidcIdentity): Promise<Noted<LoggedIn>> {
    const { store, clock, logins } = this.#parts;
    const { user, opened } = await store.write(self, async (tx) => {
      const user = await userOfIdentity(tx, identity, clock.wall());
      return { user, opened: await logins.open(tx, { id: user.id, name: user.name }, identity.groups) };
    });
    const { id: login, ...answer } = opened;
    const details = {
      login,
      method: 'oidc',
      groups: identity.groups.slice(0, 64),
      ...(user.isNew && { created: true }),
    };
    return { answer, note: { resource: `user:${user.name}`, resourceId: user.id, details } };
  }

  #open<T extends { until: number }>(use: 'state' | 'device', text: string, schema: z.ZodType<T>): T {
    const read = openText(this.#parts.sealer, use, text, schema);
    if (read === undefined || read.until <= this.#parts.clock.wall()) throw invalid();
    return read;
  }
}
