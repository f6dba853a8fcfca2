import type { Goal } from '../report.ts';

export type PartFigures = {
  metrics: Record<string, number>;
  /** What was not measured, and why; how figures came about. */
  notes: string[];
  /** First row: headings. */
  table: readonly (readonly string[])[];
};

/** One part of `npm run bench -- verify`, a file each. What it starts goes on `owned`. */
export type VerifyPart = { goals: readonly Goal[]; measure: (owned: AsyncDisposableStack) => Promise<PartFigures> };
