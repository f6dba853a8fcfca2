import type { KindName } from '../registry/endpoint.ts';
import { ask, type Asked } from './ask.ts';
import type { Answer, PathTemplate } from './kind.ts';
import { kindList } from './kinds.ts';
import { failureReason, type ProbeFetch } from './probe-fetch.ts';

export const identifyLimits = {
  getsMax: 8,
  timeoutMs: 2_000,
  /** Model lists can be long; nothing else here is. */
  bytesMax: 8 * 1024 * 1024,
};

export type Identity = {
  kind: KindName;
  /** False = nothing told: `openai` is only the fallback. */
  told: boolean;
};

/** The paths worth asking, those of kinds at home on this port first. The port only orders, it proves nothing. */
function pathsFor(port: number): PathTemplate[] {
  const home = kindList.filter((kind) => kind.ports.includes(port));
  const tells = [...home, ...kindList].flatMap((kind) => kind.tells.map((tell) => tell.path));
  return [...new Set(tells)].slice(0, identifyLimits.getsMax);
}

function kindTold(path: PathTemplate, answer: Answer): KindName | undefined {
  return kindList.find((kind) => kind.tells.some((tell) => tell.path === path && tell.is(answer)))?.name;
}

/**
 * Finds out what answers at the target, by at most 8 GETs at its own origin, one after the other. Rejects when nothing
 * answers: two time-outs are taken as a hung server, so that a bad one costs seconds and not 8 × the limit.
 */
export async function identify(
  fetch: ProbeFetch,
  asked: Asked,
  timeoutMs = identifyLimits.timeoutMs,
): Promise<Identity> {
  let timeouts = 0;
  for (const path of pathsFor(asked.target.port)) {
    try {
      const answer = await ask(fetch, asked, path, { timeoutMs, bytesMax: identifyLimits.bytesMax });
      const kind = kindTold(path, answer);
      if (kind !== undefined) return { kind, told: true };
    } catch (error) {
      const reason = failureReason(error);
      if (reason === 'timeout') timeouts += 1;
      if (reason === 'connect' || timeouts >= 2) throw error;
    }
  }
  return { kind: 'openai', told: false };
}
