/** A real OpenID provider (the package oidc-provider) on loopback, and a browser that fills in its forms. */
import { createServer, type RequestListener } from 'node:http';
import type { AddressInfo } from 'node:net';
// @ts-expect-error: the package ships no types; what is used of it is typed below.
import { Provider as UntypedProvider } from 'oidc-provider';

type Context = { path: string; status: number; body: unknown };
type Middleware = (context: Context, next: () => Promise<void>) => Promise<void>;
type Provider = { use(middleware: Middleware): void; callback(): RequestListener };
const Provider = UntypedProvider as new (issuer: string, configuration: object) => Provider;

export const testClient = { clientId: 'labmesh', clientSecret: 'test-client-secret-0123456789' };
const deviceGrant = 'urn:ietf:params:oauth:grant-type:device_code';

export type TestIssuer = AsyncDisposable & {
  url: string;
  /** Claims beside `sub` by account. */
  accounts: Map<string, Record<string, unknown>>;
  /** Changes what the token endpoint answers. */
  tamper: ((body: Record<string, unknown>) => void) | undefined;
};

/** `inIdToken: false` leaves all but `sub` to the user-info endpoint, as the standard has it. */
export async function startIssuer(options: { inIdToken?: boolean } = {}): Promise<TestIssuer> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const issuer: TestIssuer = {
    url,
    accounts: new Map(),
    tamper: undefined,
    [Symbol.asyncDispose]: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
  const provider = new Provider(url, {
    clients: [
      {
        client_id: testClient.clientId,
        client_secret: testClient.clientSecret,
        token_endpoint_auth_method: 'client_secret_post',
        application_type: 'native',
        redirect_uris: ['http://127.0.0.1/callback'],
        grant_types: ['authorization_code', deviceGrant],
        response_types: ['code'],
      },
    ],
    claims: { openid: ['sub'], profile: ['preferred_username'], email: ['email'], groups: ['groups'] },
    scopes: ['openid', 'profile', 'email', 'groups'],
    conformIdTokenClaims: options.inIdToken === false,
    features: { devInteractions: { enabled: true }, deviceFlow: { enabled: true }, userinfo: { enabled: true } },
    cookies: { keys: ['test'] },
    ttl: {
      AccessToken: 60,
      AuthorizationCode: 60,
      DeviceCode: 60,
      IdToken: 60,
      Interaction: 60,
      Session: 60,
      Grant: 60,
    },
    findAccount: (_context: unknown, accountId: string) => ({
      accountId,
      claims: () => ({ sub: accountId, ...issuer.accounts.get(accountId) }),
    }),
  });
  provider.use(async (ctx, next) => {
    await next();
    if (ctx.path === '/token' && ctx.status === 200) issuer.tamper?.(ctx.body as Record<string, unknown>);
  });
  server.on('request', provider.callback());
  return issuer;
}

/** Follows redirects and submits forms, with cookies, as `account`. Stops where it would leave the issuer. */
export class TestBrowser {
  readonly #origin: string;
  readonly #account: string;
  readonly #cookies = new Map<string, string>();

  constructor(issuer: TestIssuer, account: string) {
    this.#origin = issuer.url;
    this.#account = account;
  }

  /** Where it ends: the address outside the issuer, or the last page's text. */
  async go(url: string): Promise<{ left: URL } | { page: string }> {
    let next: { url: string; form?: URLSearchParams } = { url };
    for (let step = 0; step < 20; step++) {
      const at = new URL(next.url, this.#origin);
      if (at.origin !== this.#origin) return { left: at };
      const response = await this.#fetch(at, next.form);
      const location = response.headers.get('location');
      if (location !== null) {
        next = { url: new URL(location, at).href };
        continue;
      }
      const page = await response.text();
      const form = this.#formOf(page);
      if (form === undefined) return { page };
      next = { url: new URL(form.action, at).href, form: form.fields };
    }
    throw new Error('the login does not end');
  }

  async #fetch(at: URL, form: URLSearchParams | undefined): Promise<Response> {
    const cookie = [...this.#cookies].map(([name, value]) => `${name}=${value}`).join('; ');
    const response = await fetch(at, {
      redirect: 'manual',
      headers: { cookie },
      ...(form !== undefined && { method: 'POST', body: form }),
    });
    for (const line of response.headers.getSetCookie()) {
      const [pair = ''] = line.split(';');
      const name = pair.slice(0, pair.indexOf('='));
      const value = pair.slice(name.length + 1);
      if (value === '') this.#cookies.delete(name);
      else this.#cookies.set(name, value);
    }
    return response;
  }

  /** The first form of a page, filled in. */
  #formOf(page: string): { action: string; fields: URLSearchParams } | undefined {
    const form = /<form[^>]*action="([^"]*)"[^>]*>([\s\S]*?)<\/form>/.exec(page);
    if (form === null) return undefined;
    const [, action = '', body = ''] = form;
    const fields = new URLSearchParams();
    for (const [tag] of body.matchAll(/<input[^>]*>/g)) {
      const name = /name="([^"]*)"/.exec(tag)?.[1];
      if (name !== undefined) fields.set(name, /value="([^"]*)"/.exec(tag)?.[1] ?? '');
    }
    if (fields.has('login')) fields.set('login', this.#account);
    if (fields.has('password')) fields.set('password', 'anything');
    // A form whose page submits it by script has its button nowhere.
    if (/name="confirm"/.test(body)) fields.set('confirm', 'yes');
    return { action: action.replaceAll('&amp;', '&'), fields };
  }
}
