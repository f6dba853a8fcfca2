/** Lines of what was tried and what came of it, without paths and keys. */
import { createHash } from 'node:crypto';

export class Transcript {
  readonly lines: string[] = [];
  failures = 0;

  say(line: string): void {
    this.lines.push(line);
    console.log(line);
  }

  /** A line for one thing that was tried; `isRight` false makes the whole run fail. */
  check(isRight: boolean, what: string, found: string): void {
    if (!isRight) this.failures++;
    this.say(`  ${isRight ? 'ok  ' : 'FAIL'}  ${what.padEnd(68)} ${found}`);
  }
}

/** Eight digits that tell two keys apart and give none away. */
export const shortHash = (text: string) => createHash('sha256').update(text).digest('hex').slice(0, 8);

export const seconds = (ms: number) => `${(ms / 1000).toFixed(1)} s`;
