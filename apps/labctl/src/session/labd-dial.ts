/** The WebSocket of sessions: over TLS with the user's certificate, or over the admin socket (HB-1, CA-5). */
import { dialLink } from '@labmesh/link/dial';
import type { FrameSocket } from '@labmesh/link/frame-socket';
import { subprotocols } from '@labmesh/wire/frame/frame-types';
import { adminSocketPath } from '../client/admin-socket-path.ts';
import { labdAccess } from '../client/labd-access.ts';
import type { LabdNeeds } from '../client/labd-needs.ts';
import { labdTls } from '../client/labd-transport.ts';

export type LabdDial = {
  /** For messages: `labd at https://lab.example:3100`. */
  where: string;
  connect: (signal: AbortSignal) => Promise<FrameSocket>;
};

const path = '/ws/client';
const { client: subprotocol } = subprotocols;

/**
 * Credentials are read at each connect: a session may outlive the certificate that it began with.
 * `connect` rejects as `dialLink` does, or with a CommandError without a login.
 */
export function labdDial(needs: LabdNeeds): LabdDial {
  if (needs.local) {
    const socketPath = adminSocketPath(needs.world.env);
    const connect = (signal: AbortSignal) =>
      dialLink({ url: `ws://localhost${path}`, socketPath, subprotocol, signal });
    return { where: `labd at ${socketPath}`, connect };
  }
  return {
    where: `labd at ${needs.settings.need('labd.url')}`,
    connect: async (signal) => {
      const { url, trust, proof } = await labdAccess(needs);
      const tls = labdTls(trust, proof);
      return dialLink({
        url: `${url.replace(/^http/, 'ws').replace(/\/$/, '')}${path}`,
        subprotocol,
        signal,
        ...(tls.key !== undefined && { identity: { keyPem: tls.key, chainPem: tls.cert } }),
        ...('ca' in tls && {
          bundlePem: tls.ca,
          servername: tls.servername,
          checkServerIdentity: tls.checkServerIdentity,
        }),
        ...(proof.by === 'bearer' && { headers: { authorization: `Bearer ${proof.token}` } }),
      });
    },
  };
}
