/** Moves the limits of checks/ruler.json as near to the aims as the tree is today. Never loosens one. */
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { daemonDependencies } from '../checks/dependencies.ts';
import { type Mark, marks, type MeasureName, measures, past, worst } from '../checks/ruler.ts';
import { root } from '../checks/sources.ts';

type Allowed = Partial<Record<MeasureName, number>>;

/** The stricter of what was allowed and what is measured, where that is still past the aim. */
export function tightened(before: Allowed, now: Allowed): Allowed {
  const next: Allowed = {};
  for (const [name, allowed] of Object.entries(before) as [MeasureName, number][]) {
    const mark: Mark = marks[name];
    const value = now[name] ?? mark.aim;
    const limit = past(mark, value, allowed) ? allowed : value;
    if (past(mark, limit, mark.aim)) next[name] = limit;
  }
  return next;
}

if (import.meta.main) {
  const file = join(root, 'checks/ruler.json');
  const now = worst([...measures(), ...daemonDependencies()]);
  const next = tightened(JSON.parse(readFileSync(file, 'utf8')) as Allowed, now);
  writeFileSync(file, `${JSON.stringify(next, null, 2)}\n`);
  for (const [name, value] of Object.entries(now) as [MeasureName, number][]) {
    console.log(`${name} ${value} (aim ${marks[name].aim}, wall ${marks[name].wall}, allowed ${next[name] ?? 'aim'})`);
  }
}
