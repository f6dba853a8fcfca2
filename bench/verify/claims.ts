/** What a certificate costs once it is decided: the signature, and its place in the log. All figures: `bench attest`. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { measureCertificates } from '../attest/measure-certificates.ts';
import { measureLog } from '../attest/measure-log.ts';
import { round } from '../report.ts';
import type { PartFigures, VerifyPart } from './verify-part.ts';

async function measure(owned: AsyncDisposableStack): Promise<PartFigures> {
  const folder = mkdtempSync(join(tmpdir(), 'labmesh-claims-'));
  owned.defer(() => rmSync(folder, { recursive: true, force: true }));
  const { signs, appends } = { ...(await measureCertificates()), ...(await measureLog(folder)) };
  if (signs === undefined || appends === undefined) throw new Error('nothing was measured');
  return {
    metrics: {
      signs_per_s: signs.perS,
      signs_per_cpu_s: signs.perCpuS,
      appends_per_s: appends.perS,
      appends_per_cpu_s: appends.perCpuS,
    },
    table: [
      ['unit', 'a second', 'a CPU second'],
      ['signatures', `${round(signs.perS)}`, `${round(signs.perCpuS)}`],
      ['appends to the log', `${round(appends.perS)}`, `${round(appends.perCpuS)}`],
    ],
    notes: [],
  };
}

export const claims: VerifyPart = {
  measure,
  goals: [
    { metric: 'signs_per_cpu_s', min: 10_000 },
    { metric: 'appends_per_cpu_s', min: 50_000 },
  ],
};
