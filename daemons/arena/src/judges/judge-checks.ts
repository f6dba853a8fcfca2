/**
 * Runs the injection corpus against models that judge (verification AR13), one at a time for a tenant, and keeps what came
 * out: a judge that was found unfit is warned of in each run that it judges. A check is paid by who asked for it. What was
 * found with other instructions or another corpus says nothing any more.
 */
import { readPrivateFile, writePrivateFile } from '@labmesh/kit/saved-file';
import { sha256Hex } from '@labmesh/attest/sha256';
import type { Clock } from '@labmesh/kit/clock';
import type { Logger } from '@labmesh/kit/log';
import { parseJson } from '@labmesh/kit/parse-json';
import { type JudgeCheckView, judgeCheckSchema } from '@labmesh/wire/verification/judge-views';
import { z } from 'zod';
import type { Judge } from '../contract/judge.ts';
import { checkInjection } from './check-injection.ts';
import { injectionCases } from './injection-corpus.ts';
import { instructionsSha256, usualInstructions } from './judge-prompt.ts';

export type JudgeChecksParts = {
  /** JSON, of its owner alone. */
  file: string;
  clock: Clock;
  log: Logger;
  /** A model as judge, told the usual unless told otherwise; `tenant` and `key` are who pays. */
  judge: (payer: { tenant: string; key: string }, model: string, instructions?: string) => Judge;
};

/** Checks that are kept, of one tenant and in all, the oldest of whoever has most out first; and that run at once. */
const [tenantMost, keptMost, runningMost] = [50, 1_000, 4];

const keptSchema = z.object({ tenant: z.string(), prompt: z.string(), corpus: z.string(), check: judgeCheckSchema });
type Kept = z.infer<typeof keptSchema>;
const fileSchema = z.object({ version: z.literal(1), kept: z.array(keptSchema).max(keptMost) });

const corpus = sha256Hex(new TextEncoder().encode(JSON.stringify(injectionCases)));
const usual = instructionsSha256(usualInstructions);
const keyOf = (tenant: string, model: string) => JSON.stringify([tenant, model]);

/** `why` for the caller: a check runs already, or too many do. */
export type Started = { check: JudgeCheckView } | { why: string };

export class JudgeChecks implements AsyncDisposable {
  readonly #parts: JudgeChecksParts;
  readonly #kept = new Map<string, Kept>();
  /** By tenant; what was known before holds until one ends. */
  readonly #running = new Map<string, { kept: Kept; ended: Promise<void> }>();
  readonly #stop = new AbortController();

  constructor(parts: JudgeChecksParts) {
    this.#parts = parts;
    for (const one of this.#read()) this.#kept.set(keyOf(one.tenant, one.check.model), one);
  }

  #read(): Kept[] {
    const text = readPrivateFile(this.#parts.file);
    if (text === undefined) return [];
    const read = fileSchema.safeParse(parseJson(text));
    if (read.success) return read.data.kept.filter((one) => one.corpus === corpus);
    this.#parts.log.warn('what was known of judges cannot be read, and is begun anew');
    return [];
  }

  /** Of one tenant, by model; `promptOf`: digest of what a model is told now. */
  list(tenant: string, promptOf: (model: string) => string = () => usual): JudgeCheckView[] {
    const running = this.#running.get(tenant)?.kept;
    const ended = [...this.#kept.values()].filter((one) => one.tenant === tenant);
    const own = [...ended.filter(({ check }) => check.model !== running?.check.model), ...(running ? [running] : [])];
    return own.filter(({ check, prompt }) => prompt === promptOf(check.model)).map(({ check }) => check);
  }

  isUnfit(tenant: string, model: string, prompt = usual): boolean {
    const kept = this.#kept.get(keyOf(tenant, model));
    return kept?.prompt === prompt && kept.check.state === 'unfit';
  }

  /** Begins one; what comes of it stands in the list. */
  start(payer: { tenant: string; key: string }, model: string, instructions?: string): Started {
    const { tenant } = payer;
    if (this.#running.has(tenant)) return { why: 'a judge is being checked already' };
    if (this.#running.size >= runningMost) return { why: `${runningMost} judges are being checked; try again later` };
    const judge = this.#parts.judge(payer, model, instructions);
    const check: JudgeCheckView = {
      model,
      state: 'running',
      calls: 0,
      decided: 0,
      cases: injectionCases.length,
      rate: null,
      flipped: [],
      voided: 0,
      reason: null,
      startedAt: this.#now(),
      endedAt: null,
    };
    const key = keyOf(tenant, model);
    const kept: Kept = { tenant, prompt: judge.promptSha256 ?? usual, corpus, check };
    const ended = this.#run(judge, kept).then((one) => {
      this.#running.delete(tenant);
      const before = this.#kept.get(key);
      // Neither a stop nor a fault of the way, nor a check that found nothing, says anything against what was known.
      const nothing = one.check.state === 'failed' || one.check.state === 'unknown';
      this.#keep(key, nothing && before?.prompt === one.prompt ? before : one);
    });
    this.#running.set(tenant, { kept, ended });
    return { check };
  }

  #now = () => new Date(this.#parts.clock.wall()).toISOString();

  async #run(judge: Judge, kept: Kept): Promise<Kept> {
    const { check } = kept;
    const ended = (more: Partial<JudgeCheckView>): Kept => ({
      ...kept,
      check: { ...check, ...more, endedAt: this.#now() },
    });
    try {
      const { voided, cases: _, ...report } = await checkInjection(judge, this.#stop.signal, () => void check.calls++);
      return ended({ ...report, voided: voided.length });
    } catch (error) {
      const { code } = error as { code?: unknown };
      this.#parts.log.warn('a judge was not checked to the end', { model: check.model, error });
      return ended({ state: 'failed', reason: typeof code === 'string' ? code : 'it was ended' });
    }
  }

  #keep(key: string, one: Kept): void {
    this.#kept.delete(key);
    this.#kept.set(key, one);
    this.#dropOldest(one.tenant, tenantMost);
    if (this.#kept.size > keptMost) this.#dropOldest(this.#largest(), 0, 1);
    const kept = [...this.#kept.values()];
    try {
      writePrivateFile(this.#parts.file, JSON.stringify({ version: 1, kept }));
    } catch (error) {
      this.#parts.log.error('what was found of a judge is not kept', { error });
    }
  }

  /** Of a tenant, past `most` of them; so no tenant's checks push out another's. */
  #dropOldest(tenant: string, most: number, count = Infinity): void {
    const own = [...this.#kept].filter(([, kept]) => kept.tenant === tenant).map(([key]) => key);
    for (const key of own.slice(0, Math.min(count, Math.max(0, own.length - most)))) this.#kept.delete(key);
  }

  #largest(): string {
    const counts = Map.groupBy(this.#kept.values(), ({ tenant }) => tenant);
    return [...counts].reduce((most, one) => (one[1].length > most[1].length ? one : most))[0];
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stop.abort(new Error('the arena ends'));
    await Promise.all([...this.#running.values()].map(({ ended }) => ended));
  }
}
