/**
 * Commands whose every byte and exit code is known before they run: bursts, input to its end, signals, exit codes, each
 * on pipes and on a terminal (acceptance 3). How a case is run is not its business.
 */
import { mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { OwnSignal } from '@labmesh/labctl/session/session-io';

export type TortureCase = {
  name: string;
  tty: boolean;
  shell: string;
  /** What it reads, once it has said `after`. */
  input?: Uint8Array;
  after?: string;
  /** The terminal reads lines: end of input is a key. */
  isCooked?: boolean;
  /** Sent to labctl once the command has said `on`. */
  signal?: OwnSignal;
  expected: { out: Uint8Array; code: number };
  /** Holds the command's pid; nothing of it may be left. */
  pidFile?: string;
};

const burstBytes = 300_000;
const sampleCount = 16;
const encoder = new TextEncoder();

/** What a terminal makes of bytes unless it is told to leave them. */
export function onTerminal(bytes: Uint8Array): Uint8Array {
  return Buffer.from(Buffer.from(bytes).toString('latin1').replaceAll('\n', '\r\n'), 'latin1');
}

type Sample = { path: string; bytes: Uint8Array };

/** Random bytes in files, each of another length, so that sessions that run together cannot stand for each other. */
function makeSamples(folder: string): Sample[] {
  return Array.from({ length: sampleCount }, (_, index) => {
    const bytes = crypto.getRandomValues(new Uint8Array(65_536));
    const whole = new Uint8Array(burstBytes + index * 7);
    for (let at = 0; at < whole.length; at += bytes.length) whole.set(bytes.subarray(0, whole.length - at), at);
    // `~` behind a line is labctl's own key.
    for (let at = 0; at < whole.length; at++) if (whole[at] === 0x7e) whole[at] = 0x2d;
    const path = join(folder, `sample-${index}`);
    writeFileSync(path, whole);
    return { path, bytes: whole };
  });
}

export class TortureCases {
  readonly folder = mkdtempSync(join(tmpdir(), 'labmesh-torture-'));
  readonly #samples = makeSamples(this.folder);
  readonly #lines = encoder.encode(
    Array.from({ length: 200 }, (_, at) => `line ${at} ${'x'.repeat(at % 60)}`).join('\n'),
  );

  #sample(run: number): Sample {
    return this.#samples[run % sampleCount] as Sample;
  }

  /** All at once and gone: the tail must not go with it. On a terminal in turns as it is and raw. */
  burst(run: number, tty: boolean): TortureCase {
    const { path, bytes } = this.#sample(run);
    const [code, isRaw] = [run % 256, run % 2 === 0];
    // Without -echo the terminal may show the key that ends the input.
    const setup = tty && isRaw ? 'stty raw -echo; ' : '';
    const out = tty && !isRaw ? onTerminal(bytes) : bytes;
    return { name: 'burst', tty, shell: `${setup}cat ${path}; exit ${code}`, expected: { out, code } };
  }

  /** Everything that is typed or piped in comes back, and its end is an end. */
  eof(run: number, tty: boolean): TortureCase {
    const code = run % 256;
    const { bytes } = this.#sample(run);
    if (!tty) return { name: 'eof', tty, shell: `cat; exit ${code}`, input: bytes, expected: { out: bytes, code } };
    const after = 'ready';
    const isCooked = run % 2 === 1;
    const input = isCooked ? this.#lines : bytes;
    const out = Buffer.concat([encoder.encode(after), isCooked ? onTerminal(input) : input]);
    const read = isCooked ? 'stty -echo; printf ready; cat' : `stty raw -echo; printf ready; head -c ${input.length}`;
    return { name: 'eof', tty, shell: `${read}; exit ${code}`, input, after, isCooked, expected: { out, code } };
  }

  /** In turns: the command ends itself by TERM; labctl is sent TERM; the command gets an INT that labctl was sent. */
  term(run: number, tty: boolean): TortureCase {
    const name = 'term';
    const on = (more = '') => encoder.encode(`on${more}`);
    if (run % 3 === 0)
      return { name, tty, shell: 'printf on; kill -TERM $$; sleep 9', expected: { out: on(), code: 143 } };
    if (run % 3 === 1) {
      const pidFile = join(this.folder, `pid-${run}-${tty}`);
      const shell = `echo $$ > ${pidFile}; printf on; exec sleep 60`;
      return { name, tty, shell, signal: 'TERM', pidFile, expected: { out: on(), code: 143 } };
    }
    const shell = `trap 'printf int; exit 7' INT; printf on; while :; do sleep 0.02; done`;
    return { name, tty, shell, signal: 'INT', expected: { out: on('int'), code: 7 } };
  }

  exit(run: number, tty: boolean): TortureCase {
    const out = encoder.encode(tty ? 'o\r\n' : 'o\n');
    return { name: 'exit', tty, shell: `echo o; exit ${run % 256}`, expected: { out, code: run % 256 } };
  }
}

/** What is wrong, in a few words; undefined when nothing is. */
export function faultOf(one: TortureCase, run: number, got: { out: Uint8Array; code: number }): string | undefined {
  const { out, code } = one.expected;
  const sum = (bytes: Uint8Array) => new Bun.CryptoHasher('sha256').update(bytes).digest('hex');
  const where = `${one.name} ${run} on ${one.tty ? 'a terminal' : 'pipes'}`;
  if (got.code !== code) return `${where}: exit ${got.code}, not ${code}`;
  if (sum(got.out) === sum(out)) return undefined;
  const first = got.out.findIndex((byte, at) => byte !== out[at]);
  return `${where}: ${got.out.length} bytes, not ${out.length}; they differ from ${first < 0 ? got.out.length : first}`;
}
