import { release } from 'node:os';
import type { Hello } from '@labmesh/wire/frame/messages';
import { uuidv7 } from '@labmesh/wire/ids';
import { bootId } from '../facts/machine-id.ts';
import { MachineFiles } from '../facts/machine-files.ts';
import { agentArch } from '../version.ts';

/** New with each start of the process. */
const instanceId = uuidv7();

/** What an agent says of itself in HELLO (HB-3). */
export const greeting = (
  version: string,
  factsDigest: string,
  sessions: string[],
): Omit<Hello, 'bundle' | 'serverId'> => ({
  protocols: [1],
  kind: 'agent',
  instanceId,
  bootId: bootId(new MachineFiles()),
  version,
  os: `linux ${release()}`.slice(0, 64),
  arch: agentArch,
  capabilities: ['exec', 'attach', 'copy', 'forward', 'logs', 'facts'],
  factsDigest,
  sessions,
});
