import { createServer } from 'node:net';

/**
 * Whether something of this machine has the port on all addresses: it would answer as the node at any address that this
 * machine has, from that moment to the bind that fails. Asked by a bind of a moment at 127.x.y.z, which is here already, is
 * reached by nobody else, and is used by next to nobody. Other errors than the one that says so say nothing of the port.
 */
export async function isPortTaken({ address, port }: { address: string; port: number }): Promise<boolean> {
  const host = `127.${address.split('.').slice(1).join('.')}`;
  const server = createServer((socket) => void socket.destroy());
  return new Promise((resolve) => {
    server.on('error', (error: NodeJS.ErrnoException) => resolve(error.code === 'EADDRINUSE'));
    server.listen({ host, port }, () => server.close(() => resolve(false)));
  });
}
