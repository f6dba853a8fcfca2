import type { Hello } from '@labmesh/wire/frame/messages';
import { uuidv7 } from '@labmesh/wire/ids';
import { productVersion } from '../product-version.ts';

/** What one client says of itself on each of its sockets. */
export const clientHello = (): Hello => ({
  protocols: [1],
  kind: 'client',
  serverId: '',
  instanceId: uuidv7(),
  bootId: '',
  version: productVersion,
  os: process.platform,
  arch: process.arch,
  capabilities: [],
  factsDigest: '',
  bundle: '',
  sessions: [],
});
