/** A client of labd as labctl is one: a user's certificate, one warm link, sessions on it. */
import { ChannelEnd } from '@labmesh/link/channel-end';
import { dialLink } from '@labmesh/link/dial';
import { Link } from '@labmesh/link/link';
import { createCsr } from '@labmesh/pki/csr';
import { generateKey } from '@labmesh/pki/keys';
import { serverIdentityCheck } from '@labmesh/pki/server-identity';
import { userCertificateSchema } from '@labmesh/wire/fleet/login';
import { frameLimits, subprotocols } from '@labmesh/wire/frame/frame-types';
import type { Exit } from '@labmesh/wire/frame/messages';
import { type Open, openExecSchema } from '@labmesh/wire/frame/open';
import { uuidv7 } from '@labmesh/wire/ids';
import type { RunningLabd } from '../../tests/harness/start-labd.ts';

export type UserIdentity = { keyPem: string; chainPem: string; bundlePem: string };

export const bundleOf = async (labd: RunningLabd): Promise<string> =>
  (await fetch('http://labd/ca/bundle', { unix: labd.socket })).text();

/** A new administrator with a certificate. */
export async function enrolUser(labd: RunningLabd, name: string): Promise<UserIdentity> {
  const body = { name, roles: ['admin'] };
  const { token } = await labd.call<{ token: string }>('POST', '/api/users', body);
  const key = await generateKey();
  const response = await fetch(new URL('/api/auth/user-enroll', labd.api), {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ token, csrPem: await createCsr(key) }),
    tls: { ca: await bundleOf(labd) },
  });
  if (!response.ok) throw new Error(`the bench user did not enrol: ${response.status} ${await response.text()}`);
  const { certificatePem, chainPem, caPem } = userCertificateSchema.parse(await response.json());
  return { keyPem: key.privatePem, chainPem: certificatePem + chainPem, bundlePem: caPem };
}

/** Times in ms since OPEN was sent. */
export type ExecTimes = { openMs: number; wholeMs: number; exit: Exit | undefined; outBytes: number };

export class BenchClient implements AsyncDisposable {
  readonly link: Link;
  #beat: ReturnType<typeof setInterval>;

  private constructor(link: Link) {
    this.link = link;
    this.#beat = setInterval(() => void link.ping(), 10_000);
  }

  /** @throws as dialLink; LinkClosed. */
  static async connect(api: string, identity: UserIdentity): Promise<BenchClient> {
    const { keyPem, chainPem, bundlePem } = identity;
    const socket = await dialLink({
      url: `${api.replace(/^http/, 'ws')}/ws/client`,
      subprotocol: subprotocols.client,
      identity: { keyPem, chainPem },
      bundlePem,
      checkServerIdentity: serverIdentityCheck({ bundlePem, trustDomain: undefined }),
    });
    const link = new Link(socket, {}, { side: 'odd', channelsMax: 2_048 });
    await link.hello({
      protocols: [1],
      kind: 'client',
      serverId: '',
      instanceId: uuidv7(),
      bootId: '',
      version: 'bench',
      os: '',
      arch: '',
      capabilities: [],
      factsDigest: '',
      bundle: '',
      sessions: [],
    });
    return new BenchClient(link);
  }

  /** One command to its end. @throws Error when it was refused or ended otherwise than `ok`. */
  async exec(server: string, argv: readonly string[], more: Partial<Open> = {}): Promise<ExecTimes> {
    const start = performance.now();
    const open = openExecSchema.parse({ kind: 'exec', server, argv, stdin: false, ...more });
    const end = ChannelEnd.open(this.link, open);
    let exit: Exit | undefined;
    let outBytes = 0;
    end.handle({
      data: (_stream, bytes) => void (outBytes += bytes.length),
      exit: (told) => void (exit = told),
    });
    await end.opened;
    const openMs = performance.now() - start;
    const ending = await end.closed;
    if (ending.reason !== 'ok') throw new Error(`exec on ${server} ended: ${ending.reason} ${ending.text}`);
    return { openMs, wholeMs: performance.now() - start, exit, outBytes };
  }

  /** Sends `bytes` on stream in, ends it, and counts what comes back. */
  async send(open: Open, chunks: Iterable<Uint8Array>): Promise<number> {
    const end = ChannelEnd.open(this.link, open);
    let outBytes = 0;
    end.handle({ data: (_stream, bytes) => void (outBytes += bytes.length) });
    await end.opened;
    for (const chunk of chunks) await end.write(0, chunk);
    end.end(0);
    await end.closed;
    return outBytes;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    clearInterval(this.#beat);
    this.link.close('goingAway');
  }
}

/** Largest window a client may ask for. */
export const { windowBytesMax } = frameLimits;
