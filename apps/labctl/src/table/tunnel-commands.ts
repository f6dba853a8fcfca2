import type { CommandEntry } from '../command.ts';
import { anyCommand as any } from './any-command.ts';
import { tunnelClientCommands } from './tunnel/tunnel-client-commands.ts';

/** The tunnel between sites as labd and its hub see it, and the keys of its peers. */
export const tunnelCommands: readonly CommandEntry[] = [
  {
    name: 'tunnel status',
    summary: 'show the hub, and who is post-quantum now',
    load: async () => any((await import('../commands/tunnel/tunnel-status.ts')).tunnelStatus),
  },
  {
    name: 'tunnel peers',
    summary: 'list the peers of the hub',
    load: async () => any((await import('../commands/tunnel/tunnel-peers.ts')).tunnelPeers),
  },
  {
    name: 'tunnel show',
    summary: 'show one peer',
    load: async () => any((await import('../commands/tunnel/tunnel-show.ts')).tunnelShow),
  },
  {
    name: 'tunnel exchange',
    summary: 'exchange a key now',
    load: async () => any((await import('../commands/tunnel/tunnel-exchange.ts')).tunnelExchange),
  },
  {
    name: 'tunnel cut',
    summary: 'end a session until the next exchange',
    load: async () => any((await import('../commands/tunnel/tunnel-cut.ts')).tunnelCut),
  },
  {
    name: 'tunnel trust',
    summary: 'let a node come back with another key',
    load: async () => any((await import('../commands/tunnel/tunnel-trust.ts')).tunnelTrust),
  },
  {
    name: 'tunnel rotate',
    summary: 'change the hub’s Rosenpass key',
    load: async () => any((await import('../commands/tunnel/tunnel-rotate.ts')).tunnelRotate),
  },
  {
    name: 'tunnel set',
    summary: 'make a peer strict or permissive',
    load: async () => any((await import('../commands/tunnel/tunnel-set.ts')).tunnelSet),
  },
  {
    name: 'tunnel fingerprint',
    summary: 'print the hub’s fingerprint, or a key file’s',
    load: async () => any((await import('../commands/tunnel/tunnel-fingerprint.ts')).tunnelFingerprint),
  },
  ...tunnelClientCommands,
];
