import { createHash } from 'node:crypto';
import { decapsulate, prepareSecretKey } from '@labmesh/rosenpass/mceliece/decapsulate';
import { encapsulate } from '@labmesh/rosenpass/mceliece/encapsulate';
import { generateKeyPair } from '@labmesh/rosenpass/mceliece/generate/generate-key-pair';
import { median } from '../percentile.ts';

/**
 * CPU milliseconds per call. U = one SHAKE256 over a public key by node:crypto: the measure of the machine; `_u` = that
 * many U.
 */
export type McelieceFigures = {
  shake_u_ms: number;
  generate_ms: number;
  generate_u: number;
  encaps_ms: number;
  encaps_u: number;
  prepare_ms: number;
  decaps_ms: number;
  decaps_u: number;
};

const rounds = 5;
/** Calls in a row; a key takes 3.4 candidates on average, but seldom two in a row the same number. */
const calls = { shake: 50, generate: 5, encaps: 200, prepare: 20, decaps: 50 } as const;

type Name = keyof typeof calls;

const random = (bytes: number) => crypto.getRandomValues(new Uint8Array(bytes));

/** CPU milliseconds of the process, user and system, per call of `work`. */
function cpuMs(work: () => void, count: number): number {
  const before = process.cpuUsage();
  for (let call = 0; call < count; call++) work();
  const { user, system } = process.cpuUsage(before);
  return (user + system) / 1000 / count;
}

/** Classic McEliece as the handshake uses it (pc188): medians of 5 alternating rounds after a warm-up. About 10 s. */
export function measureMceliece(): McelieceFigures {
  const { publicKey, secretKey } = generateKeyPair(random, 'pc');
  const prepared = prepareSecretKey(secretKey);
  const { ciphertext } = encapsulate(publicKey, 'pc188', random);
  const works: Readonly<Record<Name, () => void>> = {
    shake: () => void createHash('shake256', { outputLength: 32 }).update(publicKey).digest(),
    generate: () => void generateKeyPair(random, 'pc'),
    encaps: () => void encapsulate(publicKey, 'pc188', random),
    prepare: () => prepareSecretKey(secretKey)[Symbol.dispose](),
    decaps: () => void decapsulate(prepared, ciphertext),
  };
  const names = Object.keys(works) as Name[];
  for (const name of names) cpuMs(works[name], calls[name]);
  const runs = Array.from({ length: rounds }, () => names.map((name) => cpuMs(works[name], calls[name])));
  const of = (name: Name) => median(runs.map((run) => run[names.indexOf(name)] ?? Number.NaN));
  const inU = (name: Name) =>
    median(runs.map((run) => (run[names.indexOf(name)] ?? Number.NaN) / (run[0] ?? Number.NaN)));
  return {
    shake_u_ms: of('shake'),
    generate_ms: of('generate'),
    generate_u: inU('generate'),
    encaps_ms: of('encaps'),
    encaps_u: inU('encaps'),
    prepare_ms: of('prepare'),
    decaps_ms: of('decaps'),
    decaps_u: inU('decaps'),
  };
}
