import type { Verdict } from '@labmesh/wire/verification/verdict';

/** A hard pass that ran nothing. */
export const sampleVerdict = (more: Partial<Verdict>): Verdict => ({
  status: 'passed',
  pluginName: 'sample',
  version: '1.0.0',
  digest: '0'.repeat(64),
  message: 'good',
  details: {},
  scoreModifier: 1,
  hard: true,
  level: null,
  durationMs: 1,
  evidenceSha256: null,
  code: null,
  ...more,
});
