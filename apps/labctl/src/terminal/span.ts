/** A time limit for people, exact where `span` rounds: `200ms`, `90s`, `1m`. */
export function limitText(ms: number): string {
  if (ms <= 0 || ms % 1000 !== 0) return `${Math.round(ms)}ms`;
  return ms % 60_000 === 0 ? span(ms) : `${ms / 1000}s`;
}

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
