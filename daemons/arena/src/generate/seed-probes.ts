/**
 * Whether an engine honours sampling seeds (AR2). No engine says so, and the answers of a run, which all have seeds of
 * their own, cannot show it: so a model is asked the same thing twice with one seed and, if that gave one answer, once
 * more with another.
 *
 *     one seed, two answers            → false  (ignored, or undone by batching: nothing can be replayed either way)
 *     one seed, one; another, another  → true   (evidence, not proof: two equal draws by chance are not ruled out)
 *     the same every time, or no answer → null  (not known: nothing was drawn that a seed could have changed)
 */
import type { Clock } from '@labmesh/kit/clock';
import type { ChatCompletionRequest } from '@labmesh/wire/openai';
import type { Generate, Generation } from '../contract/generate.ts';

export type SeedFinding = {
  replayable: boolean | null;
  /** Of the calls that found it; 0 for whoever was told what was known. */
  tokensIn: number;
  tokensOut: number;
};

type Payer = { tenant: string; key: string; model: string; signal: AbortSignal };
type Known = { replayable: boolean | null; until: number };

/** Models of tenants that are remembered; the oldest goes first. A name may mean another engine to another tenant. */
const modelsMost = 256;
/** An engine may be put in another's place under the same name. */
const knownMs = 3_600_000;
/** A refusal may be one tenant's, and an engine that was busy is idle soon. */
const unknownMs = 60_000;
const probeMs = 10_000;

/** Many answers are as good as any other here, so that two draws are hardly ever equal; short, as engines are slow. */
const prompt = 'Write sixteen random letters.';
const answerTokens = 16;
const seeds = { same: 1_618_033_988, other: 271_828_182 } as const;

const probeRequest = (model: string, seed: number): ChatCompletionRequest => ({
  model,
  messages: [{ role: 'user', content: prompt }],
  max_tokens: answerTokens,
  temperature: 1,
  top_p: 1,
  seed,
});

const placeOf = (tenant: string, model: string) => JSON.stringify([tenant, model]);

const textOf = ({ answer }: Generation) => (typeof answer.content === 'string' ? answer.content : '');

export class SeedProbes {
  readonly #generate: Generate;
  readonly #clock: Clock;
  readonly #known = new Map<string, Known>();
  readonly #open = new Map<string, Promise<boolean | null>>();

  constructor(generate: Generate, clock: Clock) {
    this.#generate = generate;
    this.#clock = clock;
  }

  /** What is known already; undefined = nothing. For runs that may not spend anything on it. */
  known({ tenant, model }: Pick<Payer, 'tenant' | 'model'>): boolean | null | undefined {
    const known = this.#known.get(placeOf(tenant, model));
    return known !== undefined && known.until > this.#clock.now() ? known.replayable : undefined;
  }

  /** Up to three calls of 16 tokens, 10 s, paid by who asks first. Never rejects: an engine that fails tells nothing. */
  async find(payer: Payer): Promise<SeedFinding> {
    const place = placeOf(payer.tenant, payer.model);
    const known = this.known(payer);
    const open = this.#open.get(place);
    if (known !== undefined) return { replayable: known, tokensIn: 0, tokensOut: 0 };
    if (open !== undefined) return { replayable: await open, tokensIn: 0, tokensOut: 0 };
    const answers: Generation[] = [];
    const found = this.#probe(payer, answers).catch(() => null);
    this.#open.set(place, found);
    const replayable = await found;
    this.#open.delete(place);
    this.#keep(place, replayable);
    return {
      replayable,
      tokensIn: answers.reduce((sum, { usage }) => sum + usage.prompt_tokens, 0),
      tokensOut: answers.reduce((sum, { usage }) => sum + (usage.completion_tokens ?? 0), 0),
    };
  }

  /** @param answers takes each as it comes, since it is paid even when the next fails */
  async #probe({ tenant, key, model, signal }: Payer, answers: Generation[]): Promise<boolean | null> {
    const ends = AbortSignal.any([signal, AbortSignal.timeout(probeMs)]);
    const ask = async (seed: number) => {
      const answer = await this.#generate({ tenant, key, request: probeRequest(model, seed), signal: ends });
      answers.push(answer);
      return textOf(answer);
    };
    // One after the other: side by side they would share a batch, whose rounding alone can part them.
    const [first, second] = [await ask(seeds.same), await ask(seeds.same)];
    if (first !== second) return false;
    return (await ask(seeds.other)) === first ? null : true;
  }

  #keep(place: string, replayable: boolean | null): void {
    this.#known.delete(place);
    const until = this.#clock.now() + (replayable === null ? unknownMs : knownMs);
    this.#known.set(place, { replayable, until });
    const [oldest] = this.#known.keys();
    if (this.#known.size > modelsMost && oldest !== undefined) this.#known.delete(oldest);
  }
}
