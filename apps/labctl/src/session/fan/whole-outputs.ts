/** Output of each server in one piece: under a heading, folded where servers say the same, or as one JSON document. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { safeText } from '../../terminal/safe-text.ts';
import { exitWord } from '../exit-status.ts';
import { type FanOutput, textBytes, type Write } from './fan-output.ts';
import type { TargetResult } from './fan-result.ts';
import { Spool } from './spool.ts';

/** A folder for the spools of one run, made for the first that needs it. */
class SpoolFolder implements AsyncDisposable {
  #path: Promise<string> | undefined;
  #made = 0;

  spool(): Spool {
    return new Spool(() => (this.#path ??= mkdtemp(join(tmpdir(), 'labctl-spool-'))), String(this.#made++));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#path !== undefined) await rm(await this.#path, { recursive: true, force: true });
  }
}

/** What all of them share: a spool for each server, shown one at a time. */
abstract class WholeOutput implements FanOutput {
  readonly #folder = new SpoolFolder();
  readonly #spools = new Map<string, Spool>();
  #turn: Promise<void> = Promise.resolve();

  data(server: string, stream: 1 | 2, bytes: Uint8Array): Promise<void> {
    return this.#spool(server).append(stream, bytes);
  }

  #spool(server: string): Spool {
    let spool = this.#spools.get(server);
    if (spool === undefined) this.#spools.set(server, (spool = this.#folder.spool()));
    return spool;
  }

  done(result: TargetResult): Promise<void> {
    const spool = this.#spool(result.server);
    this.#spools.delete(result.server);
    const shown = this.#turn.then(() => this.take(result, spool));
    this.#turn = shown.catch(() => {});
    return shown;
  }

  async finish(): Promise<void> {
    await this.#turn;
    try {
      await this.end();
    } finally {
      await this.#folder[Symbol.asyncDispose]();
    }
  }

  /** The spool is the taker's to dispose. */
  protected abstract take(result: TargetResult, spool: Spool): Promise<void>;
  protected abstract end(): Promise<void>;
}

const stateText = ({ state, exit, why }: TargetResult): string =>
  exit === undefined || state === 'ok' ? (why ?? state) : exitWord(exit);

/** Pieces as they came, each stream ended by an end of line. */
async function copyOut(spool: Spool, write: Write): Promise<void> {
  const last = { 1: 0x0a, 2: 0x0a };
  for await (const { stream, bytes } of spool.read()) {
    await write(stream, bytes);
    last[stream] = bytes.at(-1) ?? last[stream];
  }
  for (const stream of [1, 2] as const) if (last[stream] !== 0x0a) await write(stream, textBytes('\n'));
}

/** `=== web-1: ok`, and the output below it. */
export class GroupOutput extends WholeOutput {
  readonly #write: Write;
  constructor(write: Write) {
    super();
    this.#write = write;
  }

  protected async take(result: TargetResult, spool: Spool): Promise<void> {
    await using _ = spool;
    if (result.state === 'not-started') return;
    await this.#write(1, textBytes(`=== ${safeText(`${result.server}: ${stateText(result)}`)}\n`));
    await copyOut(spool, this.#write);
  }
  protected async end(): Promise<void> {}
}

type Fold = { servers: string[]; state: string; spool: Spool };

/** Servers that ended alike and said the same stand over one copy of it; the largest group first (`--fold`). */
export class FoldOutput extends WholeOutput {
  readonly #write: Write;
  readonly #folds = new Map<string, Fold>();
  constructor(write: Write) {
    super();
    this.#write = write;
  }

  protected async take(result: TargetResult, spool: Spool): Promise<void> {
    const state = stateText(result);
    const key = `${state}\n${spool.sum()}`;
    const same = this.#folds.get(key);
    if (same === undefined && result.state !== 'not-started') {
      this.#folds.set(key, { servers: [result.server], state, spool });
      return;
    }
    same?.servers.push(result.server);
    await spool[Symbol.asyncDispose]();
  }

  protected async end(): Promise<void> {
    const folds = [...this.#folds.values()].toSorted((a, b) => b.servers.length - a.servers.length);
    for (const { servers, state, spool } of folds) {
      await using _ = spool;
      const count = servers.length === 1 ? '' : ` (${servers.length} servers)`;
      const names = servers.toSorted().join(', ');
      await this.#write(1, textBytes(`=== ${safeText(`${names}${count}: ${state}`)}\n`));
      await copyOut(spool, this.#write);
    }
  }
}

/** `{"job", "results": [{"server","state","session","exit","stdout","stderr"}, …]}`, written as it comes. */
export class JsonOutput extends WholeOutput {
  readonly #write: Write;
  readonly #job: string;
  #count = 0;
  constructor(write: Write, job: string) {
    super();
    this.#write = write;
    this.#job = job;
  }

  protected async take(result: TargetResult, spool: Spool): Promise<void> {
    await using _ = spool;
    const head = this.#count++ === 0 ? `{"job":${JSON.stringify(this.#job)},"results":[\n` : ',\n';
    await this.#say(`${head}${JSON.stringify(result).slice(0, -1)},"stdout":"`);
    await this.#text(spool, 1);
    await this.#say('","stderr":"');
    await this.#text(spool, 2);
    await this.#say('"}');
  }

  /** One stream as the inside of a JSON string; a character may be split over two pieces. */
  async #text(spool: Spool, wanted: 1 | 2): Promise<void> {
    const decoder = new TextDecoder('utf-8', { ignoreBOM: true });
    const escaped = (text: string) => this.#say(JSON.stringify(text).slice(1, -1));
    for await (const { stream, bytes } of spool.read()) {
      if (stream === wanted) await escaped(decoder.decode(bytes, { stream: true }));
    }
    await escaped(decoder.decode());
  }

  async #say(text: string): Promise<void> {
    if (text !== '') await this.#write(1, textBytes(text));
  }

  protected async end(): Promise<void> {
    await this.#say(this.#count === 0 ? `{"job":${JSON.stringify(this.#job)},"results":[]}\n` : '\n]}\n');
  }
}
