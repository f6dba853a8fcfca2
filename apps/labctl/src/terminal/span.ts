/** A time limit for people, exact where `span` rounds: `200ms`, `1500ms`, `30s`. */
export const limitText = (ms: number): string => (ms % 1000 === 0 && ms > 0 ? span(ms) : `${Math.round(ms)}ms`);

/** A time span for people: `45s`, `3m`, `2h`, `5d`. */
export function span(ms: number): string {
  const s = Math.max(0, Math.floor(ms / 1000));
  if (s < 60) return `${s}s`;
  if (s < 3600) return `${Math.floor(s / 60)}m`;
  if (s < 48 * 3600) return `${Math.floor(s / 3600)}h`;
  return `${Math.floor(s / 86_400)}d`;
}

/** How long ago an ISO time was, `-` when there is none. */
export function ago(iso: string | undefined, now: number): string {
  return iso === undefined ? '-' : `${span(now - Date.parse(iso))} ago`;
}

/** How long it is until an ISO time: `in 3m`, `3m ago` once it has passed, `-` when there is none. */
export function until(iso: string | undefined, now: number): string {
  if (iso === undefined) return '-';
  const left = Date.parse(iso) - now;
  return left < 0 ? `${span(-left)} ago` : `in ${span(left)}`;
}
