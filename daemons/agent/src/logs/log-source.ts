/** Lines of one log on their way out, and which of them are wanted. */
import type { LogLine, OpenOf } from '@labmesh/wire/frame/open';
import { Refused } from '../session-run.ts';
import { BadPattern, linePattern } from './line-pattern.ts';

/** Between what was there at the start and what comes: given once, when somebody follows. */
export const caughtUp = Symbol('caught up');
/** Lines are read as fast as they are asked for. */
export type LogSource = AsyncGenerator<LogLine | typeof caughtUp, void>;

/** A line of ours among theirs. */
export const notice = (text: string, at: number | null, cursor: string): LogLine => ({
  at,
  text: `[labmesh: ${text}]`,
  cursor,
});

export type LogsOpen = OpenOf<'logs'>;

/** @throws Refused for a pattern that cannot be read. */
export function checkFilter(open: Pick<LogsOpen, 'grep'>): void {
  patternOf(open.grep);
}

function patternOf(grep: string | undefined): (line: string) => boolean {
  try {
    return grep === undefined ? () => true : linePattern(grep);
  } catch (error) {
    if (error instanceof BadPattern) throw new Refused('protocol', error.message);
    throw error;
  }
}

/** `since`, `until` and `grep` over lines in order. Lines without a time have that of the line before. */
export class LineFilter {
  readonly #since: number;
  readonly #until: number;
  readonly #matches: (line: string) => boolean;
  #last: number | undefined;

  /** @throws Refused for a pattern that cannot be read. */
  constructor({ since, until, grep }: Pick<LogsOpen, 'since' | 'until' | 'grep'>) {
    this.#since = since ?? -Infinity;
    this.#until = until ?? Infinity;
    this.#matches = patternOf(grep);
  }

  /** True once a line was seen that lies after `until`. */
  get isPast(): boolean {
    return (this.#last ?? -Infinity) > this.#until;
  }

  wants(text: string, at: number | undefined): boolean {
    this.#last = at ?? this.#last;
    const isInTime = this.#last === undefined || (this.#last >= this.#since && this.#last <= this.#until);
    return isInTime && this.#matches(text);
  }

  /** Judges a line by itself, in any order. */
  wantsAlone(text: string, at: number | undefined): boolean {
    return (at === undefined || (at >= this.#since && at <= this.#until)) && this.#matches(text);
  }
}
