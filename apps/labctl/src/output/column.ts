/** How a type of things is shown: its columns, and what each thing is called (CT-6). */
import type { Cell } from '../terminal/table.ts';

/** What a state means to whoever looks after it. */
export type Tone = 'good' | 'busy' | 'bad' | 'past';

export type Column<T> = {
  header: string;
  /** `now`: Unix milliseconds. */
  value: (item: T, now: number) => Cell;
  /** Only with `-o wide`. */
  wide?: true;
  /** The cell is a state and gets its colour. */
  state?: true;
};

export type View<T> = {
  columns: readonly Column<T>[];
  /** As `-o name` prints it: `server/web-1`. */
  name: (item: T) => string;
};

/** Tones of the words that the API uses for states; others have none. */
export const tones: Readonly<Record<string, Tone>> = {
  online: 'good',
  ok: 'good',
  active: 'good',
  live: 'good',
  open: 'good',
  suspect: 'busy',
  detached: 'busy',
  degraded: 'busy',
  'waiting-approval': 'busy',
  expiring: 'busy',
  offline: 'bad',
  banned: 'bad',
  conflict: 'bad',
  lost: 'bad',
  down: 'bad',
  denied: 'bad',
  error: 'bad',
  failed: 'bad',
  expired: 'past',
  revoked: 'past',
  used: 'past',
  disabled: 'past',
  ended: 'past',
  retired: 'past',
};
