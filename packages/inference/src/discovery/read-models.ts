import type { Model } from '../registry/endpoint.ts';
import { rootOf, writesVersion } from '../registry/parse-base-url.ts';
import { ask, type Asked } from '../probe/ask.ts';
import type { Answer, Facts, Kind, ListedModel } from '../probe/kind.ts';
import { failureDetail, failureReason, type ProbeFetch } from '../probe/probe-fetch.ts';
import { seenOfStatus, type Seen } from '../probe/seen.ts';

export const listLimits = { timeoutMs: 5_000, bytesMax: 8 * 1024 * 1024, modelsMax: 10_000, idLengthMax: 256 };

export type Listing = {
  models: ReadonlyMap<string, Model>;
  /** Entries left out: a bad id, or past the 10,000th. */
  dropped: number;
  facts: Facts;
  /** The prefix that answered: it serves requests too. */
  prefix: string;
};

export type ModelReading = { type: 'read'; listing: Listing } | { type: 'failed'; seen: Seen };

/** What discovery needs of an endpoint. */
export type Listed = Asked & { spec: { baseUrl: string } };

function usableId(id: unknown): id is string {
  // eslint-disable-next-line no-control-regex
  return (
    typeof id === 'string' &&
    id.isWellFormed() &&
    id !== '' &&
    id.length <= listLimits.idLengthMax &&
    !/[\u0000-\u001f\u007f-\u009f]/.test(id)
  );
}

/** Of one id listed twice, the more careful word counts: the smaller context, and warm when one of them is. */
function merge(a: Model, b: Model): Model {
  const lengths = [a.contextLength, b.contextLength].filter((length) => length !== undefined);
  const merged: Model = { ...b, ...a };
  if (lengths.length > 0) merged.contextLength = Math.min(...lengths);
  if (a.loaded !== undefined || b.loaded !== undefined) merged.loaded = a.loaded === true || b.loaded === true;
  return merged;
}

/** Drops bad ids, merges duplicates, keeps the list within its limit. */
export function cleanModels(entries: readonly ListedModel[]): { models: Map<string, Model>; dropped: number } {
  const models = new Map<string, Model>();
  let dropped = 0;
  for (const entry of entries) {
    const known = usableId(entry.id) ? models.get(entry.id) : undefined;
    if (!usableId(entry.id) || (known === undefined && models.size >= listLimits.modelsMax)) {
      dropped += 1;
      continue;
    }
    const model: Model = { ...entry, id: entry.id };
    models.set(entry.id, known === undefined ? model : merge(known, model));
  }
  return { models, dropped };
}

const absent = (answer: Answer): boolean => answer.status === 404 || answer.status === 405 || answer.status === 501;

type FoundList = { entries: readonly ListedModel[]; prefix: string };

/** The first list that answers in its form; an absent route passes on to the next, any other answer ends it. */
async function findList(fetch: ProbeFetch, asked: Listed, kind: Kind): Promise<FoundList | Seen> {
  let seen: Seen = { type: 'failed', reason: 'invalid', detail: 'no model list' };
  for (const { path, read } of kind.lists) {
    for (const prefix of prefixesFor(asked, path.startsWith('{v1}'))) {
      const at = { spec: asked.spec, target: { ...asked.target, prefix } };
      const answer = await ask(fetch, at, path, listLimits);
      const entries = answer.status === 200 ? read(answer.json) : undefined;
      if (entries !== undefined) return { entries, prefix };
      const status = seenOfStatus(answer.status, answer.text, answer.retryAfterS);
      seen = answer.status === 200 ? { type: 'failed', reason: 'invalid', detail: 'malformed model list' } : status;
      // A 200 of another form is how LM Studio says that it has no such route.
      if (!absent(answer) && answer.status !== 200) return seen;
    }
  }
  return seen;
}

/** Where the operator did not write `/v1`, the routes may stand without it. */
function prefixesFor(asked: Listed, versioned: boolean): string[] {
  const { prefix } = asked.target;
  if (!versioned || writesVersion(asked.spec.baseUrl)) return [prefix];
  const root = rootOf(asked.target);
  return [...new Set([`${root}/v1`, root])];
}

async function readExtra<T>(
  fetch: ProbeFetch,
  asked: Asked,
  sources: ReadonlyArray<{ path: `/${string}` | `{v1}/${string}`; read: (json: unknown) => T | undefined }>,
): Promise<T | undefined> {
  for (const { path, read } of sources) {
    // What comes beside the list may fail without spoiling it.
    const answer = await ask(fetch, asked, path, listLimits).catch(() => undefined);
    const value = answer?.status === 200 ? read(answer.json) : undefined;
    if (value !== undefined) return value;
  }
  return undefined;
}

function withWarmth(model: Model, warm: ReadonlySet<string> | undefined): Model {
  return warm === undefined ? model : { ...model, loaded: warm.has(model.id) };
}

/** A model's own context length, but never more than the engine was started with. */
function withContext(model: Model, contextLength: number | undefined): Model {
  if (contextLength === undefined) return model;
  return { ...model, contextLength: Math.min(contextLength, model.contextLength ?? contextLength) };
}

/** Asks an endpoint for its models. Never rejects, never loads one. */
export async function readModels(fetch: ProbeFetch, asked: Listed, kind: Kind): Promise<ModelReading> {
  try {
    const found = await findList(fetch, asked, kind);
    if ('type' in found) return { type: 'failed', seen: found };
    const { models, dropped } = cleanModels(found.entries);
    const [warm, facts] = await Promise.all([
      kind.warm === undefined ? undefined : readExtra(fetch, asked, [kind.warm]),
      readExtra(fetch, asked, kind.facts ?? []),
    ]);
    for (const [id, model] of models) models.set(id, withContext(withWarmth(model, warm), facts?.contextLength));
    return { type: 'read', listing: { models, dropped, facts: facts ?? {}, prefix: found.prefix } };
  } catch (error) {
    return { type: 'failed', seen: { type: 'failed', reason: failureReason(error), detail: failureDetail(error) } };
  }
}
