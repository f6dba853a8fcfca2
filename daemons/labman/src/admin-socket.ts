/** The socket of the command `labman` (network plane 2.2): HTTP, 0660. It reads, and does what the operator may do here. */
import { chmodSync, mkdirSync, rmSync } from 'node:fs';
import { dirname } from 'node:path';
import type { Logger } from '@labmesh/kit/log';
import { fingerprintInput, wireguardKeyField } from '@labmesh/wire/tunnel';
import { z } from 'zod';
import { type Site, writeTrusted } from './site.ts';

export type AdminSocketParts = {
  /** Empty: none. */
  path: string;
  /** Undefined: no tunnel is configured. */
  site: Site | undefined;
  stateDir: string;
  log: Logger;
};

const trustSchema = z.object({ key: z.union([wireguardKeyField, fingerprintInput]) }).strict();
const bodyBytesMax = 4_096;

const refuse = (status: number, code: string, message: string) =>
  Response.json({ error: { code, message } }, { status });

function down(site: Site | undefined): Response {
  if (site === undefined) return refuse(409, 'NO_TUNNEL', 'no tunnel and no Conplane is configured');
  const { registration } = site;
  const why = registration?.detail === undefined ? '' : `: ${registration.detail}`;
  return refuse(409, 'TUNNEL_DOWN', `the tunnel is not open; registration is ${registration?.phase ?? 'off'}${why}`);
}

async function answer(request: Request, { site, stateDir }: AdminSocketParts): Promise<Response> {
  const route = `${request.method} ${new URL(request.url).pathname}`;
  const view = site?.tunnel.view();
  if (route === 'GET /keys') {
    if (site === undefined) return down(site);
    const wireguard = Buffer.from(site.keys.wireguard.publicKey).toString('base64');
    return Response.json({ wireguard, rosenpassSha256: site.keys.ownKey.fingerprint });
  }
  if (route === 'GET /tunnel') return view === undefined ? down(site) : Response.json(view);
  if (route === 'POST /tunnel/exchange') {
    const result = await site?.tunnel.exchangeNow();
    return result === undefined ? down(site) : Response.json(result);
  }
  if (route === 'POST /tunnel/trust') {
    const parsed = trustSchema.safeParse(await request.json().catch(() => undefined));
    if (!parsed.success) return refuse(400, 'VALIDATION_FAILED', 'expected {"key": fingerprint or WireGuard key}');
    writeTrusted(stateDir, parsed.data.key);
    return Response.json({ ok: true });
  }
  return refuse(404, 'NOT_FOUND', 'there is no such route');
}

/** Born closed to others: between bind and chmod nobody may slip in. */
function listenClosed<T>(listen: () => T): T {
  const mask = process.umask(0o177);
  try {
    return listen();
  } finally {
    process.umask(mask);
  }
}

/** Opens the socket; without a folder to put it in the node goes on and says so. */
export function openAdminSocket(parts: AdminSocketParts): (AsyncDisposable & { path: string }) | undefined {
  const { path, log } = parts;
  if (path === '') return undefined;
  try {
    mkdirSync(dirname(path), { recursive: true, mode: 0o755 });
    rmSync(path, { force: true });
    const server = listenClosed(() =>
      Bun.serve({
        unix: path,
        maxRequestBodySize: bodyBytesMax,
        fetch: (request) => answer(request, parts),
        error: (error) => {
          log.error('a request at the admin socket met a fault of ours', { error });
          return refuse(500, 'INTERNAL', 'a fault of labmand; its log has the details');
        },
      }),
    );
    chmodSync(path, 0o660);
    return {
      path,
      async [Symbol.asyncDispose]() {
        await server.stop(true);
        rmSync(path, { force: true });
      },
    };
  } catch (error) {
    log.warn('no admin socket: the command labman will not reach this node', { path, error });
    return undefined;
  }
}
