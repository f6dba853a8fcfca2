/** Keys and configuration files of the other program, read here; ours, read there. */
import { readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { convertSecretKey } from '@labmesh/rosenpass/formats/convert-secret-key';
import { parseRosenpassToml, type RosenpassConfig, rosenpassToml } from '@labmesh/rosenpass/formats/rosenpass-toml';
import { secretKeyBytes } from '@labmesh/rosenpass/mceliece/secret-key';
import { rosenpassPublicKeyBytes } from '@labmesh/wire/tunnel';
import { type Bench, random } from './make-bench.ts';
import { RunningEnd } from './running-end.ts';
import { exchangeArguments, makeSides, startOurs, startTheirs } from './sides.ts';

/** Until the program has said why a key is of no use. */
const faultMs = 10_000;
/** Without the time and the folder. */
const plain = (line: string, folder: string) =>
  line
    .replace(/^time=\S+ |^\[\S+ /, '')
    .replaceAll(`${folder}/`, '')
    .replace(']', ':');
const sizeOf = (path: string) => statSync(path).size;

/** Lengths of their pair, and of ours as written for them. */
export function checkKeys({ transcript, pairs, program }: Bench): void {
  const { theirs, ours, oursExported } = pairs;
  const wanted = secretKeyBytes[program.layout];
  const sizes = `public ${sizeOf(theirs.publicKey)}, secret ${sizeOf(theirs.secretKey)} bytes`;
  const isRight = sizeOf(theirs.publicKey) === rosenpassPublicKeyBytes && sizeOf(theirs.secretKey) === wanted;
  transcript.check(isRight, 'keys made there', sizes);
  const exported = sizeOf(oursExported.secretKey);
  transcript.check(exported === wanted, 'our secret key for them', `${sizeOf(ours.secretKey)} to ${exported} bytes`);
}

/** A secret key of the other layout is of no use to the program: it says so, or never answers. */
export async function checkOtherLayout(bench: Bench): Promise<void> {
  const { transcript, folder, pairs, program } = bench;
  const other = program.layout === 'pc' ? 'r4' : 'pc';
  const secretKey = join(folder, 'ours-other.sk');
  const converted = convertSecretKey(new Uint8Array(readFileSync(pairs.ours.secretKey)), other, random);
  writeFileSync(secretKey, converted, { mode: 0o600 });
  const theirs = { publicKey: pairs.ours.publicKey, secretKey };
  const sides = await makeSides(join(folder, 'other-layout'), { ours: pairs.theirs, theirs, begins: 'ours' });
  await using their = startTheirs(program, sides, 'file');
  await using _our = startOurs(sides, { version: 'V02', ciphertext: 'pc188' });
  const isFault = (line: string) => /error|panic/i.test(line);
  await their.until('fault', faultMs, ({ lines }) => lines.some(isFault)).catch(() => undefined);
  const fault = their.lines.find(isFault) ?? 'no word';
  transcript.check(
    their.keys.length === 0,
    `our secret key of ${converted.length} bytes there`,
    `no key: ${plain(fault, folder)}`,
  );
}

/** The example that the program writes. */
export function checkExample({ program, transcript, folder }: Bench): void {
  const path = join(folder, 'example.toml');
  Bun.spawnSync([program.path, 'gen-config', path]);
  const { config, warnings } = parseRosenpassToml('example.toml', readFileSync(path, 'utf8'), '/');
  const [peer] = config.peers;
  const isRight = config.keyPair?.secretKey === 'rp-secret-key' && peer?.keyOut === 'rp-key-out';
  transcript.check(isRight && peer?.endpoint === 'my-peer.test:9999', 'their gen-config read here', 'same settings');
  for (const warning of warnings) transcript.say(`        ${warning}`);
}

/** Our export, judged by the program. */
export function checkExport({ program, transcript, folder }: Bench, config: RosenpassConfig): void {
  const path = join(folder, 'export.toml');
  writeFileSync(path, rosenpassToml(config));
  const { exitCode, stderr } = Bun.spawnSync([program.path, 'validate', path]);
  const said = stderr.toString().trim();
  const isRight = exitCode === 0 && (program.family === 'go-rosenpass' || said.includes('passed all logical checks'));
  transcript.check(isRight, 'our export, validated there', isRight ? 'valid' : plain(said, folder));
}

/** Rosenpass keeps the settings of its command line in a file; the Go program has no such thing. */
export async function checkSaved({ program, transcript, folder }: Bench, config: RosenpassConfig): Promise<void> {
  if (program.family !== 'rosenpass') return;
  const path = join(folder, 'saved.toml');
  await using end = new RunningEnd([program.path, 'exchange', '--config-file', path, ...exchangeArguments(config)]);
  for (let tries = 0; tries < 50 && !(await Bun.file(path).exists()); tries++) await Bun.sleep(100);
  await Bun.sleep(100);
  const { config: read, warnings } = parseRosenpassToml('saved.toml', readFileSync(path, 'utf8'), '/');
  transcript.check(
    end.isRunning && Bun.deepEquals(read, config),
    'their `exchange -c` file read here',
    'same settings',
  );
  for (const warning of warnings) transcript.say(`        ${warning}`);
}
