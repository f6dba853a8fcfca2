/**
 * `labman post` (N5): what a labmand that was killed left on the host: its interface, its table on old kernels, its socket.
 * Run by systemd after each stop, and by hand; nothing that is not ours is touched, and nothing of a labmand that runs.
 */
import { connect } from 'node:net';
import { existsSync, rmSync, statSync } from 'node:fs';
import { removeLeftovers } from '@labmesh/wireguard/devices/remove-leftovers';
import { deviceAlias } from '../tunnel/open-node-tunnel.ts';
import { LabmandError } from './ask-labmand.ts';
import type { LabmanFlags } from './labman-options.ts';
import { settingsOf } from './settings-of.ts';
import { json, type Verb } from './verb.ts';

const usualName = 'labman0';
const waitMs = 1_000;

/** Whether anybody takes a connection there. */
function isAnswered(path: string): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect({ path });
    const end = (answered: boolean) => {
      socket.destroy();
      resolve(answered);
    };
    socket.once('connect', () => end(true));
    socket.once('error', () => end(false));
    // One that is too busy to answer lives.
    socket.setTimeout(waitMs, () => end(true));
  });
}

/** Settings that cannot be read, or say nothing of a tunnel: the usual name. What bears it without our mark stays. */
async function interfaceName(flags: Pick<LabmanFlags, 'config'>): Promise<string> {
  try {
    return (await settingsOf(flags))?.tunnel?.interfaceName ?? usualName;
  } catch (error) {
    if (!(error instanceof Error && 'exitCode' in error)) throw error;
    return usualName;
  }
}

function removeSocket(path: string): string[] {
  if (!existsSync(path) || !statSync(path).isSocket()) return [];
  rmSync(path);
  return [`socket ${path}`];
}

export const post: Verb = async ({ flags, print }) => {
  const { socket } = flags;
  if (existsSync(socket) && (await isAnswered(socket))) {
    throw new LabmandError(`labmand runs (it answers at ${socket}); stop it first`, 6);
  }
  const name = await interfaceName(flags);
  const removed = [...removeLeftovers({ name, alias: deviceAlias }), ...removeSocket(socket)];
  if (flags.json) print(json({ removed }));
  else print(removed.length === 0 ? 'nothing was left\n' : `removed: ${removed.join(', ')}\n`);
  return 0;
};
