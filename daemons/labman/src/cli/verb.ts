import type { LabmanFlags } from './labman-options.ts';

/** One command of `labman`; gives the exit code. */
export type Verb = (call: {
  flags: LabmanFlags;
  /** What stands behind the verb. */
  words: readonly string[];
  print: (text: string) => void;
}) => Promise<number>;

export const json = (value: unknown) => `${JSON.stringify(value, null, 2)}\n`;
