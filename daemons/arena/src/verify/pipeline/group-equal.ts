import type { Candidate } from '../../contract/candidate.ts';
import type { Group } from './check-classes.ts';
import { candidateKey } from './verdict-cache.ts';

/** Equal candidates in one group, in the order of their first (AR4). */
export function groupEqual(candidates: readonly Candidate[]): Group[] {
  const groups: Group[] = [];
  const byKey = new Map<string, Group>();
  candidates.forEach((candidate, index) => {
    const key = candidateKey(candidate);
    const same = key === undefined ? undefined : byKey.get(key);
    if (same !== undefined) return void same.indices.push(index);
    const group: Group = { candidate, key, indices: [index], verdicts: new Map() };
    groups.push(group);
    if (key !== undefined) byKey.set(key, group);
  });
  return groups;
}
