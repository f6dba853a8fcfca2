/** What happens in the arena as lines of a terminal; ids, models and names are text from outside. */
import type { LiveNews } from '@labmesh/wire/verification/arena-live';
import { safeText } from '../terminal/safe-text.ts';

/** A line of a terminal or two; --json has all of it. */
const charsMost = 300;

/** `a=1 b.c=x`: what has a value, one level deep. */
function words(data: Readonly<Record<string, unknown>>, prefix = ''): string[] {
  return Object.entries(data).flatMap(([name, value]) => {
    if (value === null || value === '') return [];
    if (typeof value === 'string' || typeof value === 'number' || typeof value === 'boolean')
      return [`${prefix}${name}=${value}`];
    return prefix === '' && typeof value === 'object' && !Array.isArray(value)
      ? words(value as Record<string, unknown>, `${name}.`)
      : [];
  });
}

/** `12:03:04  runs  state runId=… state=generating`, in UTC. */
export function liveLine({ topic, ts, data }: LiveNews): string {
  const { event, ...rest } = data;
  const at = Number.isFinite(ts) && Math.abs(ts) < 8.64e15 ? new Date(ts).toISOString().slice(11, 19) : '--:--:--';
  const said = [typeof event === 'string' ? event : '', ...words(rest)].filter((one) => one !== '').join(' ');
  return `${at}  ${safeText(topic).padEnd(12)}  ${safeText(said.slice(0, charsMost))}`;
}

/** Where the state of a topic is seen by who lost count of its news. */
export function lookText(topic: string): string {
  if (topic.startsWith('run:')) return `labctl arena show ${topic.slice(4)}`;
  return topic === 'verifiers' || topic === 'leaderboard' || topic === 'runs'
    ? `labctl arena ${topic}`
    : `GET /api/arena/${topic}`;
}

/** How many news of each topic are missing, by their numbers; a connection counts from 1. */
export class LiveCount {
  readonly #last = new Map<string, number>();

  /** How many are missing before this one. */
  missedBefore({ topic, seq }: Pick<LiveNews, 'topic' | 'seq'>): number {
    const missed = Math.max(0, seq - (this.#last.get(topic) ?? 0) - 1);
    this.#last.set(topic, seq);
    return missed;
  }
}
