/**
 * The operator's OpenID Connect provider (ID-4), any that can be discovered: OpenID Connect Core with PKCE (RFC 7636),
 * device grant (RFC 8628), issuer in the answer (RFC 9207). Every ID token's signature, issuer, audience, times and
 * nonce are checked, also where TLS alone would do.
 */
import type { Clock } from '@labmesh/kit/clock';
import { FleetError } from '@labmesh/wire/fleet/fleet-errors';
import {
  allowInsecureRequests,
  authorizationCodeGrant,
  buildAuthorizationUrl,
  ClientSecretPost,
  type Configuration,
  discovery,
  enableNonRepudiationChecks,
  fetchUserInfo,
  genericGrantRequest,
  initiateDeviceAuthorization,
  None,
  ResponseBodyError,
} from 'openid-client';
import { type OidcIdentity, readIdentity } from './oidc-identity.ts';

export type OidcSettings = {
  issuer: string;
  clientId: string;
  /** Absent: a public client. */
  clientSecret?: string;
  /** Claim that lists groups; default `groups`. */
  groupsClaim?: string;
};

export type CodeAnswer = {
  redirectUri: string;
  code: string;
  state: string;
  iss?: string;
  verifier: string;
  nonce: string;
};
export type DeviceGrant = {
  deviceCode: string;
  userCode: string;
  verificationUri: string;
  verificationUriComplete: string | undefined;
  expiresInMs: number;
  intervalMs: number;
};
export type DeviceAnswer = { status: 'pending'; slowDown: boolean } | { status: 'done'; identity: OidcIdentity };

const requestTimeoutS = 10;
/** Keys and endpoints of a provider change seldom; a stale one fails and is read again. */
const discoveryMs = 3_600_000;
const deviceGrantType = 'urn:ietf:params:oauth:grant-type:device_code';

const isLoopback = (host: string) => ['127.0.0.1', '[::1]', 'localhost'].includes(host);

/** @throws FleetError VALIDATION_FAILED for an issuer that is not https; http is taken on loopback, for trials. */
export function issuerUrl(text: string): URL {
  const url = URL.parse(text);
  const good = url !== null && (url.protocol === 'https:' || (url.protocol === 'http:' && isLoopback(url.hostname)));
  if (!good || url.username !== '' || url.password !== '')
    throw new FleetError('VALIDATION_FAILED', {
      field: 'login.oidc.issuer',
      message: 'the issuer has to be an https URL',
    });
  return url;
}

export class OidcProvider {
  readonly #issuer: URL;
  readonly #settings: OidcSettings;
  readonly #clock: Clock;
  #found: { config: Promise<Configuration>; until: number } | undefined;

  constructor(settings: OidcSettings, clock: Clock) {
    this.#issuer = issuerUrl(settings.issuer);
    this.#settings = settings;
    this.#clock = clock;
  }

  /** Where the browser goes. `challenge` is the client's own (S256). */
  async authorizationUrl(ask: {
    redirectUri: string;
    challenge: string;
    state: string;
    nonce: string;
  }): Promise<string> {
    const config = await this.#configuration();
    const { redirectUri, challenge, state, nonce } = ask;
    return buildAuthorizationUrl(config, {
      response_type: 'code',
      redirect_uri: redirectUri,
      scope: this.#scope(config),
      code_challenge: challenge,
      code_challenge_method: 'S256',
      state,
      nonce,
    }).href;
  }

  /** Trades a code for who it is. @throws FleetError UNAUTHENTICATED, INTERNAL when the provider cannot be asked. */
  async exchange(answer: CodeAnswer): Promise<OidcIdentity> {
    const config = await this.#configuration();
    const back = new URL(answer.redirectUri);
    back.searchParams.set('code', answer.code);
    back.searchParams.set('state', answer.state);
    if (answer.iss !== undefined) back.searchParams.set('iss', answer.iss);
    const checks = {
      pkceCodeVerifier: answer.verifier,
      expectedNonce: answer.nonce,
      expectedState: answer.state,
      idTokenExpected: true,
    };
    return await this.#asked(async () => this.#identity(config, await authorizationCodeGrant(config, back, checks)));
  }

  /** Begins a device login. */
  async startDevice(): Promise<DeviceGrant> {
    const config = await this.#configuration();
    const grant = await this.#asked(() => initiateDeviceAuthorization(config, { scope: this.#scope(config) }));
    return {
      deviceCode: grant.device_code,
      userCode: grant.user_code,
      verificationUri: grant.verification_uri,
      verificationUriComplete: grant.verification_uri_complete,
      expiresInMs: grant.expires_in * 1_000,
      intervalMs: (grant.interval ?? 5) * 1_000,
    };
  }

  /** Asks once whether the user has agreed. @throws FleetError UNAUTHENTICATED when it was refused or ran out. */
  async pollDevice(deviceCode: string): Promise<DeviceAnswer> {
    const config = await this.#configuration();
    return await this.#asked(async () => {
      try {
        const tokens = await genericGrantRequest(config, deviceGrantType, { device_code: deviceCode });
        return { status: 'done', identity: await this.#identity(config, tokens) };
      } catch (error) {
        const waits =
          error instanceof ResponseBodyError && ['authorization_pending', 'slow_down'].includes(error.error);
        if (!waits) throw error;
        return { status: 'pending', slowDown: error.error === 'slow_down' };
      }
    });
  }

  /** What the ID token says, and the user-info endpoint where the ID token leaves groups or name out. */
  async #identity(
    config: Configuration,
    tokens: Awaited<ReturnType<typeof genericGrantRequest>>,
  ): Promise<OidcIdentity> {
    const claims = tokens.claims();
    if (claims === undefined) throw new FleetError('UNAUTHENTICATED', { log: 'the provider gave no ID token' });
    const groupsClaim = this.#settings.groupsClaim ?? 'groups';
    const isWhole = groupsClaim in claims && 'preferred_username' in claims;
    const more =
      isWhole || config.serverMetadata().userinfo_endpoint === undefined
        ? {}
        : await fetchUserInfo(config, tokens.access_token, claims.sub);
    return readIdentity({ ...more, ...claims }, groupsClaim);
  }

  #scope(config: Configuration): string {
    const known = config.serverMetadata().scopes_supported ?? [];
    const wanted = ['profile', 'email', this.#settings.groupsClaim ?? 'groups'];
    return ['openid', ...wanted.filter((scope) => known.includes(scope))].join(' ');
  }

  /** The provider's metadata, read once an hour; a failure is not kept. */
  #configuration(): Promise<Configuration> {
    const now = this.#clock.now();
    if (this.#found === undefined || this.#found.until <= now) {
      const found = { config: this.#asked(() => this.#discover()), until: now + discoveryMs };
      this.#found = found;
      found.config.catch(() => {
        if (this.#found === found) this.#found = undefined;
      });
    }
    return this.#found.config;
  }

  async #discover(): Promise<Configuration> {
    const { clientId, clientSecret } = this.#settings;
    const proof = clientSecret === undefined ? None() : ClientSecretPost(clientSecret);
    const insecure = this.#issuer.protocol === 'http:' ? [allowInsecureRequests] : [];
    const execute = [...insecure, enableNonRepudiationChecks];
    return await discovery(this.#issuer, clientId, undefined, proof, { execute, timeout: requestTimeoutS });
  }

  /** Gives the library's errors ours: what the provider refused is the login's fault, all else is the world's. */
  async #asked<T>(work: () => Promise<T>): Promise<T> {
    try {
      return await work();
    } catch (error) {
      if (error instanceof FleetError) throw error;
      throw asFleetError(error);
    }
  }
}

const refusals = ['invalid_grant', 'access_denied', 'expired_token', 'invalid_request'];
/** Codes of openid-client for an answer that does not hold: a forged token, another issuer, state or nonce. */
const untrue = /^OAUTH_(?:JWT|INVALID|PARSE|KEY|AUTHORIZATION_RESPONSE)|^OAUTH_RESPONSE_IS_NOT/;

/** The library's error texts may quote tokens, so only its codes are logged. */
function asFleetError(error: unknown): FleetError {
  const code = error instanceof Error && 'code' in error ? String(error.code) : 'UNKNOWN';
  const reason = error instanceof ResponseBodyError ? error.error : code;
  const log = `OpenID Connect: ${reason}`;
  if (refusals.includes(reason) || untrue.test(code))
    return new FleetError('UNAUTHENTICATED', { message: 'the identity provider did not confirm this login', log });
  return new FleetError('INTERNAL', { message: 'the identity provider cannot be asked', log });
}
