/** What the socket of labmand answers: it reads, and does what the operator may do at this machine. Secrets have no route. */
import type { Logger } from '@labmesh/kit/log';
import { withExposure } from '@labmesh/tunnel/device/with-exposure';
import { FleetError } from '@labmesh/wire/fleet/fleet-errors';
import { fingerprintInput, wireguardKeyField } from '@labmesh/wire/tunnel';
import { z } from 'zod';
import { writeTrusted } from '../conplane/trusted-key.ts';
import type { Site } from '../site.ts';
import type { NodeStatus } from './node-status.ts';
import { seenDevice } from './seen-device.ts';

export type AdminParts = {
  /** Undefined: no tunnel is configured. */
  site: Site | undefined;
  stateDir: string;
  log: Logger;
};

type Answer = (site: Site, request: Request, parts: AdminParts) => Response | Promise<Response>;

const trustSchema = z.object({ key: z.union([wireguardKeyField, fingerprintInput]) }).strict();

export const refuse = (status: number, code: string, message: string) =>
  Response.json({ error: { code, message } }, { status });

function down({ registration, tunnel }: Site): Response {
  const because = tunnel.fault ?? registration?.detail;
  const why = because === undefined ? '' : `: ${because}`;
  return refuse(409, 'TUNNEL_DOWN', `the tunnel is not open; registration is ${registration?.phase ?? 'off'}${why}`);
}

function keys({ keys: { wireguard, ownKey, nextKey } }: Site): Response {
  const publicKey = Buffer.from(wireguard.publicKey).toString('base64');
  const next = nextKey?.fingerprint ?? null;
  return Response.json({ wireguard: publicKey, rosenpassSha256: ownKey.fingerprint, nextRosenpassSha256: next });
}

function node({ registration, tunnel }: Site): Response {
  const told: NodeStatus = {
    registration:
      registration === undefined
        ? null
        : {
            phase: registration.phase,
            detail: registration.detail ?? null,
            nodeId: registration.state?.nodeId ?? null,
          },
    tunnel: { isOpen: tunnel.device !== undefined, fault: tunnel.fault ?? null },
  };
  return Response.json(told);
}

async function exchange(site: Site): Promise<Response> {
  const result = await site.tunnel.exchangeNow();
  return result === undefined ? down(site) : Response.json(result);
}

/** K8. What the Conplane says goes to the operator, who may see it. */
async function rotate({ rotation, registration }: Site, request: Request): Promise<Response> {
  if (registration === undefined) {
    return refuse(409, 'NO_CONPLANE', 'without a Conplane nobody can be told: labman tunnel keygen --force, by hand');
  }
  try {
    return Response.json(await rotation.rotate(request.signal));
  } catch (error) {
    const code = error instanceof FleetError ? error.code : 'CONPLANE_UNREACHABLE';
    const why = error instanceof Error ? error.message : 'unknown';
    return refuse(502, code, `the Conplane did not take the new key (${why}); run it again, the pair is kept`);
  }
}

async function trust({ registration }: Site, request: Request, { stateDir }: AdminParts): Promise<Response> {
  const parsed = trustSchema.safeParse(await request.json().catch(() => undefined));
  if (!parsed.success) return refuse(400, 'VALIDATION_FAILED', 'expected {"key": fingerprint or WireGuard key}');
  writeTrusted(stateDir, parsed.data.key);
  registration?.again();
  return Response.json({ ok: true });
}

const routes: Readonly<Record<string, Answer>> = {
  'GET /keys': keys,
  'GET /node': node,
  'GET /tunnel': (site) => {
    const view = site.tunnel.view();
    return view === undefined ? down(site) : Response.json(withExposure(view));
  },
  'GET /tunnel/device': async (site) => {
    const { device } = site.tunnel;
    return device === undefined ? down(site) : Response.json(await seenDevice(device));
  },
  'POST /tunnel/exchange': exchange,
  'POST /tunnel/rotate': rotate,
  'POST /tunnel/trust': trust,
};

export async function adminAnswer(request: Request, parts: AdminParts): Promise<Response> {
  const route = `${request.method} ${new URL(request.url).pathname}`;
  const answer = Object.hasOwn(routes, route) ? routes[route] : undefined;
  if (answer === undefined) return refuse(404, 'NOT_FOUND', 'there is no such route');
  if (parts.site === undefined) return refuse(409, 'NO_TUNNEL', 'no tunnel and no Conplane is configured');
  return answer(parts.site, request, parts);
}
