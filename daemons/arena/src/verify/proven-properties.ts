import { compareLevels, type SandboxLevel } from '@labmesh/wire/verification/sandbox';
import type { Aggregate } from '@labmesh/wire/verification/verdict';

/** The lowest level that anything of this candidate ran at; null when nothing ran (CT2). */
export function lowestLevel({ results }: Pick<Aggregate, 'results'>): SandboxLevel | null {
  const used = results.map(({ level }) => level).filter((level) => level !== null);
  return used.toSorted(compareLevels)[0] ?? null;
}

/**
 * What a certificate may claim, without LABMESH_, sorted: what passed verifiers grant, and the lowest level used as
 * ISOLATION_Ln. Empty unless the outcome is valid (V4, CT2).
 */
export function provenProperties(aggregate: Aggregate): string[] {
  if (aggregate.outcome !== 'valid') return [];
  const granted = aggregate.results.flatMap(({ status, grants }) => (status === 'passed' ? (grants ?? []) : []));
  const level = lowestLevel(aggregate)?.match(/L\d/)?.[0];
  return [...new Set(level === undefined ? granted : [...granted, `ISOLATION_${level}`])].toSorted();
}
