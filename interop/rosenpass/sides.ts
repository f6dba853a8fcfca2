/** What a side of an exchange needs on disk, and how either program is started with it. */
import { chmodSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type RosenpassConfig, rosenpassToml } from '@labmesh/rosenpass/formats/rosenpass-toml';
import type { Line, Side } from './line.ts';
import type { Dialect } from './our-end.ts';
import type { Program } from './programs.ts';
import { RunningEnd } from './running-end.ts';

/** Paths of a pair. */
export type Pair = { publicKey: string; secretKey: string };

export const pairIn = (folder: string, name: string): Pair => ({
  publicKey: join(folder, `${name}.pk`),
  secretKey: join(folder, `${name}.sk`),
});

/** Lets the program make a pair. Rosenpass writes the secret key readable for all, which ours refuses. */
export function generateThere({ path, name }: Program, pair: Pair): void {
  const { exitCode, stderr } = Bun.spawnSync([path, 'gen-keys', '-p', pair.publicKey, '-s', pair.secretKey]);
  if (exitCode !== 0) throw new Error(`${name} gen-keys: ${stderr.toString()}`);
  chmodSync(pair.secretKey, 0o600);
}

/** A UDP port of loopback that was free a moment ago. */
async function freePort(): Promise<number> {
  const socket = await Bun.udpSocket({ hostname: '127.0.0.1' });
  const { port } = socket;
  socket.close();
  return port;
}

/** The same settings as the command line of `exchange` says them. */
export function exchangeArguments({ keyPair, listen, peers }: RosenpassConfig): string[] {
  const named = (name: string, value: string | undefined) => (value === undefined ? [] : [name, value]);
  return [
    ...named('public-key', keyPair?.publicKey),
    ...named('secret-key', keyPair?.secretKey),
    ...listen.flatMap((address) => ['listen', address]),
    'verbose',
    ...peers.flatMap(({ publicKey, endpoint, presharedKey, keyOut }) => [
      'peer',
      ...named('public-key', publicKey),
      ...named('endpoint', endpoint),
      ...named('preshared-key', presharedKey),
      ...named('outfile', keyOut),
    ]),
  ];
}

/** Both sides of one exchange, each in a folder of its own. */
export type Sides = { ours: RosenpassConfig; theirs: RosenpassConfig; folder: string };

export type SidesOptions = {
  ours: Pair;
  theirs: Pair;
  begins: Side | 'both';
  /** Base64 of 32 bytes for each side, usually the same. */
  presharedKeys?: Record<Side, string> | undefined;
  /** What stands between the two: from the ports where they listen to those that they dial. */
  between?: Line['between'] | undefined;
};

/** The side that begins names no address to listen on when it is ours: a node dials. */
export async function makeSides(folder: string, options: SidesOptions): Promise<Sides> {
  mkdirSync(folder, { recursive: true });
  const { begins, between } = options;
  const listening = { ours: await freePort(), theirs: await freePort() };
  const dialled = (await between?.(listening)) ?? { ours: listening.theirs, theirs: listening.ours };
  const side = (name: Side): RosenpassConfig => {
    const other = name === 'ours' ? options.theirs : options.ours;
    const presharedKey = options.presharedKeys && join(folder, `${name}.psk`);
    if (presharedKey !== undefined) {
      writeFileSync(presharedKey, options.presharedKeys?.[name] ?? '', { mode: 0o600 });
    }
    return {
      keyPair: options[name],
      listen: name === 'ours' && begins === 'ours' ? [] : [`127.0.0.1:${listening[name]}`],
      verbosity: 'Verbose',
      peers: [
        {
          publicKey: other.publicKey,
          ...((begins === name || begins === 'both') && { endpoint: `127.0.0.1:${dialled[name]}` }),
          ...(presharedKey !== undefined && { presharedKey }),
          keyOut: join(folder, `${name}.key`),
          protocolVersion: 'V02',
        },
      ],
    };
  };
  return { ours: side('ours'), theirs: side('theirs'), folder };
}

function writeToml(folder: string, name: string, config: RosenpassConfig): string {
  const path = join(folder, `${name}.toml`);
  writeFileSync(path, rosenpassToml(config));
  return path;
}

/** Starts our end from the file that it would take from Rosenpass. */
export function startOurs({ ours, folder }: Sides, { version, ciphertext }: Dialect): RunningEnd {
  const file = writeToml(folder, 'ours', ours);
  const program = [process.execPath, join(import.meta.dir, 'peer.ts')];
  return new RunningEnd([...program, file, '--version', version, '--ciphertext', ciphertext]);
}

/** Starts theirs from the file that we export, or with the same settings on its command line. */
export function startTheirs({ path }: Program, { theirs, folder }: Sides, how: 'file' | 'arguments'): RunningEnd {
  if (how === 'arguments') return new RunningEnd([path, 'exchange', ...exchangeArguments(theirs)]);
  return new RunningEnd([path, 'exchange-config', writeToml(folder, 'theirs', theirs)]);
}
