/** What lists show of an agent's facts (AG-6). Facts are the machine's own claims: read with care, never decided by. */
import { parseJson } from '@labmesh/kit/parse-json';

export type ShownFacts = {
  os: string | null;
  arch: string | null;
  cpus: number | null;
  memoryBytes: number | null;
  gpus: string[];
};

const object = (value: unknown): Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as Record<string, unknown>) : {};
const text = (value: unknown): string | null => (typeof value === 'string' ? value.slice(0, 253) : null);
const amount = (value: unknown): number | null =>
  typeof value === 'number' && Number.isFinite(value) && value >= 0 ? value : null;

export function readFacts(json: string | null): ShownFacts {
  const facts = object(json === null ? undefined : parseJson(json));
  const os = object(facts['os']);
  const gpus = Array.isArray(facts['gpus']) ? facts['gpus'] : [];
  return {
    os: text(facts['os']) ?? text(os['prettyName']) ?? text(os['name']),
    arch: text(facts['arch']),
    cpus: amount(object(facts['cpu'])['threads']) ?? amount(object(facts['cpu'])['cores']),
    memoryBytes: amount(object(facts['memory'])['totalBytes']),
    gpus: gpus.slice(0, 64).flatMap((gpu) => text(object(gpu)['name']) ?? []),
  };
}
