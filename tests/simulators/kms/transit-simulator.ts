/**
 * A key management service as an issuer uses one: the part of the HTTP API of Vault Transit that makes ed25519 keys, tells their
 * public parts and signs. Private keys never leave it. Tests put faults in. It serves a Unix socket, or loopback with a
 * certificate of theirs.
 */
import { generateKeyPairSync, type KeyObject, sign } from 'node:crypto';

/** What it does in place of its work, until told otherwise. */
export type TransitFault =
  | 'sealed'
  | 'hang'
  | 'redirect'
  | 'other-key'
  | 'other-version'
  | 'not-json'
  | 'too-large'
  /** It signs, and the answer breaks off. */
  | 'cut-answer';

export type TransitOptions = {
  token: string;
  mount?: string;
  /** Types of keys that are not ed25519. */
  types?: Readonly<Record<string, string>>;
} & ({ socketPath: string } | { tls?: { cert: string; key: string } });

type Version = { privateKey: KeyObject; raw: string };

function newVersion(): Version {
  const { privateKey, publicKey } = generateKeyPairSync('ed25519');
  return { privateKey, raw: publicKey.export({ format: 'der', type: 'spki' }).subarray(-32).toString('base64') };
}

export class TransitSimulator implements AsyncDisposable {
  fault: TransitFault | undefined;
  /** The key that the fault is of; undefined = all. */
  faulty: string | undefined;
  /** `POST sign/labmesh-log`, in order. */
  readonly asked: string[] = [];
  /** All that was signed, by key: the bytes in base64. */
  readonly signed = new Map<string, string[]>();
  readonly #options: TransitOptions;
  readonly #keys = new Map<string, Version[]>();
  readonly #server: Bun.Server<undefined>;

  constructor(options: TransitOptions, names: readonly string[]) {
    this.#options = options;
    for (const name of names) this.#keys.set(name, [newVersion()]);
    const fetch = (request: Request) => this.#answer(request);
    this.#server =
      'socketPath' in options
        ? Bun.serve({ unix: options.socketPath, fetch })
        : Bun.serve({ hostname: '127.0.0.1', port: 0, ...(options.tls && { tls: options.tls }), fetch });
  }

  get port(): number {
    return this.#server.port ?? 0;
  }

  /** PKCS#8 of every version of every key, for who looks whether one got out. */
  privateKeys(): Buffer[] {
    return [...this.#keys.values()].flat().map(({ privateKey }) => privateKey.export({ format: 'der', type: 'pkcs8' }));
  }

  async #answer(request: Request): Promise<Response> {
    const { pathname } = new URL(request.url);
    const head = `/v1/${this.#options.mount ?? 'transit'}/`;
    const path = pathname.startsWith(head) ? pathname.slice(head.length) : '';
    this.asked.push(`${request.method} ${path}`);
    const [verb, name = '', last] = path.split('/');
    const fault = this.faulty === undefined || this.faulty === name ? this.fault : undefined;
    const refused = this.#refused(request, fault);
    if (refused !== undefined) return refused;
    const versions = this.#keys.get(name);
    if (versions === undefined) return Response.json({ errors: ['no handler for this key'] }, { status: 404 });
    if (request.method === 'GET' && verb === 'keys') return this.#key(name, versions);
    if (request.method === 'POST' && verb === 'keys' && last === 'rotate') {
      versions.push(newVersion());
      return new Response(null, { status: 204 });
    }
    if (request.method === 'POST' && verb === 'sign') return this.#sign(name, versions, await request.json());
    return Response.json({ errors: ['unsupported path'] }, { status: 404 });
  }

  #refused(request: Request, fault: TransitFault | undefined): Response | undefined | Promise<Response> {
    if (fault === 'sealed') return Response.json({ errors: ['Vault is sealed'] }, { status: 503 });
    if (fault === 'redirect') return Response.redirect('http://127.0.0.1:1/v1/transit', 307);
    if (fault === 'not-json') return new Response('<html>');
    if (fault === 'too-large') return new Response('x'.repeat(1_000_000));
    if (fault === 'hang') return new Promise<Response>(() => {});
    if (request.headers.get('x-vault-token') === this.#options.token) return undefined;
    return Response.json({ errors: ['permission denied'] }, { status: 403 });
  }

  #key(name: string, versions: readonly Version[]): Response {
    const type = this.#options.types?.[name] ?? 'ed25519';
    const keys = Object.fromEntries(versions.map(({ raw }, at) => [at + 1, { name: 'ed25519', public_key: raw }]));
    return Response.json({ data: { name, type, latest_version: versions.length, keys, exportable: false } });
  }

  #sign(name: string, versions: readonly Version[], body: unknown): Response {
    const { input = '', key_version: asked = 0 } = body as { input?: string; key_version?: number };
    const version = asked === 0 ? versions.length : asked;
    const found = this.fault === 'other-key' ? newVersion() : versions[version - 1];
    if (found === undefined) return Response.json({ errors: ['no such version'] }, { status: 400 });
    this.signed.set(name, [...(this.signed.get(name) ?? []), input]);
    if (this.fault === 'cut-answer') return Response.json({ errors: ['the storage went away'] }, { status: 500 });
    const signature = sign(null, Buffer.from(input, 'base64'), found.privateKey).toString('base64');
    const told = this.fault === 'other-version' ? version + 1 : version;
    return Response.json({ data: { signature: `vault:v${told}:${signature}`, key_version: told } });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#server.stop(true);
  }
}
