/**
 * Whether an engine honours sampling seeds (AR2). No engine says so, and the answers of a run, which all have seeds of
 * their own, cannot show it: so an engine is asked the same thing twice with one seed and, if that gave one answer, once
 * more with another. Once an engine, as the gateway marks it: endpoint, kind, version and model.
 *
 *     one seed, two answers            → false  (ignored, or undone by batching: nothing can be replayed either way)
 *     one seed, one; another, another  → true   (evidence, not proof: two equal draws by chance are not ruled out)
 *     the same every time              → null   (nothing was drawn that a seed could have changed)
 *     no answer, or of another engine  → null, and asked again later
 */
import type { Clock } from '@labmesh/kit/clock';
import type { Store } from '@labmesh/store/store';
import { ApiError } from '@labmesh/wire/errors';
import { system } from '@labmesh/wire/fleet/principal';
import type { ChatCompletionRequest } from '@labmesh/wire/openai';
import { isOwnEngine } from '@labmesh/wire/verification/arena-run';
import type { Generate, Generation } from '../contract/generate.ts';
import { putEngine, readEngine } from '../rows/engine-rows.ts';

export type SeedFinding = {
  replayable: boolean | null;
  /** Of the calls that found it; 0 for whoever was told what was known. */
  tokensIn: number;
  tokensOut: number;
};

export type SeedProbesParts = { generate: Generate; clock: Clock; store: Store };

type Payer = { tenant: string; key: string; model: string; engine: string };
type Known = { replayable: boolean | null; until: number };

const worker = system('arena-seeds');
/** Engines that are remembered without asking the store; the oldest goes first. */
const enginesMost = 256;
/** An engine that is started with other flags keeps its mark: after a week it is looked at anew. */
const foundMs = 7 * 86_400_000;
/** What could not be found out: an engine that was busy is idle later. */
const unknownMs = 600_000;
const probeMs = 10_000;

/** Many answers are as good as any other here, and a high temperature makes two equal draws rarer still. */
const prompt = 'Random letters, nothing else:';
const temperature = 2;
/** Three answers of it are 15 tokens. */
const answerTokens = 5;
const seeds = { same: 1_618_033_988, other: 271_828_182 } as const;

/** Engines of one's own cut unlikely tokens off unless told; some paid ones refuse to be told. */
const uncut = { top_k: 100_000, min_p: 0 };

const probeRequest = ({ model, engine }: Payer, seed: number): ChatCompletionRequest => ({
  ...(isOwnEngine(engine) && uncut),
  model,
  messages: [{ role: 'user', content: prompt }],
  max_tokens: answerTokens,
  temperature,
  top_p: 1,
  seed,
});

/** Who pays was refused, for want of budget, right or patience: another is perhaps not. */
const isPayers = (error: unknown) => error instanceof ApiError && [401, 402, 403, 429].includes(error.status);

export class SeedProbes implements AsyncDisposable {
  readonly #parts: SeedProbesParts;
  readonly #known = new Map<string, Known>();
  readonly #open = new Map<string, Promise<boolean | null>>();
  readonly #stop = new AbortController();

  constructor(parts: SeedProbesParts) {
    this.#parts = parts;
  }

  /** What is known already; undefined = nothing. For runs that may not spend anything on it. @throws FleetError: no store */
  async known(engine: string): Promise<boolean | null | undefined> {
    const { clock, store } = this.#parts;
    const known = this.#known.get(engine);
    if (known !== undefined && known.until > clock.now()) return known.replayable;
    const found = await store.read(worker, (db) => readEngine(db, engine, clock.wall() - foundMs));
    if (found !== undefined) this.#keep(engine, found);
    return found;
  }

  /**
   * Up to three calls of 5 tokens, 10 s, paid by who asks first. An engine that fails tells nothing. It goes on when nobody
   * waits for it any more: the next to ask is told.
   * @throws FleetError when the store is away
   */
  async find(payer: Payer): Promise<SeedFinding> {
    const { engine } = payer;
    const free = { tokensIn: 0, tokensOut: 0 };
    const open = this.#open.get(engine);
    if (open !== undefined) return { replayable: await open, ...free };
    const answers: Generation[] = [];
    const found = this.#find(payer, answers).finally(() => this.#open.delete(engine));
    this.#open.set(engine, found);
    return {
      replayable: await found,
      tokensIn: answers.reduce((sum, { usage }) => sum + usage.prompt_tokens, 0),
      tokensOut: answers.reduce((sum, { usage }) => sum + (usage.completion_tokens ?? 0), 0),
    };
  }

  /** @param answers takes each as it comes, since it is paid even when the next fails */
  async #find(payer: Payer, answers: Generation[]): Promise<boolean | null> {
    const { clock, store } = this.#parts;
    const { engine } = payer;
    const known = await this.known(engine);
    if (known !== undefined) return known;
    let ofEngine = true;
    const found = await this.#probe(payer, answers).catch((error: unknown) => {
      // A process that ends, or a payer who may not, tells nothing about the engine.
      ofEngine = !this.#stop.signal.aborted && !isPayers(error);
      return undefined;
    });
    if (ofEngine) this.#keep(engine, found ?? null);
    if (found === undefined) return null;
    const at = clock.wall();
    await store.write(worker, (tx) => putEngine(tx, { engine, replayable: found, at }, at - foundMs));
    return found;
  }

  /** Rejects when an answer does not come, or is another engine's. */
  async #probe(payer: Payer, answers: Generation[]): Promise<boolean | null> {
    const { tenant, key, engine } = payer;
    const ends = AbortSignal.any([this.#stop.signal, AbortSignal.timeout(probeMs)]);
    const ask = async (seed: number) => {
      const request = probeRequest(payer, seed);
      const answer = await this.#parts.generate({ tenant, key, engine, request, signal: ends });
      answers.push(answer);
      if (answer.engine !== engine) throw new Error('another engine answered');
      return answer.opening ?? '';
    };
    // One after the other: side by side they would share a batch, whose rounding alone can part them.
    const [first, second] = [await ask(seeds.same), await ask(seeds.same)];
    if (first !== second) return false;
    return (await ask(seeds.other)) === first ? null : true;
  }

  /** Ends what is being asked. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#stop.abort(new Error('the arena stops'));
    await Promise.allSettled(this.#open.values());
  }

  #keep(engine: string, replayable: boolean | null): void {
    this.#known.delete(engine);
    this.#known.set(engine, { replayable, until: this.#parts.clock.now() + unknownMs });
    const [oldest] = this.#known.keys();
    if (this.#known.size > enginesMost && oldest !== undefined) this.#known.delete(oldest);
  }
}
